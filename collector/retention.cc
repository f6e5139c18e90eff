// SPDX-License-Identifier: Apache-2.0
#include "collector/retention.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <system_error>

namespace ringside {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int kNamesMax = 100;  // files begun within one second
constexpr char kRemoved[] = ".removed";

struct StoreFile {
  std::string path;
  int64_t begun_ns = 0;
  int64_t bytes = 0;
};

int64_t BytesOf(const std::string& path) {
  int64_t bytes = 0;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code error;
    const uintmax_t size = fs::file_size(path + suffix, error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

std::vector<StoreFile> FilesOf(const std::string& directory) {
  std::vector<StoreFile> files;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string path = entries->path().string();
    if (path.ends_with(kRemoved)) fs::remove(path, error);  // by one who was killed meanwhile
    if (const int64_t begun_ns = BegunOf(path)) files.push_back({path, begun_ns, BytesOf(path)});
  }
  std::sort(files.begin(), files.end(), [](const StoreFile& a, const StoreFile& b) {
    return std::pair(a.begun_ns, a.path) < std::pair(b.begun_ns, b.path);
  });
  return files;
}

// The file first leaves the store under another name: without its -wal it would be less than it
// was.
bool Remove(const std::string& path) {
  const std::string gone = path + kRemoved;
  if (std::rename(path.c_str(), gone.c_str()) != 0) return false;
  for (const char* suffix : {"-wal", "-shm"}) unlink((path + suffix).c_str());
  return unlink(gone.c_str()) == 0;
}

std::string TimeText(int64_t real_ns) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time_t{real_ns / kSecond_ns}));
}

}  // namespace

bool Retention::Due(int64_t file_bytes, int64_t begun_real_ns, int64_t now_real_ns) const {
  if (keep_bytes > 0 && file_bytes >= keep_bytes / kKeptFiles) return true;
  return keep_age_ns > 0 && now_real_ns - begun_real_ns >= keep_age_ns / kKeptFiles;
}

std::vector<RecorderGap> Retention::Trim(const std::string& current, int64_t now_real_ns,
                                         std::vector<std::string>& failures) const {
  std::vector<RecorderGap> gaps;
  if (!limited()) return gaps;
  const std::vector<StoreFile> files = FilesOf(directory);
  int64_t bytes = 0;
  for (const StoreFile& file : files) bytes += file.bytes;
  for (size_t i = 0; i + 1 < files.size() && files[i].path != current; ++i) {
    const int64_t until_ns = files[i + 1].begun_ns;  // it was written until the next one began
    const bool much = keep_bytes > 0 && bytes > keep_bytes;
    const bool old = keep_age_ns > 0 && until_ns < now_real_ns - keep_age_ns;
    if (!much && !old) break;
    if (!Remove(files[i].path)) {
      failures.push_back(fmt::format("{}: cannot be removed", files[i].path));
      break;  // what is newer does not go before it
    }
    bytes -= files[i].bytes;
    gaps.push_back({files[i].begun_ns, until_ns,
                    fmt::format("removed to keep the store {}: {} ({} to {})",
                                much ? "below its size" : "below its age",
                                fs::path(files[i].path).filename().string(),
                                TimeText(files[i].begun_ns), TimeText(until_ns))});
  }
  return gaps;
}

std::string StoreFileName(const std::string& directory, int64_t real_ns) {
  const std::string stem = fmt::format("{}/{:%Y%m%dT%H%M%SZ}", directory,
                                       fmt::gmtime(std::time_t{real_ns / kSecond_ns}));
  std::string path = stem + ".rsi";
  for (int copy = 2; fs::exists(path) && copy < kNamesMax; ++copy) {
    path = fmt::format("{}_{}.rsi", stem, copy);
  }
  return path;
}

int64_t BegunOf(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  std::tm time = {};
  int read = 0;
  if (std::sscanf(name.c_str(), "%4d%2d%2dT%2d%2d%2dZ%n", &time.tm_year, &time.tm_mon,
                  &time.tm_mday, &time.tm_hour, &time.tm_min, &time.tm_sec, &read) != 6 ||
      read != 16) {
    return 0;
  }
  const std::string rest = name.substr(16);
  int copy = 0;
  int end = 0;
  const bool counted = std::sscanf(rest.c_str(), "_%2d.rsi%n", &copy, &end) == 1 &&
                       static_cast<size_t>(end) == rest.size();
  if (rest != ".rsi" && !counted) return 0;
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return int64_t{timegm(&time)} * kSecond_ns;
}

}  // namespace ringside
