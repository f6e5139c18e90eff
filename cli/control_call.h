// SPDX-License-Identifier: Apache-2.0
// gRPC's side of `ringside detail` and `ringside trigger`: one question to a collector, one answer.
// (Built without ThreadSanitizer, as watch_call is.) One thread.
#ifndef RINGSIDE_CLI_CONTROL_CALL_H_
#define RINGSIDE_CLI_CONTROL_CALL_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "proto/address.h"
#include "proto/control.h"

namespace ringside {

// Both: how many agents were told. A status with the collector's words, or the network's; waits ten
// seconds at most.
absl::StatusOr<uint64_t> CallSetDetail(const Address& address, const DetailOrder& order);
absl::StatusOr<uint64_t> CallTrigger(const Address& address, const Trigger& trigger);

}  // namespace ringside

#endif  // RINGSIDE_CLI_CONTROL_CALL_H_
