// SPDX-License-Identifier: Apache-2.0
// Addresses as users write them: host:port, [v6]:port or unix:/path. Shared by collector (listen)
// and agent (connect). Pure, any thread.
#ifndef RINGSIDE_PROTO_ADDRESS_H_
#define RINGSIDE_PROTO_ADDRESS_H_

#include <string>

#include "absl/status/statusor.h"

namespace ringside {

struct Address {
  std::string target;     // as gRPC takes it
  std::string unix_path;  // empty for host:port
  bool local = false;     // cannot be reached from, or reach, another machine
};

// INVALID_ARGUMENT with one line if `text` is no address.
absl::StatusOr<Address> ParseAddress(const std::string& text);

}  // namespace ringside

#endif  // RINGSIDE_PROTO_ADDRESS_H_
