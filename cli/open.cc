// SPDX-License-Identifier: Apache-2.0
#include "cli/open.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "cli/terminal.h"
#include "collector/store/incident_reader.h"
#include "fmt/format.h"

namespace ringside {

absl::Status CheckExists(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) return absl::OkStatus();
  if (errno == ENOENT || errno == ENOTDIR) {
    return absl::NotFoundError(
        fmt::format("no such file: {}; give an incident file (.rsi) or a store directory", path));
  }
  return absl::PermissionDeniedError(ErrnoText("cannot open " + path, errno));
}

absl::StatusOr<Incident> OpenIncident(const std::string& path) {
  if (absl::Status status = CheckExists(path); !status.ok()) return status;
  absl::StatusOr<Recording> recording = ReadIncident(path);
  if (!recording.ok()) return recording.status();
  return Incident{.path = path, .recording = *std::move(recording)};
}

}  // namespace ringside
