// SPDX-License-Identifier: Apache-2.0
#include "collector/live_window.h"

#include <algorithm>
#include <iterator>

#include "bpf/position.h"
#include "correlate/fold.h"
#include "proto/convert.h"

namespace ringside {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kWhole_ns = 10 * kSecond_ns;  // of level 0
constexpr int64_t kStep_ns = 5 * kSecond_ns;
constexpr int kLevelMax = 3;
// Positions of both sides agree modulo 65,536 only: coarser multiples would not meet.
constexpr uint32_t kMarkShiftMax = 16;

constexpr size_t kVersionsMax = 16;  // of one queue: as many messages may still be on their way
constexpr size_t kLogMax = 256;      // lines, whatever their age: what the kernel said stays true
constexpr size_t kFactsMax = 1024;
constexpr size_t kClocksMax = 256;  // a probe a second, and ten quick ones at each connection
constexpr size_t kGapsMax = 256;
constexpr size_t kHolesMax = 256;
constexpr size_t kLeftOutMax = 4096;  // named; there are at most as many sessions

template <typename Row>
void EraseFront(std::vector<Row>& rows, size_t most) {
  if (rows.size() > most) rows.erase(rows.begin(), rows.end() - static_cast<int64_t>(most));
}

// What a queue had in the snapshots goes with its generation.
void EraseQueue(Stream& stream, QueueId id) {
  const auto of_queue = [id](const auto& row) { return row.queue == id; };
  for (Snapshot& snapshot : stream.snapshots) {
    std::erase_if(snapshot.samples, of_queue);
    std::erase_if(snapshot.gauges, of_queue);
    std::erase_if(snapshot.parts, of_queue);
  }
  std::erase_if(stream.marks, of_queue);
  std::erase_if(stream.queues, [id](const QueueInfo& info) { return info.id == id; });
}

uint32_t SpacingShift(const Stream& stream, QueueId id) {
  const auto info = std::find_if(stream.queues.rbegin(), stream.queues.rend(),
                                 [id](const QueueInfo& queue) { return queue.id == id; });
  return rs_mark_shift(info == stream.queues.rend() ? 0 : info->ring_size);
}

}  // namespace

LiveWindow::LiveWindow(std::string recorder, size_t bytes_max) : bytes_max_(bytes_max) {
  recording_.recorder = std::move(recorder);
  recording_.closed = true;  // nothing is cut off: it goes on
}

size_t LiveWindow::Find(const StreamKey& key) const {
  const auto at = std::find_if(recording_.streams.begin(), recording_.streams.end(),
                               [&key](const Stream& stream) { return stream.hello.key == key; });
  return static_cast<size_t>(at - recording_.streams.begin());
}

void LiveWindow::Remove(size_t at) {
  recording_.streams.erase(recording_.streams.begin() + static_cast<int64_t>(at));
  states_.erase(states_.begin() + static_cast<int64_t>(at));
}

// An agent that was started anew takes its forerunner's place: two streams of one node would be
// taken for two accounts of it.
void LiveWindow::Begin(const StreamKey& key, const Hello& hello) {
  for (size_t i = recording_.streams.size(); i-- > 0;) {
    const StreamKey& other = recording_.streams[i].hello.key;
    const bool same_node = other.machine_id == key.machine_id && other.boot_id == key.boot_id;
    if (same_node && (states_[i].ended || states_[i].bye)) Remove(i);
  }
  if (bytes_ > bytes_max_ && level_ == kLevelMax) {
    if (left_out_.size() < kLeftOutMax) left_out_[key] = true;
    return;
  }
  left_out_.erase(key);
  recording_.streams.push_back(Stream{.hello = hello});
  states_.emplace_back();
}

void LiveWindow::Take(const StreamKey& key, const NumberedRecord& record, int64_t now_mono_ns) {
  size_t at = Find(key);
  const auto* hello = std::get_if<Hello>(&record.record);
  if (at == recording_.streams.size() && hello != nullptr) Begin(key, *hello);
  if (at == recording_.streams.size()) return;
  Stream& stream = recording_.streams[at];
  State& state = states_[at];
  state.heard_mono_ns = now_mono_ns;
  state.ended = false;
  if (record.number > 0) {
    // What an earlier file has is context and no hole: Hello and queues only, with old numbers.
    const bool context = hello != nullptr || std::holds_alternative<QueueInfo>(record.record);
    if (record.number <= state.last_number) return;
    const uint64_t missing = record.number - state.last_number - 1;
    if (missing > 0 && !context && !stream.snapshots.empty()) {
      state.holes.emplace_back(state.newest_mono_ns, missing);
      EraseFront(state.holes, kHolesMax);
    }
    state.last_number = stream.last_number = record.number;
  }
  if (hello != nullptr) TakeHello(*hello, &stream);
  if (const auto* queue = std::get_if<QueueInfo>(&record.record)) TakeQueue(stream, *queue);
  if (const auto* snapshot = std::get_if<Snapshot>(&record.record)) TakeSnapshot(at, *snapshot);
  if (const auto* marks = std::get_if<Marks>(&record.record)) {
    for (const Mark& mark : marks->marks) {
      state.newest_mono_ns = std::max(state.newest_mono_ns, mark.mono_ns);
      stream.marks.push_back(mark);
    }
  }
  if (const auto* line = std::get_if<LogLine>(&record.record)) stream.log.push_back(*line);
  if (const auto* fact = std::get_if<Fact>(&record.record)) stream.facts.push_back(*fact);
  if (const auto* clock = std::get_if<ClockExchange>(&record.record)) {
    stream.clocks.push_back(*clock);
  }
  if (const auto* gap = std::get_if<Gap>(&record.record)) stream.gaps.push_back(*gap);
  if (const auto* bye = std::get_if<Bye>(&record.record)) state.bye = *bye;
}

