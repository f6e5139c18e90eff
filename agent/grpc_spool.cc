// SPDX-License-Identifier: Apache-2.0
#include "agent/grpc_spool.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "correlate/fold.h"
#include "proto/convert.h"
#include "proto/texts.h"

namespace ringside {
namespace {

constexpr size_t kGapBytes = 512;    // of one that stands for nothing that was sent
constexpr size_t kThinnedShare = 8;  // rarely enough that its cost per record is small

}  // namespace

Spool::Entry Spool::MakeEntry(NumberedRecord record) {
  const size_t bytes = ApproximateBytes(record.record);
  return Entry{std::make_shared<const NumberedRecord>(std::move(record)), bytes, {}, false};
}

void Spool::Loss::Add(const Loss& other) {
  from_mono_ns = to_mono_ns == 0 ? other.from_mono_ns : std::min(from_mono_ns, other.from_mono_ns);
  to_mono_ns = std::max(to_mono_ns, other.to_mono_ns);
  snapshots += other.snapshots;
  marks += other.marks;
  events += other.events;
  lines += other.lines;
}

Spool::Entry Spool::MakeGap(uint64_t number, Losses run) const {
  Loss loss = run.unsent;
  for (const auto& [sent, one] : run.sent) loss.Add(one);
  Gap gap{loss.from_mono_ns, loss.to_mono_ns,
          fmt::format("the agent's spool of {} was full: {} snapshots folded into later ones; {} "
                      "marks, {} events, {} log lines dropped",
                      bytes_max_ >> 20 > 0 ? fmt::format("{} MiB", bytes_max_ >> 20)
                                           : fmt::format("{} KiB", bytes_max_ >> 10),
                      loss.snapshots, loss.marks, loss.events, loss.lines)};
  Entry entry = MakeEntry({number, std::move(gap)});
  entry.bytes += run.sent.size() * sizeof(run.sent[0]);
  entry.loss = std::move(run);
  return entry;
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
      const bool enough = spool_.bytes_ + Owed() <= target_bytes_;
      if (!carried_ && enough) break;
      if (!enough && MayGo(entry, at)) {
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

  // What the Gap that is being made will take.
  size_t Owed() const { return run_ ? kGapBytes + run_->sent.size() * sizeof(run_->sent[0]) : 0; }

  void Drop(const Entry& entry) {
    const uint64_t number = entry.record->number;
    // A Gap must not claim that records are missing which were sent all the same.
    if (last_dropped_ != 0 && last_dropped_ <= spool_.last_sent_ && number > spool_.last_sent_) {
      EndRun();
    }
    last_dropped_ = number;
    spool_.bytes_ -= entry.bytes;
    if (!run_) run_.emplace();
    if (entry.loss) {
      // A Gap that was sent may have arrived, and then says it all.
      if (number <= spool_.ever_sent_) {
        run_->sent.emplace_back(number, entry.loss->unsent);
      } else {
        run_->unsent.Add(entry.loss->unsent);
      }
      run_->sent.insert(run_->sent.end(), entry.loss->sent.begin(), entry.loss->sent.end());
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
    if (number <= spool_.ever_sent_) {
      run_->sent.emplace_back(number, loss);
    } else {
      run_->unsent.Add(loss);
    }
  }

  void Keep(Entry entry) {
    EndRun();
    if (carried_ && IsSnapshot(entry)) {
      const auto& snapshot = std::get<Snapshot>(entry.record->record);
      spool_.bytes_ -= entry.bytes;
      entry = MakeEntry({entry.record->number, FoldSnapshot(*carried_, snapshot)});
      entry.folded = true;
      spool_.bytes_ += entry.bytes;
      carried_.reset();
    }
    kept_.push_back(std::move(entry));
  }

  void EndRun() {
    if (!run_) return;
    kept_.push_back(spool_.MakeGap(last_dropped_, *std::exchange(run_, std::nullopt)));
    spool_.bytes_ += kept_.back().bytes;
    last_dropped_ = 0;
  }

  Spool& spool_;
  const size_t target_bytes_;
  size_t newest_snapshot_ = SIZE_MAX;
  std::deque<Entry> kept_;
  std::optional<Losses> run_;        // adjacent records that were dropped, and
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
  newest_ = record.number;
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
  if (entries_.empty() || !entries_.front().loss) return;
  // Of the run of dropped records that follows, these had arrived.
  Entry& front = entries_.front();
  Losses run = *front.loss;
  if (std::erase_if(run.sent, [&](const auto& one) { return one.first <= number; }) == 0) return;
  bytes_ -= front.bytes;
  front = MakeGap(front.record->number, std::move(run));
  bytes_ += front.bytes;
}

bool Spool::CouldHaveSent(uint64_t number, uint64_t fingerprint) const {
  if (number > newest_) return false;
  if (fingerprint == 0) return true;
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), number,
      [](const Entry& entry, uint64_t wanted) { return entry.record->number < wanted; });
  // What is acknowledged, dropped or folded since cannot be compared.
  if (at == entries_.end() || at->record->number != number || at->loss || at->folded) return true;
  NumberedRecord record = *at->record;
  CleanTexts(record.record);
  return Fingerprint(record) == fingerprint;
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
