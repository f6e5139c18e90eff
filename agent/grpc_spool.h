// SPDX-License-Identifier: Apache-2.0
// The records of one stream that no collector has acknowledged, bounded in bytes. Used by GrpcSink,
// under its lock; no thread of its own.
//
//   acknowledged | sent, not acknowledged | to be sent
//                ^ front                  ^ last_sent
//
// When it is full, the oldest eighth is thinned: snapshots are folded into the first one kept after
// them, which then says so; marks, event chunks and log lines go. A Gap with the number of the last
// record that went stands for each run of them. Hello, queues, facts, the agent's own gaps and Bye
// are never dropped: without them the rest means nothing, and they are few.
#ifndef RINGSIDE_AGENT_GRPC_SPOOL_H_
#define RINGSIDE_AGENT_GRPC_SPOOL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
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
  void MarkSent(uint64_t number) { last_sent_ = number; }

  // For a collector that has nothing of the stream: its newest Hello and the newest word on each
  // queue, as far as they have numbers from 2 up to `number`.
  std::vector<SharedRecord> ContextUpTo(uint64_t number) const;
  // The stream's first record; null before it is put.
  const SharedRecord& first_hello() const { return first_hello_; }

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  // What a Gap of ours stands for.
  struct Loss {
    int64_t from_mono_ns = 0;
    int64_t to_mono_ns = 0;
    uint64_t snapshots = 0;
    uint64_t marks = 0;
    uint64_t events = 0;
    uint64_t lines = 0;
  };
  struct Entry {
    SharedRecord record;
    size_t bytes = 0;
    std::optional<Loss> loss;  // set: this is a Gap of ours
  };

  class Thinner;
  static Entry MakeEntry(NumberedRecord record);
  void Thin();
  void Remember(const SharedRecord& record);

  const size_t bytes_max_;
  size_t bytes_ = 0;
  std::deque<Entry> entries_;  // by number
  uint64_t last_sent_ = 0;
  uint64_t acknowledged_ = 0;
  SharedRecord first_hello_;
  SharedRecord last_hello_;
  std::map<QueueId, SharedRecord> queues_;
};
}  // namespace ringside

#endif  // RINGSIDE_AGENT_GRPC_SPOOL_H_
