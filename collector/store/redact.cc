// SPDX-License-Identifier: Apache-2.0
#include "collector/store/redact.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace ringside {
namespace {

bool IsWordByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == ':' ||
         c == '.' || static_cast<unsigned char>(c) >= 0x80;
}

bool AllOf(std::string_view text, bool (*is)(char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is);
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

size_t CountOf(std::string_view text, char c) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), c));
}

// Hexadecimal digits and colons, as MAC (five colons) and IPv6 addresses have.
bool IsColonAddress(std::string_view word) {
  return CountOf(word, ':') >= 2 && AllOf(word, [](char c) { return IsHex(c) || c == ':'; }) &&
         word.find_first_of("0123456789abcdefABCDEF") != std::string_view::npos;
}

bool IsIpv4(std::string_view word) {
  return CountOf(word, '.') == 3 && AllOf(word, [](char c) { return IsDigit(c) || c == '.'; }) &&
         IsDigit(word.front()) && IsDigit(word.back());
}

// UUIDs, machine ids, checksums: enough hexadecimal digits to tell one machine from all others.
bool IsId(std::string_view word) {
  constexpr size_t kTelling = 12;
  if (word.starts_with("0x")) word.remove_prefix(2);
  return word.size() - CountOf(word, '-') >= kTelling &&
         AllOf(word, [](char c) { return IsHex(c) || c == '-'; }) &&
         !AllOf(word, [](char c) { return c == '0' || c == '1'; });  // feature bits
}

// Given by the kernel, the same everywhere.
bool IsKernelName(std::string_view device) {
  for (const std::string_view prefix : {"virtio", "kvm-"}) {
    if (device.starts_with(prefix) && AllOf(device.substr(prefix.size()), IsDigit)) return true;
  }
  return device == "cpu" || device.empty();
}

// How long the path is that the text begins with; 0 for none, and for the kernel's own files.
size_t PathBytes(std::string_view text) {
  if (text.size() < 2 || text[0] != '/' || !IsWordByte(text[1])) return 0;
  for (const std::string_view kernels : {"/proc/", "/sys/", "/dev/"}) {
    if (text.starts_with(kernels)) return 0;
  }
  return std::min(text.find_first_of(" \t,;()'\""), text.size());
}

constexpr std::string_view kProcess = "process=";
constexpr std::string_view kThread = "thread=";
constexpr std::string_view kTaskFact = "task.";
constexpr std::string_view kDisabled = "Disabling IRQ #";

}  // namespace

void Redactor::Learn(const std::string& name, const char* kind) {
  if (name.empty() || names_.contains(name)) return;
  names_[name] = fmt::format("{}{}", kind, ++kinds_[kind]);
}

void Redactor::Learn(const Record& record) {
  if (const auto* hello = std::get_if<Hello>(&record)) {
    Learn(hello->name, (hello->roles & kRoleHost) != 0 ? "host" : "guest");
  }
  const auto* queue = std::get_if<QueueInfo>(&record);
  if (queue == nullptr) return;
  Learn(queue->vm_name, "vm");
  if (!IsKernelName(queue->device)) {
    Learn(queue->device, queue->kind == QueueKind::kHost ? "tap" : "eth");
  }
}

uint64_t Redactor::Hash(std::string_view text) const {
  uint64_t hash = secret_;
  for (const char c : text) {
    hash ^= static_cast<uint8_t>(std::tolower(static_cast<unsigned char>(c)));
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
  }
  return hash;
}

// The same length and form, other digits.
std::string Redactor::Id(std::string_view id) const {
  std::string out(id);
  uint64_t state = Hash(id);
  for (char& c : out) {
    if (!IsHex(c)) continue;
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = "0123456789abcdef"[state >> 60];
  }
  if (id.starts_with("0x")) out.replace(0, 2, "0x");
  return out;
}

std::string Redactor::Word(std::string_view word) const {
  // Text runs on after a word: "vm1:", "10.0.0.1."
  const size_t end = word.find_last_not_of(".:");
  if (end == std::string_view::npos) return std::string(word);
  const std::string tail(word.substr(end + 1));
  word = word.substr(0, end + 1);
  const auto whole = names_.find(word);
  if (whole != names_.end()) return whole->second + tail;
  if (IsColonAddress(word)) return Id(word) + tail;
  if (IsIpv4(word)) {
    const uint64_t hash = Hash(word);
    return fmt::format("10.{}.{}.{}", hash & 255, hash >> 8 & 255, hash >> 16 & 255) + tail;
  }
  if (IsId(word)) return Id(word) + tail;
  // "tap0.mtu", "vm1:22": names before or after a dot or colon.
  const size_t dot = word.find_first_of(".:");
  if (dot == std::string_view::npos) return std::string(word) + tail;
  return Word(word.substr(0, dot)) + word[dot] + Word(word.substr(dot + 1)) + tail;
}

