// SPDX-License-Identifier: Apache-2.0
// Sends an agent's records to a collector, over one gRPC stream that is opened again whenever it
// breaks.
//
// Made and called by the agent's own thread; Put never waits for the network. Records are kept in a
// bounded spool (grpc_spool.h) until the collector has committed them, and sent again after a break
// from where the collector stands. When the spool is full, the oldest snapshots are folded into
// later ones (their counts are kept, their resolution is not) and the oldest detail is dropped; a
// Gap record in their place says so. Sending, clock probes and heartbeats run on a thread of the
// sink's own and on gRPC's.
#ifndef RINGSIDE_AGENT_GRPC_SINK_H_
#define RINGSIDE_AGENT_GRPC_SINK_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/byte_relay.h"
#include "agent/sink.h"
#include "correlate/records.h"

namespace ringside {

// An hour of a busy agent's snapshots; small next to a host's memory.
inline constexpr size_t kSpoolBytesMax = size_t{64} << 20;

struct GrpcSinkOptions {
  std::string address;                  // host:port, unix:/path or vsock:CID:PORT
  std::function<ClockReading()> clock;  // the node's four clocks, now; called from any thread
  bool insecure = false;                // may send in the clear to another machine
  size_t spool_bytes_max = kSpoolBytesMax;
  std::string lease_folder;   // see lease.h; empty: none
  RelayConnect connect;       // for tests: instead of what a vsock address says
  int backoff_ms_min = 100;   // before the second attempt to connect
  int backoff_ms_max = 5000;  // doubled up to this
};

class GrpcSink : public Sink {
 public:
  // INVALID_ARGUMENT if the address cannot be one, or is another machine's and `insecure` is not
  // set. A collector that is not there is no failure: the sink keeps trying.
  static absl::StatusOr<std::unique_ptr<GrpcSink>> Create(const GrpcSinkOptions& options);
  // Ends the stream; waits at most a second. What is not acknowledged by then is lost: Flush first.
  ~GrpcSink() override;

  // The stream's first record must be its Hello.
  //   FAILED_PRECONDITION  the collector refused this agent for good; says why
  //   RESOURCE_EXHAUSTED   the spool is full of what must not be dropped (queues, facts)
  //   ABORTED              the collector has other records of this stream, as after a VM's snapshot
  //                        was restored: begin a new stream, and say why
  absl::Status Put(const NumberedRecord& record) override;
  std::optional<std::vector<std::string>> TakeDetailRequest() override;
  RecorderRequest TakeRecorderRequest() override;
  std::vector<Gap> TakeInherited() override;
  absl::Status Flush(int timeout_ms) override;

  // For log lines and tests: whether a collector has welcomed the stream that is open now.
  bool connected() const;

 private:
  class Impl;
  explicit GrpcSink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_GRPC_SINK_H_