void LiveWindow::Take(const RecorderGap& gap) {
  recording_.gaps.push_back(gap);
  EraseFront(recording_.gaps, kGapsMax);
}

void LiveWindow::End(const StreamKey& key) {
  const size_t at = Find(key);
  if (at < states_.size()) states_[at].ended = true;
}

void LiveWindow::Lose(const StreamKey& key) {
  const size_t at = Find(key);
  if (at < states_.size()) states_[at].lost = true;
}

void LiveWindow::TakeSnapshot(size_t at, const Snapshot& snapshot) {
  Stream& stream = recording_.streams[at];
  State& state = states_[at];
  const bool hole = stream.snapshots.empty() || state.lost ||
                    snapshot.sequence > stream.snapshots.back().sequence + 1 + snapshot.folded;
  if (!snapshot.full && hole) {
    state.needs_full = true;
    stream.snapshots.clear();
  }
  if (state.needs_full && !snapshot.full) return;
  state.needs_full = state.lost = false;
  state.newest_mono_ns = std::max(state.newest_mono_ns, snapshot.end.mono_ns);
  stream.snapshots.push_back(snapshot);
}

void LiveWindow::TakeQueue(Stream& stream, const QueueInfo& queue) {
  size_t versions = 0;
  bool other_generation = false;
  for (const QueueInfo& info : stream.queues) {
    if (info.id != queue.id) continue;
    ++versions;
    other_generation |= info.generation != queue.generation;
  }
  if (other_generation) {
    EraseQueue(stream, queue.id);
  } else if (versions >= kVersionsMax) {
    stream.queues.erase(std::find_if(stream.queues.begin(), stream.queues.end(),
                                     [&](const QueueInfo& info) { return info.id == queue.id; }));
  }
  stream.queues.push_back(queue);
}

void LiveWindow::Trim(const ClockReading& now) {
  for (size_t i = recording_.streams.size(); i-- > 0;) {
    const State& state = states_[i];
    const bool over = state.ended || state.bye;
    if (over && now.mono_ns - state.heard_mono_ns > kWindow_ns) Remove(i);
  }
  for (size_t i = 0; i < states_.size(); ++i) TrimStream(recording_.streams[i], states_[i]);
  std::erase_if(recording_.gaps,
                [&](const RecorderGap& gap) { return gap.to_real_ns < now.real_ns - kWindow_ns; });
  recording_.real_to_ns = now.real_ns;
  recording_.real_from_ns = now.real_ns - kWindow_ns;
  Measure();
  if (bytes_ > bytes_max_ && level_ < kLevelMax) {
    ++level_;
  } else if (bytes_ < bytes_max_ / 8 && level_ > 0) {
    --level_;
  }
}

void LiveWindow::TrimStream(Stream& stream, State& state) {
  const int64_t oldest_ns = state.newest_mono_ns - kWindow_ns;
  std::vector<Snapshot>& snapshots = stream.snapshots;
  size_t old = 0;  // goes into the base, the first one that stays
  while (old + 1 < snapshots.size() && snapshots[old + 1].begin.mono_ns <= oldest_ns) {
    snapshots[old + 1] = FoldSnapshot(snapshots[old], snapshots[old + 1]);
    ++old;
  }
  snapshots.erase(snapshots.begin(), snapshots.begin() + static_cast<int64_t>(old));
  Thin(stream, state);
  TrimMarks(stream, state, oldest_ns);
  EraseFront(stream.log, kLogMax);
  std::erase_if(stream.gaps, [&](const Gap& gap) { return gap.to_mono_ns < oldest_ns; });
  EraseFront(stream.gaps, kGapsMax);
  const auto old_clock = [&](const ClockExchange& exchange) {
    return exchange.agent.mono_ns < oldest_ns;
  };
  if (!stream.clocks.empty() && !old_clock(stream.clocks.back())) {
    std::erase_if(stream.clocks, old_clock);
  }
  EraseFront(stream.clocks, kClocksMax);
  // The newest fact of a name holds, however old it is.
  for (size_t i = 0; i < stream.facts.size();) {
    const bool newer =
        std::any_of(stream.facts.begin() + static_cast<int64_t>(i) + 1, stream.facts.end(),
                    [&](const Fact& fact) { return fact.name == stream.facts[i].name; });
    if (newer && stream.facts[i].mono_ns < oldest_ns) {
      stream.facts.erase(stream.facts.begin() + static_cast<int64_t>(i));
    } else {
      ++i;
    }
  }
  EraseFront(stream.facts, kFactsMax);
  std::erase_if(state.holes, [&](const auto& hole) { return hole.first < oldest_ns; });
  stream.missing_numbers = 0;
  for (const auto& [mono_ns, missing] : state.holes) stream.missing_numbers += missing;
  stream.bye = state.bye;
  if (!stream.bye && !state.ended) stream.bye = Bye{.clock = {}, .reason = "attached"};
}

