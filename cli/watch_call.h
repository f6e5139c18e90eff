// SPDX-License-Identifier: Apache-2.0
// gRPC's side of `ringside watch`: one call to a collector, read event by event. The only file of
// the CLI that includes gRPC (built without ThreadSanitizer, which cannot see how gRPC's library
// synchronises what its headers do). One thread.
#ifndef RINGSIDE_CLI_WATCH_CALL_H_
#define RINGSIDE_CLI_WATCH_CALL_H_

#include <chrono>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/address.h"
#include "proto/watch.h"

namespace ringside {

class WatchCall {
 public:
  static std::unique_ptr<WatchCall> Start(const Address& address);
  virtual ~WatchCall() = default;  // ends the call
  // The next event; nothing if none came in time. A status once the call has ended: what the
  // collector, or the network, said.
  virtual absl::StatusOr<std::optional<WatchEvent>> Next(std::chrono::milliseconds wait) = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_CLI_WATCH_CALL_H_
