// SPDX-License-Identifier: Apache-2.0
// Where an agent's records go: a collector, an incident file, or both.
#ifndef RINGSIDE_AGENT_SINK_H_
#define RINGSIDE_AGENT_SINK_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "correlate/records.h"
#include "proto/trigger.h"

namespace ringside {

// Takes the records of one stream in the order of their numbers. Called from the agent's own thread
// only. Must not block for longer than a write to memory or to a local file takes: a slow collector
// never stalls counting.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual absl::Status Put(const NumberedRecord& record) = 0;
  // Queues ("eth0/rx1", "vm1/eth0/rx1") whose detail events somebody asked for since the last call;
  // nothing if no one did.
  virtual std::optional<std::vector<std::string>> TakeDetailRequest() { return std::nullopt; }
  // What is asked of the flight recorder since the last call.
  struct RecorderRequest {
    std::optional<std::vector<std::string>> wishes;  // replace the last, if somebody asked
    std::vector<Trigger> triggers;
  };
  virtual RecorderRequest TakeRecorderRequest() { return {}; }
  // What is known of agents here that were killed, to be put once, right after the stream's Hello.
  virtual std::vector<Gap> TakeInherited() { return {}; }
  // Waits until everything put so far is safe, at most `timeout_ms`. DEADLINE_EXCEEDED if not.
  virtual absl::Status Flush(int timeout_ms) = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_SINK_H_
