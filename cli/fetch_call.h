// SPDX-License-Identifier: Apache-2.0
// Fetching a part of a collector's store: gRPC, and nothing else. Called by cli/remote; any thread.
#ifndef RINGSIDE_CLI_FETCH_CALL_H_
#define RINGSIDE_CLI_FETCH_CALL_H_

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "proto/address.h"

namespace ringside {

// Calls `take` with each piece of the file, in order, and the size of the whole; a failure of its
// ends the call. Times are the collector's REALTIME, 0 for open. UNAVAILABLE if the collector
// cannot be reached or goes away; others are what it said.
absl::Status FetchPieces(const Address& address, int64_t from_real_ns, int64_t to_real_ns,
                         const std::function<absl::Status(std::string_view, uint64_t)>& take);

}  // namespace ringside

#endif  // RINGSIDE_CLI_FETCH_CALL_H_
