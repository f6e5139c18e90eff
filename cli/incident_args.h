// SPDX-License-Identifier: Apache-2.0
// The options that every command on an incident has, and the incident opened by them. Called by the
// commands; main thread only. A `LoadedLedger` owns all it holds.
#ifndef RINGSIDE_CLI_INCIDENT_ARGS_H_
#define RINGSIDE_CLI_INCIDENT_ARGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "cli/open.h"
#include "correlate/analysis.h"

namespace ringside {

struct IncidentArgs {
  std::string path;
  std::string queue;
  std::string from;
  std::string to;
  bool json = false;
  bool wide = false;
  bool insecure = false;
};

// Declares INCIDENT and --queue, --from, --to, --json, --wide on `command`. `args` must outlive the
// parser.
void AddIncidentOptions(CLI::App& command, IncidentArgs& args);

// Turns --from and --to into times on the axis, where they are given; `zero_ns` is the incident's
// first snapshot. A wrong one is a usage error.
absl::Status ParseWindow(const std::string& from, const std::string& to, int64_t zero_ns,
                         std::optional<int64_t>& from_ns, std::optional<int64_t>& to_ns);

struct LoadedLedger {
  Incident incident;
  std::vector<Finding> findings;  // of the same; of the nodes and VMs as well
  Ledger ledger;                  // over the window and of the queue that were asked for
  LedgerOptions options;          // what was asked for, on the axis
  int64_t zero_ns = 0;            // the incident's first snapshot: where +3.2s counts from
};

// Opens the incident and makes its ledger. A wrong time is a usage error; a queue that the incident
// does not have is a failure that names the ones it has.
absl::StatusOr<LoadedLedger> LoadLedger(const IncidentArgs& args);

// The same of a moment: `length` around a time of the incident, read alone, so that it takes as
// long as what happened there.
absl::StatusOr<LoadedLedger> LoadAround(const IncidentArgs& args, const std::string& around,
                                        const std::string& length);

// The ledger's warnings on standard error, where standard output is taken by an object.
void SayWarnings(const Ledger& ledger);

// The queue of `ledger` that `name` means: either side's full name, or the end of exactly one
// ("eth0/rx1", "rx1"). Its index, or a failure that lists what there is.
absl::StatusOr<size_t> FindQueue(const Ledger& ledger, const std::string& name,
                                 const std::string& path);

}  // namespace ringside

#endif  // RINGSIDE_CLI_INCIDENT_ARGS_H_
