// SPDX-License-Identifier: Apache-2.0
// One queue's counts over a window, as intervals: cut at two common positions, or by time.
#ifndef RINGSIDE_CORRELATE_WINDOW_H_
#define RINGSIDE_CORRELATE_WINDOW_H_

#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "correlate/cuts.h"
#include "correlate/interval.h"
#include "correlate/ledger.h"
#include "correlate/pairing.h"

namespace ringside {

// The first and the last snapshot of a stream that certainly lie within a window.
struct SnapshotRange {
  size_t first = 0;
  size_t last = 0;
};
std::optional<SnapshotRange> RangeOf(const NodeStream& node, int64_t from_ns, int64_t to_ns);

// Whether the position read last, as of a snapshot, is older than batches published since: a queue
// was set up anew, and its ring is read at its old place no more.
bool PositionOutdated(const LocalQueue& queue, size_t snapshot);

// How much a count grew between two snapshots, misses of its hook included; nothing if it was never
// observed. The upper end is absent where the hook's misses cannot be seen.
std::optional<Interval> GrowthByTime(const LocalQueue& queue, Count count, HookId hook,
                                     const SnapshotRange& range);

// Growth of a gauge that only grows.
std::optional<Interval> GaugeGrowth(const LocalQueue& queue, Gauge gauge,
                                    const SnapshotRange& range);

// What a hook lost in a range; nothing if the kernel does not tell.
std::optional<uint64_t> MissesIn(const NodeStream& node, HookId hook, const SnapshotRange& range);

// The hook to believe for a count: where a count has several (fentry and kprobe of irqfd_wakeup),
// the best rung whose growth its neighbour confirms; a hook that attached and never fires is passed
// over.
struct ChosenHook {
  HookId id{};
  const HookInfo* info = nullptr;
};
std::optional<ChosenHook> ChooseHook(const LocalQueue& queue, Count count,
                                     const SnapshotRange& range);

const char* RungName(Rung rung);
std::optional<Rung> RungByName(std::string_view name);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_WINDOW_H_