std::string Redactor::Text(std::string_view text) const {
  const auto whole = names_.find(text);
  if (whole != names_.end()) return whole->second;
  std::string out;
  for (size_t at = 0; at < text.size();) {
    // A learned name goes first, whatever bytes it is made of, if it stands by itself.
    const std::pair<const std::string, std::string>* longest = nullptr;
    const bool begins = at == 0 || !IsWordByte(text[at - 1]);
    for (auto name = names_.begin(); begins && name != names_.end(); ++name) {
      const std::string& plain = name->first;
      if (!text.substr(at).starts_with(plain)) continue;
      const size_t after = at + plain.size();
      if (after < text.size() && IsWordByte(text[after]) && text[after] != '.' &&
          text[after] != ':') {
        continue;
      }
      if (longest == nullptr || plain.size() > longest->first.size()) longest = &*name;
    }
    if (longest != nullptr) {
      out += longest->second;
      at += longest->first.size();
      continue;
    }
    if (const size_t path = begins ? PathBytes(text.substr(at)) : 0; path > 0) {
      out += "(path)";
      at += path;
      continue;
    }
    size_t end = at;
    while (end < text.size() && IsWordByte(text[end])) ++end;
    out += end > at ? Word(text.substr(at, end - at)) : std::string(1, text[at]);
    at = std::max(end, at + 1);
  }
  return out;
}

StreamKey Redactor::Key(const StreamKey& key) const {
  const auto id = [this](const std::string& text) { return fmt::format("{:016x}", Hash(text)); };
  return StreamKey{id(key.machine_id), id(key.boot_id), id(key.instance)};
}

std::string Redactor::Task(const std::string& name) {
  Learn(name, "task");
  return names_[name];
}

void Redactor::Apply(Record& record) {
  std::visit([this](auto& body) { ApplyTo(body); }, record);
}

void Redactor::ApplyTo(Hello& hello) {
  hello.key = Key(hello.key);
  hello.name = Text(hello.name);
  hello.smbios_uuid = Id(hello.smbios_uuid);
  for (HookInfo& hook : hello.hooks) {
    hook.target = Text(hook.target);
    hook.reason = Text(hook.reason);
  }
}

void Redactor::ApplyTo(QueueInfo& queue) {
  if (!IsKernelName(queue.device)) queue.device = Text(queue.device);
  queue.vm_name = Text(queue.vm_name);
  queue.vm_uuid = Id(queue.vm_uuid);
  queue.vm_id = queue.vm_id.empty() ? "" : fmt::format("{:016x}", Hash(queue.vm_id));
  if (queue.ring_address != 0) {
    constexpr int kAddressBits = 46;
    const uint64_t hash = Hash(fmt::format("ring {}", queue.ring_address));
    queue.ring_address = (hash >> (64 - kAddressBits)) | 1;
  }
}

void Redactor::ApplyTo(Snapshot& snapshot) {
  for (Part& part : snapshot.parts) {
    const std::string_view what = part.label.starts_with(kThread) ? kThread : kProcess;
    if (!part.label.starts_with(what)) {
      part.label = Text(part.label);
      continue;
    }
    const size_t id = std::min(part.label.rfind(" ("), part.label.size());
    part.label = fmt::format("{}{}{}", what, Task(part.label.substr(what.size(), id - what.size())),
                             part.label.substr(id));
  }
}

void Redactor::ApplyTo(Fact& fact) {
  if (fact.name.starts_with(kTaskFact)) {
    const size_t end = std::min(fact.value.find(' '), fact.value.size());
    fact.value = Task(fact.value.substr(0, end)) + fact.value.substr(end);
    return;
  }
  fact.name = Text(fact.name);
  fact.value = Text(fact.value);
}

void Redactor::ApplyTo(LogLine& line) const {
  const size_t at = line.text.find(kDisabled);
  if (at == std::string::npos) {
    line.text = "(removed)";
    return;
  }
  size_t end = at + kDisabled.size();
  while (end < line.text.size() && IsDigit(line.text[end])) ++end;
  line.text = line.text.substr(at, end - at);
}

}  // namespace ringside
