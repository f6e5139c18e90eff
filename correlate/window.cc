// SPDX-License-Identifier: Apache-2.0
#include "correlate/window.h"

#include <algorithm>
#include <array>

namespace ringside {

const char* RungName(Rung rung) {
  switch (rung) {
    case Rung::kTpBtf: return "tp_btf";
    case Rung::kFentry: return "fentry";
    case Rung::kKprobe: return "kprobe";
    case Rung::kTracepoint: return "tracepoint";
    case Rung::kProcfs: return "procfs";
    case Rung::kNone: return "none";
  }
  return "none";
}

std::optional<Rung> RungByName(std::string_view name) {
  for (uint16_t i = 0; i <= static_cast<uint16_t>(Rung::kNone); ++i) {
    if (name == RungName(static_cast<Rung>(i))) return static_cast<Rung>(i);
  }
  return std::nullopt;
}

std::optional<SnapshotRange> RangeOf(const NodeStream& node, int64_t from_ns, int64_t to_ns) {
  std::optional<SnapshotRange> range;
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const AxisTime begin = node.axis.At(snapshots[i].begin.mono_ns);
    const AxisTime end = node.axis.At(snapshots[i].end.mono_ns);
    if (begin.lo_ns < from_ns || end.hi_ns > to_ns) continue;
    if (!range) range = SnapshotRange{i, i};
    range->last = i;
  }
  return range;
}

