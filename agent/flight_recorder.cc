// SPDX-License-Identifier: Apache-2.0
#include "agent/flight_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ringside {
namespace {

size_t BytesOf(const EventChunk& chunk) { return sizeof(EventChunk) + chunk.data.capacity(); }

}  // namespace

std::vector<EventChunk> FlightRecorder::Take(EventChunk chunk, int64_t now_ns) {
  std::vector<EventChunk> send;
  if (!since_ns_) since_ns_ = chunk.from_mono_ns;
  if (any_ && chunk.to_mono_ns >= from_ns_ && chunk.from_mono_ns <= to_ns_) {
    send.push_back(std::move(chunk));
    return send;
  }
  bytes_ += BytesOf(chunk);
  kept_.push_back(std::move(chunk));
  Drop(now_ns);
  return send;
}

void FlightRecorder::Drop(int64_t now_ns) {
  while (!kept_.empty()) {
    const EventChunk& oldest = kept_.front();
    const bool old = oldest.to_mono_ns < now_ns - kRecorderKeep_ns;
    if (!old && bytes_ <= bytes_max_) return;
    (old ? expired_ : not_kept_) += oldest.count;
    since_ns_ = std::max(*since_ns_, oldest.to_mono_ns);
    bytes_ -= BytesOf(oldest);
    kept_.pop_front();
  }
}

// A window that is open is extended, up to its bound; the next comes after a rest.
bool FlightRecorder::Resting(const Trigger& trigger, int64_t now_ns) const {
  if (!any_) return false;
  if (now_ns <= to_ns_) return now_ns + trigger.after_ns - from_ns_ > kRecorderWindowMax_ns;
  return trigger.source != "command" && now_ns < to_ns_ + kRecorderRest_ns;
}

FlightRecorder::Opened FlightRecorder::Open(Trigger trigger, int64_t now_ns) {
  Opened opened;
  BoundTrigger(trigger);
  if (Resting(trigger, now_ns)) {
    ++refused_;
    return opened;
  }
  const bool extends = any_ && now_ns <= to_ns_;
  const int64_t from_ns = now_ns - trigger.before_ns;
  from_ns_ = extends ? std::min(from_ns_, from_ns) : from_ns;
  to_ns_ = std::max(extends ? to_ns_ : 0, now_ns + trigger.after_ns);
  any_ = true;
  Drop(now_ns);
  std::erase_if(kept_, [&](EventChunk& chunk) {
    if (chunk.to_mono_ns < from_ns_) return false;
    bytes_ -= BytesOf(chunk);
    opened.chunks.push_back(std::move(chunk));
    return true;
  });
  if (since_ns_ && *since_ns_ > from_ns) {
    absl::StrAppend(&trigger.reason,
                    absl::StrFormat("; kept only from %.3f s before it",
                                    static_cast<double>(now_ns - *since_ns_) / 1e9));
  }
  if (!since_ns_) absl::StrAppend(&trigger.reason, "; no event before it");
  if (refused_ > refused_said_) {
    absl::StrAppend(&trigger.reason, "; ", refused_ - refused_said_,
                    " triggers before it were not taken: 10 s of rest after each window, and no "
                    "window beyond 60 s");
    refused_said_ = refused_;
  }
  opened.fact = TriggerText(trigger);
  return opened;
}

void FlightRecorder::Clear() {
  kept_.clear();
  bytes_ = 0;
  since_ns_.reset();
}

}  // namespace ringside