// Folds what is neither the base nor new, so that one snapshot per step is left: always the last of
// it, whenever this is called.
void LiveWindow::Thin(Stream& stream, const State& state) {
  const int64_t whole_ns = state.newest_mono_ns - (kWhole_ns >> level_);
  const int64_t step_ns = kStep_ns << level_;
  std::vector<Snapshot> kept;
  for (size_t i = 0; i < stream.snapshots.size(); ++i) {
    Snapshot& snapshot = stream.snapshots[i];
    const bool foldable = kept.size() > 1 && snapshot.begin.mono_ns <= whole_ns &&
                          kept.back().begin.mono_ns / step_ns == snapshot.begin.mono_ns / step_ns;
    if (foldable) {
      kept.back() = FoldSnapshot(kept.back(), snapshot);
    } else {
      kept.push_back(std::move(snapshot));
    }
  }
  stream.snapshots = std::move(kept);
}

void LiveWindow::TrimMarks(Stream& stream, State& state, int64_t oldest_ns) {
  std::erase_if(stream.marks, [&](const Mark& mark) { return mark.mono_ns < oldest_ns; });
  for (auto& [key, coarse] : state.coarse) coarse.kept = 0;
  for (const Mark& mark : stream.marks) ++state.coarse[{mark.queue, mark.domain}].kept;
  std::erase_if(state.coarse, [](const auto& entry) { return entry.second.kept == 0; });
  for (auto& [key, coarse] : state.coarse) {
    const auto& [queue, domain] = key;
    const uint32_t spacing = SpacingShift(stream, queue);
    // A queue that has become slow gets its marks back, as far as they are still to come.
    if (coarse.kept < kMarksPerDomainMax / 4 && coarse.shift > 0) --coarse.shift;
    const auto keep_coarse = [&, q = queue, d = domain] {
      const uint32_t shift = spacing + coarse.shift;
      coarse.kept -= std::erase_if(stream.marks, [&](const Mark& mark) {
        return mark.queue == q && mark.domain == d && !rs_crosses_mark(mark.prev, mark.pos, shift);
      });
    };
    if (coarse.shift > 0) keep_coarse();
    while (coarse.kept > kMarksPerDomainMax && spacing + coarse.shift < kMarkShiftMax) {
      ++coarse.shift;
      keep_coarse();
    }
    if (coarse.kept <= kMarksPerDomainMax) continue;
    size_t surplus = coarse.kept - kMarksPerDomainMax;  // the oldest go
    std::erase_if(stream.marks, [&, q = queue, d = domain](const Mark& mark) {
      return mark.queue == q && mark.domain == d && surplus > 0 && surplus-- > 0;
    });
  }
}

void LiveWindow::Measure() {
  bytes_ = 0;
  for (const Stream& stream : recording_.streams) {
    bytes_ += ApproximateBytes(Record(stream.hello));
    for (const Snapshot& snapshot : stream.snapshots) {
      bytes_ += sizeof(Snapshot) + snapshot.samples.capacity() * sizeof(Sample) +
                snapshot.gauges.capacity() * sizeof(GaugeSample) +
                snapshot.hooks.capacity() * sizeof(HookSample);
      for (const Part& part : snapshot.parts) bytes_ += sizeof(Part) + part.label.capacity();
    }
    for (const Mark& mark : stream.marks) {
      bytes_ += sizeof(Mark) + mark.counts.capacity() * sizeof(MarkCount);
    }
    for (const LogLine& line : stream.log) bytes_ += sizeof(LogLine) + line.text.capacity();
    for (const Fact& fact : stream.facts) bytes_ += sizeof(Fact) + fact.value.capacity();
    bytes_ += stream.queues.size() * (sizeof(QueueInfo) + 128) +
              stream.clocks.size() * sizeof(ClockExchange);
  }
}

}  // namespace ringside