namespace {

// Some kernels tell a hook's losses only at moments when it is not being hit. Losses only grow:
// what was known before a moment is not more than at it, what is known after it not less; none were
// before the agent came.
std::optional<uint64_t> MissesAround(const NodeStream& node, HookId hook, size_t snapshot,
                                     int direction) {
  constexpr int kLookAround = 100;  // snapshots; a hook that is never quiet stays unknown
  const size_t end = node.stream->snapshots.size();
  for (int i = 0; i < kLookAround && snapshot < end; ++i, snapshot += direction) {
    const auto sample = node.series.HookAt(hook, snapshot);
    if (sample && sample->misses) return sample->misses;
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> MissesIn(const NodeStream& node, HookId hook, const SnapshotRange& range) {
  const HookInfo* info = node.series.FindHook(hook);
  if (info == nullptr) return std::nullopt;
  if (info->rung == Rung::kProcfs) return 0;  // read, not hit
  // A hook that was not there yet at the beginning: what happened then is unknown.
  const auto there = node.series.HookAt(hook, range.first);
  const auto last = node.series.HookAt(hook, range.last);
  if (!there || !last) return std::nullopt;
  // Hits that found no slot are of queues whose own counts lack them, and it is not known which.
  if (last->unplaced > 0) return std::nullopt;
  const auto after = MissesAround(node, hook, range.last, +1);
  if (!after) return std::nullopt;
  const uint64_t before = MissesAround(node, hook, range.first, -1).value_or(0);
  return std::min(*after - std::min(before, *after), kValueMax);
}

bool PositionOutdated(const LocalQueue& queue, size_t snapshot) {
  const StreamSeries& series = queue.node->series;
  const std::vector<GaugePoint>& points = series.GaugeSeries(queue.info.id, Gauge::kPosition);
  const auto after = std::upper_bound(
      points.begin(), points.end(), snapshot,
      [](size_t wanted, const GaugePoint& point) { return wanted < point.snapshot; });
  if (after == points.begin()) return false;  // never read by then
  for (const HookId hook : series.HooksOf(queue.info.id, Count::kVhostBatches)) {
    const auto then =
        series.CountAt(queue.info.id, Count::kVhostBatches, hook, (after - 1)->snapshot);
    const auto now = series.CountAt(queue.info.id, Count::kVhostBatches, hook, snapshot);
    if (then && now && now->hi > then->hi) return true;
  }
  return false;
}

namespace {

// What the agent counts itself. Positions, and what the kernel has counted since long before, start
// where they were first read.
bool StartsAtZero(Count count) {
  switch (count) {
    case Count::kVhostUsed:
    case Count::kGuestUsed:
    case Count::kGuestProcIrq:
    case Count::kSoftnetProcessed:
    case Count::kSoftnetSqueezed:
    case Count::kVcpuRunUs:
    case Count::kVcpuDelayUs: return false;
    default: return true;
  }
}

// Of these, one hit that was lost may have been many.
bool ManyPerHit(Count count) {
  return count == Count::kGuestPackets || count == Count::kGuestPacketsBusy ||
         count == Count::kSoftnetRunUs;
}

}  // namespace

std::optional<Interval> GrowthByTime(const LocalQueue& queue, Count count, HookId hook,
                                     const SnapshotRange& range) {
  const StreamSeries& series = queue.node->series;
  // A count that was first read later had counted nothing before: its slot was new. Positions and
  // the kernel's own count do not start at zero: they start where they were first read. Nor is it
  // known where a file continues a stream and has no full snapshot before.
  const auto from = series.FirstSnapshotOf(queue.info.id, count, hook);
  if (!from || *from > range.last) return std::nullopt;
  const bool late = *from > range.first && StartsAtZero(count);
  const bool from_zero = late && series.BeginsFull();
  SnapshotRange own{std::max(range.first, *from), range.last};
  auto first = series.CountAt(queue.info.id, count, hook, own.first);
  auto last = series.CountAt(queue.info.id, count, hook, own.last);
  // Of a queue that is gone, what it counted after its last reading is not known.
  const auto end = last ? std::nullopt : series.EndOf(queue.info.id, range.last);
  if (end && *end >= own.first) {
    own.last = *end;
    last = series.CountAt(queue.info.id, count, hook, own.last);
  }
  if (from_zero) first = CountPoint{};
  if (!first || !last) return std::nullopt;
  // A position that went back, or jumped, says nothing about what was published between.
  const bool position = count == Count::kVhostUsed || count == Count::kGuestUsed;
  const auto jumps = GaugeGrowth(queue, Gauge::kJumps, own);
  if (position &&
      (last->hi < first->lo || (jumps && jumps->lo > 0) || PositionOutdated(queue, own.last))) {
    return Interval{0, std::nullopt};
  }
  Interval growth;
  growth.lo = std::max<int64_t>(0, static_cast<int64_t>(last->lo - first->hi));
  // A hook that was attached later tells no misses before: what its queue had then is unknown.
  const auto misses =
      MissesIn(*queue.node, hook, {from_zero ? own.first - 1 : own.first, own.last});
  if (misses && !end && (*misses == 0 || !ManyPerHit(count))) {
    const uint64_t least_before = late ? 0 : first->lo;
    const uint64_t most = last->hi > least_before ? last->hi - least_before : 0;
    growth.hi = static_cast<int64_t>(most + *misses);
  } else {
    growth.hi = std::nullopt;
  }
  return growth;
}

std::optional<Interval> GaugeGrowth(const LocalQueue& queue, Gauge gauge,
                                    const SnapshotRange& range) {
  const auto first = queue.node->series.GaugeAt(queue.info.id, gauge, range.first);
  const auto last = queue.node->series.GaugeAt(queue.info.id, gauge, range.last);
  if (!first || !last || *last < *first) return std::nullopt;
  return Interval::Exactly(static_cast<int64_t>(*last - *first));
}

namespace {

// Growth as read, whatever was missed.
int64_t RawGrowth(const LocalQueue& queue, Count count, HookId hook, const SnapshotRange& range) {
  const auto growth = GrowthByTime(queue, count, hook, range);
  return growth ? growth->lo : 0;
}

// Wake-ups end as one of these, whatever became of them.
int64_t WakesHandled(const LocalQueue& queue, const SnapshotRange& range) {
  int64_t sum = 0;
  for (const Count count : {Count::kKvmInjected, Count::kKvmRejected}) {
    for (const HookId hook : queue.node->series.HooksOf(queue.info.id, count)) {
      sum += RawGrowth(queue, count, hook, range);
    }
  }
  return sum;
}

}  // namespace

std::optional<ChosenHook> ChooseHook(const LocalQueue& queue, Count count,
                                     const SnapshotRange& range) {
  const StreamSeries& series = queue.node->series;
  const std::vector<HookId> hooks = series.HooksOf(queue.info.id, count);
  if (hooks.empty()) return std::nullopt;
  HookId best = hooks.front();
  if (hooks.size() > 1) {
    // Every wake-up ends as an injection or a rejection: a hook that counted fewer lost some (99 of
    // 290 is no success). One wake-up may be under way at the edge.
    const int64_t expected = WakesHandled(queue, range) - 1;
    const auto growth = [&](HookId hook) { return RawGrowth(queue, count, hook, range); };
    const auto proven = std::find_if(hooks.begin(), hooks.end(),
                                     [&](HookId hook) { return growth(hook) >= expected; });
    best = proven != hooks.end()
               ? *proven
               : *std::max_element(hooks.begin(), hooks.end(),
                                   [&](HookId a, HookId b) { return growth(a) < growth(b); });
  }
  return ChosenHook{best, series.FindHook(best)};
}

}  // namespace ringside
