// SPDX-License-Identifier: Apache-2.0
// Addresses as users write them: host:port, [v6]:port or unix:/path. Shared by collector (listen)
// and agent (connect). vsock addresses are the agents' alone: gRPC knows none, so agents relay them
// (agent/byte_relay.h). Pure, any thread.
#ifndef RINGSIDE_PROTO_ADDRESS_H_
#define RINGSIDE_PROTO_ADDRESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace ringside {

struct Address {
  std::string target;     // as gRPC takes it
  std::string unix_path;  // empty for host:port
  bool local = false;     // cannot be reached from, or reach, another machine
};

// INVALID_ARGUMENT with one line if `text` is no address.
absl::StatusOr<Address> ParseAddress(const std::string& text);

// "vsock:CID:PORT" (2 is the host), "vsock:PORT" to listen.
struct VsockAddress {
  uint32_t cid = 0;  // 0: none given
  uint32_t port = 0;
};
inline constexpr std::string_view kVsockPrefix = "vsock:";
// INVALID_ARGUMENT with one line if `text` is none.
absl::StatusOr<VsockAddress> ParseVsock(const std::string& text);

}  // namespace ringside

#endif  // RINGSIDE_PROTO_ADDRESS_H_
