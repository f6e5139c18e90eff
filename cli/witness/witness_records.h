// SPDX-License-Identifier: Apache-2.0
// A witness' text as the records of a stream, as if an agent had been there for two snapshots. Used
// by `ringside import`. Pure; any thread.
#ifndef RINGSIDE_CLI_WITNESS_WITNESS_RECORDS_H_
#define RINGSIDE_CLI_WITNESS_WITNESS_RECORDS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/witness/witness_text.h"
#include "correlate/records.h"

namespace ringside {

struct WitnessOptions {
  std::string node;  // shown name; empty: the text's own
  // How far the guest's REALTIME may be off the host's; else what its kernel says, else unknown.
  std::optional<int64_t> clock_bound_ns;
  std::map<std::string, std::string> host_devices;  // netdev -> tap, as whoever imports knows
  uint64_t text_hash = 0;                           // the same text is the same stream
};

// The stream's records in their order: a Hello first, a Bye last. Adds to `witness.problems` what
// contradicts itself. INVALID_ARGUMENT: the text has no reading with a time, and says nothing that
// could be placed.
absl::StatusOr<std::vector<Record>> WitnessRecords(const WitnessOptions& options,
                                                   const std::string& file, WitnessText* witness);

}  // namespace ringside

#endif  // RINGSIDE_CLI_WITNESS_WITNESS_RECORDS_H_
