// SPDX-License-Identifier: Apache-2.0
// Carries bytes between pairs of stream sockets, both ways, without looking at them: a guest's
// agent reaches its collector over vsock (gRPC knows none), and the host's agent passes guests on.
//
//   guest:  gRPC --[socket pair]-- ByteRelay ==vsock==> host
//   host:   guest ==vsock==> ByteRelay --tcp or unix--> collector
//
// One thread of its own does all of it. Memory is bounded: kRelayPairsMax pairs, a buffer of
// kRelayBuffer bytes each way; a side that does not take its bytes stops the other's. When one side
// ends, what it sent is still delivered, then the other has kRelayLingerMs to end, too. Whoever
// dies, the pair is closed and nothing else is touched: what was on its way is lost, and is the
// business of the two ends (agents send again what was not acknowledged).
#ifndef RINGSIDE_AGENT_BYTE_RELAY_H_
#define RINGSIDE_AGENT_BYTE_RELAY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ringside {

inline constexpr size_t kRelayPairsMax = 64;              // guests of one host that record at once
inline constexpr size_t kRelayPairsMaxPerPeer = 4;        // a guest that opens more is not served
inline constexpr size_t kRelayBuffer = size_t{64} << 10;  // a burst of a link's round trip
inline constexpr int kRelayConnectMs = 5000;
inline constexpr int kRelayLingerMs = 5000;

// A new non-blocking socket that is connected or on its way there (EINPROGRESS); negative: not now.
using RelayConnect = std::function<int()>;

struct RelayTotals {
  uint64_t accepted = 0;
  uint64_t refused = 0;  // over a bound, or nobody there to connect to
  uint64_t open = 0;
};

class ByteRelay {
 public:
  // `listener`: a listening non-blocking socket, which the relay owns from then on; -1: none.
  // `connect` is called by the relay's thread, once for each pair.
  static absl::StatusOr<std::unique_ptr<ByteRelay>> Start(int listener, RelayConnect connect);
  ~ByteRelay();  // closes everything

  // One end of a new pair, non-blocking and the caller's own; its other end is what `connect`
  // gives. If that fails it reads as closed. Negative if there is no descriptor left. Any thread.
  int Open();
  RelayTotals totals() const;  // any thread

 private:
  class Impl;
  explicit ByteRelay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Towards a vsock port, and a listener on one for every guest of this host.
RelayConnect ConnectVsock(uint32_t cid, uint32_t port);
absl::StatusOr<RelayConnect> ConnectVsock(const std::string& address);  // "vsock:2:7701"
absl::StatusOr<int> ListenVsock(uint32_t port);
// Towards host:port or a socket's path; names are looked up each time.
RelayConnect ConnectStream(const std::string& host, const std::string& port,
                           const std::string& unix_path);

// What --relay does: whoever connects to `listen` (vsock:PORT) is passed on to the collector at
// `collector` (host:port or unix:/path). INVALID_ARGUMENT for addresses that cannot be.
absl::StatusOr<std::unique_ptr<ByteRelay>> StartRelay(const std::string& listen,
                                                      const std::string& collector);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_BYTE_RELAY_H_
