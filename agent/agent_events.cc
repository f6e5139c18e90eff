// SPDX-License-Identifier: Apache-2.0
// The agent's way from rings to records: marks, and events up to the packer's watermark.
#include <algorithm>
#include <utility>

#include "agent/agent.h"
#include "proto/clocks.h"

namespace ringside {
namespace {

// A record stays well below the wire's message limit.
constexpr size_t kMarksPerRecord = 2048;
constexpr size_t kHurryEvents = RS_EVENT_BYTES / (sizeof(rs_event) + 8) / 4;  // a quarter of a ring

}  // namespace

void Agent::ApplyDetail() {
  for (const auto& probe : probes_) probe->SetDetail(&details_);
  for (std::string& note : details_.TakeNotes()) notes_.push_back(std::move(note));
}

absl::Status Agent::PackEvents(int64_t now_mono_ns, bool all) {
  absl::Status status = packer_.Pack(now_mono_ns, all, [&](EventChunk chunk) {
    return PutChunks(recording_->Take(std::move(chunk), now_mono_ns));
  });
  totals_.events = packer_.arrived();
  totals_.late = packer_.late();
  return status;
}

absl::Status Agent::DrainRings(bool all) {
  const int64_t now = MonotonicNs();
  std::vector<Mark> marks;
  const size_t before = packer_.arrivals()->size();
  for (const auto& probe : probes_) probe->Drain(&marks, packer_.arrivals());
  hurry_ = packer_.arrivals()->size() - before > kHurryEvents;
  for (size_t at = 0; at < marks.size(); at += kMarksPerRecord) {
    const size_t end = std::min(at + kMarksPerRecord, marks.size());
    Marks record;
    record.marks.assign(marks.begin() + at, marks.begin() + end);
    if (absl::Status status = Put(std::move(record)); !status.ok()) return status;
  }
  if (const auto trigger = recording_->OnEvents(*packer_.arrivals(), before)) {
    if (absl::Status status = OpenRecorder(*trigger, now); !status.ok()) return status;
  }
  return PackEvents(now, all);
}

absl::Status Agent::SayLate(int64_t now_mono_ns) {
  if (packer_.late() == late_said_) return absl::OkStatus();
  late_said_ = packer_.late();
  return Put(
      Fact{.mono_ns = now_mono_ns, .name = "events.late", .value = std::to_string(late_said_)});
}

}  // namespace ringside
