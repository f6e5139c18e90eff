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
        fmt::format("no such file: {}; give an incident file (.rsi), a store directory or a "
                    "collector's HOST:PORT",
                    path));
  }
  return absl::PermissionDeniedError(ErrnoText("cannot open " + path, errno));
}

absl::StatusOr<Incident> OpenIncident(const std::string& path, const FetchArgs& args) {
  const absl::StatusOr<std::string> local = LocalIncident(path, args);
  if (!local.ok()) return local.status();
  absl::StatusOr<Recording> recording = ReadIncident(*local);
  if (!recording.ok()) return recording.status();
  return Incident{.path = path, .recording = *std::move(recording)};
}

}  // namespace ringside
