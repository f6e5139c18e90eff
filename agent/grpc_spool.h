// SPDX-License-Identifier: Apache-2.0
// The records of one stream that no collector has acknowledged, bounded in bytes. Used by GrpcSink,
// under its lock; no thread of its own.
//
//   acknowledged | sent, not acknowledged | to be sent
//                ^ front                  ^ last_sent
//
// When it is full, the oldest eighth is thinned: snapshots are folded into the first one kept after
// them, which then says so; marks, event chunks and log lines go. A Gap with the number of the last
// record that went stands for each run of them, without those that turn out to have arrived. Hello,
// queues, facts, the agent's own gaps and Bye are never dropped: without them the rest means
// nothing, and they are few.
#ifndef RINGSIDE_AGENT_GRPC_SPOOL_H_
#define RINGSIDE_AGENT_GRPC_SPOOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "correlate/records.h"

namespace ringside {

using SharedRecord = std::shared_ptr<const NumberedRecord>;

class Spool {
 public:
  explicit Spool(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Numbers must grow. RESOURCE_EXHAUSTED if there is no room even after thinning.
  absl::Status Put(const NumberedRecord& record);
  // All up to and with `number` are safe elsewhere.
  void Acknowledge(uint64_t number);

  // What comes after the last one that was sent; null if there is nothing.
  SharedRecord NextToSend() const;
  void MarkSent(uint64_t number) {
    last_sent_ = number;
    ever_sent_ = std::max(ever_sent_, number);
  }

  // For a collector that has nothing of the stream: its newest Hello and the newest word on each
  // queue, as far as they have numbers from 2 up to `number`.
  std::vector<SharedRecord> ContextUpTo(uint64_t number) const;
  // The stream's first record; null before it is put.
  const SharedRecord& first_hello() const { return first_hello_; }

  // Whether a collector whose newest record of this stream is `number`, with this fingerprint (0:
  // not told), can have it from this agent. If not, one of the two was set back to an earlier
  // state.
  bool CouldHaveSent(uint64_t number, uint64_t fingerprint) const;
  uint64_t newest() const { return newest_; }  // number of the last one put

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  // What went, of one record or of many.
  struct Loss {
    int64_t from_mono_ns = 0;
    int64_t to_mono_ns = 0;
    uint64_t snapshots = 0;
    uint64_t marks = 0;
    uint64_t events = 0;
    uint64_t lines = 0;
    void Add(const Loss& other);
  };
  // What a Gap of ours stands for. Records that were sent, on this connection or an earlier one,
  // may have arrived: the collector's next word tells, so they are kept apart.
  struct Losses {
    Loss unsent;
    std::vector<std::pair<uint64_t, Loss>> sent;  // by number
  };
  struct Entry {
    SharedRecord record;
    size_t bytes = 0;
    std::optional<Losses> loss;  // set: this is a Gap of ours
    bool folded = false;         // it is not what was put
  };

  class Thinner;
  static Entry MakeEntry(NumberedRecord record);
  Entry MakeGap(uint64_t number, Losses run) const;
  void Thin();
  void Remember(const SharedRecord& record);

  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::deque<Entry> entries_;  // by number
  uint64_t last_sent_ = 0;
  uint64_t ever_sent_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t newest_ = 0;
  SharedRecord first_hello_;
  SharedRecord last_hello_;
  std::map<QueueId, SharedRecord> queues_;
};
}  // namespace ringside

#endif  // RINGSIDE_AGENT_GRPC_SPOOL_H_
