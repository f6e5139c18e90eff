// SPDX-License-Identifier: Apache-2.0
// What the agent is asked to record, to send, and to keep for a trigger.
#include <utility>

#include "agent/agent.h"
#include "proto/clocks.h"

namespace ringside {

absl::Status Agent::TakeRequests() {
  const auto detail = sink_->TakeDetailRequest();
  Sink::RecorderRequest request = sink_->TakeRecorderRequest();
  if (detail) recording_->SetDetail(*detail);
  if (request.wishes) recording_->SetRecorder(*request.wishes);
  if (detail || request.wishes) {
    if (absl::Status status = SayWishes(); !status.ok()) return status;
    ApplyDetail();
  }
  for (const Trigger& trigger : request.triggers) {
    if (absl::Status status = OpenRecorder(trigger, MonotonicNs()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Says so in the stream, too: which events are missing because nobody asked for them, or because
// they were kept and nothing triggered.
absl::Status Agent::SayWishes() {
  const std::string before = details_.Text();
  details_.SetWishes(recording_->Wishes());
  if (details_.Text() != before) {
    const Fact fact{MonotonicNs(), "detail", details_.Text()};
    if (absl::Status status = Put(fact); !status.ok()) return status;
  }
  if (recording_->RecorderText() == recorder_said_) return absl::OkStatus();
  recorder_said_ = recording_->RecorderText();
  return Put(Fact{MonotonicNs(), "recorder", recorder_said_});
}

// Numbers events as they are sent: what was kept and let go has none.
absl::Status Agent::PutChunks(std::vector<EventChunk> chunks) {
  for (EventChunk& chunk : chunks) {
    chunk.first_number = next_event_;
    next_event_ += chunk.count;
    if (absl::Status status = Put(std::move(chunk)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Agent::OpenRecorder(const Trigger& trigger, int64_t now_mono_ns) {
  auto opened = recording_->Open(trigger, now_mono_ns);
  if (!opened) return absl::OkStatus();
  const Fact fact{now_mono_ns, std::string(kTriggerFact), std::move(opened->fact)};
  if (absl::Status status = Put(fact); !status.ok()) return status;
  return PutChunks(std::move(opened->chunks));
}

}  // namespace ringside
