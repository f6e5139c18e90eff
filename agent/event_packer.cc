// SPDX-License-Identifier: Apache-2.0
#include "agent/event_packer.h"

#include <algorithm>
#include <utility>

namespace ringside {

void EventPacker::TakeDue(int64_t now_ns, bool all) {
  for (; seen_ < waiting_.size(); ++seen_) late_ += waiting_[seen_].mono_ns <= watermark_ns_;
  const bool full = waiting_.size() > kWaitingMax;
  const int64_t watermark = all || full ? now_ns : now_ns - kSlackNs;
  watermark_ns_ = std::max(watermark_ns_, watermark);
  if (ready_.empty()) ready_since_ns_ = now_ns;
  size_t kept = 0;
  for (const Event& event : waiting_) {
    if (all || event.mono_ns <= watermark_ns_) {
      ready_.push_back(event);
    } else {
      waiting_[kept++] = event;
    }
  }
  waiting_.resize(kept);
  seen_ = kept;
}

absl::Status EventPacker::PutReady(const PutChunk& put) {
  for (size_t at = 0; at < ready_.size(); at += kChunkEventsMax) {
    const size_t n = std::min(kChunkEventsMax, ready_.size() - at);
    const bool whole = n == ready_.size();
    if (!whole)
      part_.assign(ready_.begin() + static_cast<ptrdiff_t>(at),
                   ready_.begin() + static_cast<ptrdiff_t>(at + n));
    auto chunk = EncodeChunk(whole ? ready_ : part_, next_number_);
    if (!chunk.ok()) return chunk.status();
    next_number_ += n;
    if (absl::Status status = put(*std::move(chunk)); !status.ok()) return status;
  }
  ready_.clear();
  return absl::OkStatus();
}

absl::Status EventPacker::Pack(int64_t now_ns, bool all, const PutChunk& put) {
  TakeDue(now_ns, all);
  if (ready_.empty()) return absl::OkStatus();
  const bool due = all || ready_.size() >= kChunkEventsMax || now_ns - ready_since_ns_ >= kHoldNs;
  return due ? PutReady(put) : absl::OkStatus();
}

}  // namespace ringside
