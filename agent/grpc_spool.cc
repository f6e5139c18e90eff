// SPDX-License-Identifier: Apache-2.0
#include "agent/grpc_spool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "correlate/fold.h"
#include "proto/convert.h"

namespace ringside {
namespace {

constexpr size_t kThinnedShare = 8;  // rarely enough that its cost per record is small

}  // namespace

Spool::Entry Spool::MakeEntry(NumberedRecord record) {
  const size_t bytes = ApproximateBytes(record.record);
  return Entry{std::make_shared<const NumberedRecord>(std::move(record)), bytes, std::nullopt};
}

// One pass over the oldest entries, which moves what stays into a new row of entries.
class Spool::Thinner {
 public:
  Thinner(Spool& spool, size_t target_bytes) : spool_(spool), target_bytes_(target_bytes) {
    for (size_t i = 0; i < spool.entries_.size(); ++i) {
      if (IsSnapshot(spool.entries_[i])) newest_snapshot_ = i;
    }
  }

  void Run() {
    size_t at = 0;
    for (; at < spool_.entries_.size(); ++at) {
      Entry& entry = spool_.entries_[at];
      if (!carried_ && spool_.bytes_ <= target_bytes_) break;
      if (spool_.bytes_ > target_bytes_ && MayGo(entry, at)) {
        Drop(entry);
      } else {
        Keep(std::move(entry));
      }
    }
    EndRun();
    for (; at < spool_.entries_.size(); ++at) kept_.push_back(std::move(spool_.entries_[at]));
    spool_.entries_ = std::move(kept_);
  }

 private:
  static bool IsSnapshot(const Entry& entry) {
    return std::holds_alternative<Snapshot>(entry.record->record);
  }
  bool MayGo(const Entry& entry, size_t at) const {
    const Record& record = entry.record->record;
    if (IsSnapshot(entry)) return at != newest_snapshot_;  // there must be one to fold it into
    return entry.loss || std::holds_alternative<Marks>(record) ||
           std::holds_alternative<EventChunk>(record) || std::holds_alternative<LogLine>(record);
  }

  void Drop(const Entry& entry) {
    const uint64_t number = entry.record->number;
    // A Gap must not claim that records are missing which were sent all the same.
    if (last_dropped_ != 0 && last_dropped_ <= spool_.last_sent_ && number > spool_.last_sent_) {
      EndRun();
    }
    last_dropped_ = number;
    spool_.bytes_ -= entry.bytes;
    if (entry.loss) {
      AddLoss(*entry.loss);
      return;
    }
    Loss loss;
    const Record& record = entry.record->record;
    if (const auto* snapshot = std::get_if<Snapshot>(&record)) {
      loss.from_mono_ns = loss.to_mono_ns = snapshot->begin.mono_ns;
      loss.snapshots = 1;
      carried_ = carried_ ? FoldSnapshot(*carried_, *snapshot) : *snapshot;
    } else if (const auto* marks = std::get_if<Marks>(&record)) {
      loss.marks = marks->marks.size();
      if (loss.marks > 0) {
        loss.from_mono_ns = marks->marks.front().mono_ns;
        loss.to_mono_ns = marks->marks.back().mono_ns;
      }
    } else if (const auto* chunk = std::get_if<EventChunk>(&record)) {
      loss.events = chunk->count;
      loss.from_mono_ns = chunk->from_mono_ns;
      loss.to_mono_ns = chunk->to_mono_ns;
    } else if (const auto* line = std::get_if<LogLine>(&record)) {
      loss.lines = 1;
      loss.from_mono_ns = loss.to_mono_ns = line->mono_ns;
    }
    AddLoss(loss);
  }

  void AddLoss(const Loss& loss) {
    if (!run_) {
      run_ = loss;
      return;
    }
    run_->from_mono_ns = std::min(run_->from_mono_ns, loss.from_mono_ns);
    run_->to_mono_ns = std::max(run_->to_mono_ns, loss.to_mono_ns);
    run_->snapshots += loss.snapshots;
    run_->marks += loss.marks;
    run_->events += loss.events;
    run_->lines += loss.lines;
  }

  void Keep(Entry entry) {
    EndRun();
    if (carried_ && IsSnapshot(entry)) {
      const auto& snapshot = std::get<Snapshot>(entry.record->record);
      spool_.bytes_ -= entry.bytes;
      entry = MakeEntry({entry.record->number, FoldSnapshot(*carried_, snapshot)});
      spool_.bytes_ += entry.bytes;
      carried_.reset();
    }
    kept_.push_back(std::move(entry));
  }

  void EndRun() {
    if (!run_) return;
    const Loss loss = *std::exchange(run_, std::nullopt);
    const std::string what = fmt::format(
        "the agent's spool of {} MiB was full: {} snapshots folded into later ones; {} marks, {} "
        "events, {} log lines dropped",
        spool_.bytes_max_ >> 20, loss.snapshots, loss.marks, loss.events, loss.lines);
    kept_.push_back(MakeEntry({last_dropped_, Gap{loss.from_mono_ns, loss.to_mono_ns, what}}));
    kept_.back().loss = loss;
    spool_.bytes_ += kept_.back().bytes;
    last_dropped_ = 0;
  }

  Spool& spool_;
  const size_t target_bytes_;
  size_t newest_snapshot_ = SIZE_MAX;
  std::deque<Entry> kept_;
  std::optional<Loss> run_;          // adjacent records that were dropped, and
  uint64_t last_dropped_ = 0;        // the last of their numbers
  std::optional<Snapshot> carried_;  // waits for the next snapshot that stays
};

absl::Status Spool::Put(const NumberedRecord& record) {
  Entry entry = MakeEntry(record);
  if (bytes_ + entry.bytes > bytes_max_) Thin();
  if (bytes_ + entry.bytes > bytes_max_) {
    return absl::ResourceExhaustedError(fmt::format(
        "the spool of {} MiB is full of records that must not be dropped", bytes_max_ >> 20));
  }
  Remember(entry.record);
  bytes_ += entry.bytes;
  entries_.push_back(std::move(entry));
  return absl::OkStatus();
}

void Spool::Thin() { Thinner(*this, bytes_max_ - bytes_max_ / kThinnedShare).Run(); }

void Spool::Remember(const SharedRecord& record) {
  if (std::holds_alternative<Hello>(record->record)) {
    if (first_hello_ == nullptr) first_hello_ = record;
    last_hello_ = record;
  } else if (const auto* queue = std::get_if<QueueInfo>(&record->record)) {
    queues_[queue->id] = record;
  }
}

void Spool::Acknowledge(uint64_t number) {
  acknowledged_ = std::max(acknowledged_, number);
  while (!entries_.empty() && entries_.front().record->number <= number) {
    bytes_ -= entries_.front().bytes;
    entries_.pop_front();
  }
}

SharedRecord Spool::NextToSend() const {
  const auto next = std::upper_bound(
      entries_.begin(), entries_.end(), last_sent_,
      [](uint64_t number, const Entry& entry) { return number < entry.record->number; });
  return next == entries_.end() ? nullptr : next->record;
}

std::vector<SharedRecord> Spool::ContextUpTo(uint64_t number) const {
  std::vector<SharedRecord> context;
  const auto add = [&](const SharedRecord& record) {
    if (record != nullptr && record->number > 1 && record->number <= number) {
      context.push_back(record);
    }
  };
  add(last_hello_);
  for (const auto& [id, record] : queues_) add(record);
  std::sort(context.begin(), context.end(),
            [](const auto& a, const auto& b) { return a->number < b->number; });
  return context;
}

}  // namespace ringside
