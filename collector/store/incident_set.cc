// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace ringside {
namespace {

namespace fs = std::filesystem;

// Each takes up to three file descriptors, of which a process has 1,024 by default.
constexpr size_t kStoreFilesMax = 256;

}  // namespace

std::string StatusText(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

absl::StatusOr<std::vector<std::string>> FilesIn(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (entries->path().extension() == ".rsi") files.push_back(entries->path().string());
  }
  if (error) {
    const std::string line = fmt::format("{}: {}", directory, error.message());
    if (error == std::errc::permission_denied) return absl::PermissionDeniedError(line);
    return absl::UnavailableError(line);
  }
  if (files.empty()) {
    return absl::NotFoundError(fmt::format("{}: no incidents (*.rsi) in it", directory));
  }
  std::sort(files.begin(), files.end());  // named after their times
  return files;
}

bool IsDirectory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

absl::StatusOr<Sources> OpenAll(const std::string& path, std::vector<RecorderGap>& gaps) {
  Sources sources;
  if (!IsDirectory(path)) {
    absl::StatusOr<std::unique_ptr<IncidentSource>> source = IncidentSource::Open(path);
    if (!source.ok()) return source.status();
    sources.push_back(*std::move(source));
    return sources;
  }
  const absl::StatusOr<std::vector<std::string>> files = FilesIn(path);
  if (!files.ok()) return files.status();
  if (files->size() > kStoreFilesMax) {
    return absl::FailedPreconditionError(
        fmt::format("{}: {} incidents, at most {} can be read as one: name one of them", path,
                    files->size(), kStoreFilesMax));
  }
  absl::Status first_failure;
  for (const std::string& file : *files) {
    absl::StatusOr<std::unique_ptr<IncidentSource>> source = IncidentSource::Open(file);
    if (source.ok()) {
      sources.push_back(*std::move(source));
      continue;
    }
    first_failure.Update(source.status());
    gaps.push_back(RecorderGap{0, 0, "left out: " + StatusText(source.status())});
  }
  if (sources.empty()) return first_failure;
  return sources;
}

Recording About(const Sources& sources) {
  Recording about = sources.front()->about();
  about.gaps.clear();
  for (const std::unique_ptr<IncidentSource>& source : sources) {
    const Recording& other = source->about();
    about.closed &= other.closed;
    about.merged |= other.merged;
    about.gaps.insert(about.gaps.end(), other.gaps.begin(), other.gaps.end());
    // Of several windows, all of them; 0 is no end.
    about.saved_from_ns = std::min(about.saved_from_ns, other.saved_from_ns);
    const bool ends = about.saved_to_ns != 0 && other.saved_to_ns != 0;
    about.saved_to_ns = ends ? std::max(about.saved_to_ns, other.saved_to_ns) : 0;
    if (other.real_to_ns == 0) continue;  // died before its first commit
    if (about.real_from_ns == 0) about.real_from_ns = other.real_from_ns;
    about.real_from_ns = std::min(about.real_from_ns, other.real_from_ns);
    about.real_to_ns = std::max(about.real_to_ns, other.real_to_ns);
  }
  return about;
}

}  // namespace ringside
