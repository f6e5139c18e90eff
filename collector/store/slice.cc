// SPDX-License-Identifier: Apache-2.0
#include "collector/store/slice.h"

#include <algorithm>
#include <utility>

#include "correlate/axis.h"

namespace ringside {
namespace {

constexpr char kMaxErrorFact[] = "clock.maxerror_us";  // what correlate/axis.h goes by

// A stream's snapshots and what puts them on the axis, without any counts.
struct Times {
  std::vector<SnapshotTime> snapshots;  // by number
  Stream stream;                        // for the axis: clocks only
};

absl::Status ReadClocks(const StreamPart& part, Times& times) {
  absl::StatusOr<std::vector<Record>> additions = part.source->Additions(part.stream.id);
  if (!additions.ok()) return additions.status();
  for (const Record& record : *additions) {
    if (const auto* clock = std::get_if<ClockExchange>(&record)) {
      times.stream.clocks.push_back(*clock);
    }
  }
  absl::StatusOr<std::vector<Fact>> facts = part.source->FactsNamed(part.stream.id, kMaxErrorFact);
  if (!facts.ok()) return facts.status();
  for (Fact& fact : *facts) times.stream.facts.push_back(std::move(fact));
  return absl::OkStatus();
}

absl::StatusOr<Times> ReadTimes(const std::vector<StreamPart>& parts) {
  Times times;
  for (const StreamPart& part : parts) {
    absl::StatusOr<std::vector<SnapshotTime>> some = part.source->SnapshotTimes(part.stream.id);
    if (!some.ok()) return some.status();
    times.snapshots.insert(times.snapshots.end(), some->begin(), some->end());
    if (absl::Status status = ReadClocks(part, times); !status.ok()) return status;
  }
  const auto by_number = [](const auto& a, const auto& b) { return a.number < b.number; };
  std::stable_sort(times.snapshots.begin(), times.snapshots.end(), by_number);
  const auto same = [](const auto& a, const auto& b) { return a.number == b.number; };
  times.snapshots.erase(std::unique(times.snapshots.begin(), times.snapshots.end(), same),
                        times.snapshots.end());
  for (const SnapshotTime& snapshot : times.snapshots) {
    times.stream.snapshots.emplace_back().begin = snapshot.begin;
  }
  if (!times.snapshots.empty()) times.stream.hello.clock = times.snapshots.front().begin;
  return times;
}

// Chunks come after the events they hold: the numbers of those that reach into the window.
absl::Status CoverChunks(StreamSlice& slice) {
  for (const StreamPart& part : slice.parts) {
    const auto numbers =
        part.source->ChunkNumbers(part.stream.id, slice.from_mono_ns, slice.to_mono_ns);
    if (!numbers.ok()) return numbers.status();
    if (!*numbers) continue;
    slice.first = std::min(slice.first, (*numbers)->first);
    if (slice.cut()) slice.last = std::max(slice.last, (*numbers)->second);
  }
  return absl::OkStatus();
}

// Where the window begins and ends among the stream's snapshots. False: it has none in it.
bool Place(const Times& times, const StreamAxis& axis, const SliceWindow& window,
           StreamSlice& slice) {
  const std::vector<SnapshotTime>& snapshots = times.snapshots;
  const auto begin_ns = [&](const SnapshotTime& s) { return axis.At(s.begin.mono_ns).lo_ns; };
  const auto end_ns = [&](const SnapshotTime& s) { return axis.At(s.end.mono_ns).hi_ns; };
  if (window.to_ns && begin_ns(snapshots.front()) > *window.to_ns) return false;
  if (window.from_ns && end_ns(snapshots.back()) < *window.from_ns) return false;
  if (window.from_ns && begin_ns(snapshots.front()) < *window.from_ns) {
    const auto inside = std::find_if(snapshots.begin(), snapshots.end(),
                                     [&](const auto& s) { return begin_ns(s) >= *window.from_ns; });
    const SnapshotTime& first = inside == snapshots.end() ? snapshots.back() : *inside;
    slice.first = first.number;
    slice.from_mono_ns =
        *window.from_ns - (axis.At(first.begin.mono_ns).hi_ns - first.begin.mono_ns);
  }
  if (!window.to_ns) return true;
  const auto after = std::find_if(snapshots.begin(), snapshots.end(),
                                  [&](const auto& s) { return end_ns(s) >= *window.to_ns; });
  if (after == snapshots.end()) return true;
  slice.last = after->number;
  slice.end = after->end;
  slice.to_mono_ns = after->end.mono_ns;
  return true;
}

// Back to the last full snapshot, which says everything that the following ones build on.
void BeginWithFull(const Times& times, StreamSlice& slice) {
  if (slice.first == 0) return;
  const SnapshotTime* full = nullptr;
  for (const SnapshotTime& snapshot : times.snapshots) {
    if (snapshot.number > slice.first) break;
    if (snapshot.full) full = &snapshot;
  }
  slice.first = full == nullptr ? 0 : full->number;
  slice.from_mono_ns = full == nullptr ? INT64_MIN : full->begin.mono_ns;
}

}  // namespace

uint64_t StreamSlice::base_number() const {
  if (first > 0) return first - 1;
  uint64_t base = parts.front().stream.base_number;
  for (const StreamPart& part : parts) base = std::min(base, part.stream.base_number);
  return base;
}

absl::StatusOr<Slice> SliceStreams(const Sources& sources, const SliceWindow& window) {
  Slice slice;
  std::vector<std::vector<StreamPart>> streams = StreamsOf(sources);
  for (std::vector<StreamPart>& parts : streams) {
    StreamSlice part;
    part.parts = std::move(parts);
    const absl::StatusOr<Times> times = ReadTimes(part.parts);
    if (!times.ok()) return times.status();
    if (times->snapshots.empty()) {  // says that its agent was there, and nothing else
      slice.streams.push_back(std::move(part));
      continue;
    }
    const StreamAxis axis(times->stream, streams.size() == 1 && times->stream.clocks.empty());
    const int64_t begin_ns = axis.At(times->snapshots.front().begin.mono_ns).lo_ns;
    slice.zero_ns = slice.zero_ns == 0 ? begin_ns : std::min(slice.zero_ns, begin_ns);
    slice.end_ns = std::max(slice.end_ns, axis.At(times->snapshots.back().end.mono_ns).hi_ns);
    if (!Place(*times, axis, window, part)) continue;
    if (!window.whole()) {
      absl::Status status = window.chunks ? CoverChunks(part) : absl::OkStatus();
      if (!status.ok()) return status;
      BeginWithFull(*times, part);
    }
    slice.streams.push_back(std::move(part));
  }
  return slice;
}

}  // namespace ringside
