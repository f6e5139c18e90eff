// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace ringside {
namespace {

// Splits off the first line, without its newline.
std::string_view TakeLine(std::string_view* text) {
  size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

// Splits off the first word; empty at the end of the line.
std::string_view TakeWord(std::string_view* line) {
  size_t begin = line->find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    *line = {};
    return {};
  }
  size_t end = line->find_first_of(" \t", begin);
  std::string_view word = line->substr(begin, end - begin);
  line->remove_prefix(end == std::string_view::npos ? line->size() : end);
  return word;
}

template <typename T>
bool ParseNumber(std::string_view word, T* value, int base = 10) {
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *value, base);
  return error == std::errc() && end == word.data() + word.size();
}

}  // namespace

std::string ReadText(const std::string& path, size_t limit) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text;
  char buffer[16384];
  ssize_t n;
  while (text.size() < limit && (n = read(fd, buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  if (text.size() > limit) text.resize(limit);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::vector<std::string> ListDirectory(const std::string& path) {
  std::vector<std::string> names;
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<ProcInterrupt> ParseProcInterrupts(std::string_view text) {
  std::vector<ProcInterrupt> result;
  TakeLine(&text);  // the header with the CPUs' names
  while (!text.empty()) {
    std::string_view line = TakeLine(&text);
    std::string_view label = TakeWord(&line);
    if (label.empty() || label.back() != ':') continue;
    ProcInterrupt entry;
    if (!ParseNumber(label.substr(0, label.size() - 1), &entry.irq)) continue;
    std::string_view word;
    uint64_t count = 0;
    while (!(word = TakeWord(&line)).empty() && ParseNumber(word, &count)) entry.count += count;
    // Chip and hardware number follow the counts; the name of the (last) action ends the line.
    while (!word.empty()) {
      entry.name = std::string(word);
      word = TakeWord(&line);
    }
    result.push_back(std::move(entry));
  }
  return result;
}

namespace {

// "virtnet_poll.isra.0" -> "virtnet_poll"; other names stay.
std::string_view WithoutCopySuffix(std::string_view name) {
  for (const std::string_view suffix : {".isra.", ".constprop.", ".llvm."}) {
    if (const size_t at = name.find(suffix); at != std::string_view::npos && at > 0) {
      return name.find(".cold") == std::string_view::npos &&
                     name.find(".part.") == std::string_view::npos
                 ? name.substr(0, at)
                 : name;
    }
  }
  return name;
}

}  // namespace

std::map<std::string, uint64_t, std::less<>> ParseKallsyms(std::string_view text,
                                                           const std::vector<std::string>& wanted) {
  std::map<std::string, uint64_t, std::less<>> found;
  std::map<std::string, uint64_t, std::less<>> copies;
  while (!text.empty()) {
    std::string_view line = TakeLine(&text);
    std::string_view address = TakeWord(&line);
    TakeWord(&line);  // type letter
    std::string_view name = TakeWord(&line);
    uint64_t value = 0;
    if (!ParseNumber(address, &value, 16) || value == 0) continue;
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) {
      found.emplace(std::string(name), value);
    } else if (const std::string_view bare = WithoutCopySuffix(name);
               bare != name && std::find(wanted.begin(), wanted.end(), bare) != wanted.end()) {
      copies.emplace(std::string(bare), value);
    }
  }
  found.merge(copies);  // keeps what is there under its own name
  return found;
}

std::map<std::string, uint64_t, std::less<>> ReadKallsyms(const std::vector<std::string>& wanted) {
  // 200,000 lines: read in one piece, 64 MiB is ten times what a large kernel has.
  return ParseKallsyms(ReadText("/proc/kallsyms", 64u << 20), wanted);
}

std::map<std::string, uint64_t> ParseModules(std::string_view text) {
  std::map<std::string, uint64_t> modules;
  while (!text.empty()) {
    // "virtio_net 57344 0 - Live 0xffffffffc0334000 (OE)"
    std::string_view line = TakeLine(&text);
    const std::string_view name = TakeWord(&line);
    for (int skipped = 0; skipped < 3; ++skipped) TakeWord(&line);
    const std::string_view state = TakeWord(&line);
    std::string_view address = TakeWord(&line);
    if (!address.starts_with("0x")) continue;
    address.remove_prefix(2);
    uint64_t value = 0;
    if (state == "Live" && ParseNumber(address, &value, 16)) modules[std::string(name)] = value;
  }
  return modules;
}

VmmNames ParseVmmCommandLine(std::string_view nul_separated) {
  VmmNames names;
  std::string_view previous;
  while (!nul_separated.empty()) {
    size_t end = nul_separated.find('\0');
    std::string_view word = nul_separated.substr(0, end);
    nul_separated.remove_prefix(end == std::string_view::npos ? nul_separated.size() : end + 1);
    if (previous == "-name" || previous == "--name") {
      // "-name vm1", "-name guest=vm1,debug-threads=on"
      if (word.starts_with("guest=")) word.remove_prefix(6);
      names.name = std::string(word.substr(0, word.find(',')));
    } else if (previous == "-uuid" || previous == "--uuid") {
      names.uuid = std::string(word);
      std::transform(names.uuid.begin(), names.uuid.end(), names.uuid.begin(),
                     [](unsigned char c) { return std::tolower(c); });
    }
    previous = word;
  }
  return names;
}

}  // namespace ringside
