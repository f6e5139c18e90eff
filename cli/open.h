// SPDX-License-Identifier: Apache-2.0
// Opening what the user calls an incident: a file, or a collector's store directory. Called by the
// commands; any thread.
#ifndef RINGSIDE_CLI_OPEN_H_
#define RINGSIDE_CLI_OPEN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/remote.h"
#include "correlate/recording.h"

namespace ringside {

struct Incident {
  std::string path;  // as given
  Recording recording;
};

// A failure's message is one line that names the path, says why, and what to do.
// `path` may be a collector's address (cli/remote.h).
absl::StatusOr<Incident> OpenIncident(const std::string& path, const FetchArgs& args = {});

// NOT_FOUND with the words that every command uses where there is nothing at `path`.
absl::Status CheckExists(const std::string& path);

}  // namespace ringside

#endif  // RINGSIDE_CLI_OPEN_H_
