// SPDX-License-Identifier: Apache-2.0
// From the rings' records to chunks. Rings hold them about in the order of time, of several CPUs
// mixed; a record may come out later than younger ones (its CPU was taken away while it was
// written). So chunks end at a *watermark*, a while before now: what is older is packed, what is
// younger waits. Chunks follow each other in time but for events that came later than even that:
// those are counted, go with the next chunk, and are never dropped.
//
// Buffers are kept from pass to pass: no allocation per event. Agent thread only.
#ifndef RINGSIDE_AGENT_EVENT_PACKER_H_
#define RINGSIDE_AGENT_EVENT_PACKER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "proto/chunk.h"

namespace ringside {

class EventPacker {
 public:
  using PutChunk = std::function<absl::Status(EventChunk)>;

  // How long an event may take from its time to the reader: delays up to 173 ms were reported.
  static constexpr int64_t kSlackNs = 200'000'000;
  // Few events wait for more to share a chunk: below some hundred, a chunk is mostly dictionary.
  static constexpr int64_t kHoldNs = 1'000'000'000;
  // More than this (10 MB) do not wait for the watermark: a second's worth at 1.3 M/s would.
  static constexpr size_t kWaitingMax = size_t{1} << 18;

  // Where the next pass's events go; in any order.
  std::vector<Event>* arrivals() { return &waiting_; }
  // Packs what is due. `now_ns` (MONOTONIC) is from before the rings were read. `all`: everything.
  absl::Status Pack(int64_t now_ns, bool all, const PutChunk& put);

  uint64_t packed() const { return next_number_ - 1; }
  uint64_t arrived() const { return packed() + ready_.size() + waiting_.size(); }
  uint64_t late() const { return late_; }

 private:
  void TakeDue(int64_t now_ns, bool all);
  absl::Status PutReady(const PutChunk& put);

  std::vector<Event> waiting_;  // the first `seen_` have been compared with the watermark
  size_t seen_ = 0;
  std::vector<Event> ready_;  // at or before the watermark
  std::vector<Event> part_;
  int64_t watermark_ns_ = INT64_MIN;
  int64_t ready_since_ns_ = 0;
  uint64_t next_number_ = 1;
  uint64_t late_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_EVENT_PACKER_H_
