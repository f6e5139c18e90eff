// SPDX-License-Identifier: Apache-2.0
// A collector's address where a command takes an incident: what its store has is fetched into a
// temporary file, once per run of the program, and removed when that ends. Main thread only.
#ifndef RINGSIDE_CLI_REMOTE_H_
#define RINGSIDE_CLI_REMOTE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ringside {

struct FetchArgs {
  std::string from;  // --from and --to as given: only that is fetched
  std::string to;
  bool insecure = false;
};

// The path to open for what the user calls an incident: itself, or that of the temporary file. A
// failure's message is one line that names the incident.
absl::StatusOr<std::string> LocalIncident(const std::string& incident, const FetchArgs& args = {});

}  // namespace ringside

#endif  // RINGSIDE_CLI_REMOTE_H_
