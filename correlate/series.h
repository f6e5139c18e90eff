// SPDX-License-Identifier: Apache-2.0
// A stream's snapshots turned on their side: for each queue and count (or gauge) its values over
// time. Snapshots hold only what changed; a series carries values forward, but never over a hole in
// the snapshots: what a lost one changed is not known until the next full one.
#ifndef RINGSIDE_CORRELATE_SERIES_H_
#define RINGSIDE_CORRELATE_SERIES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "correlate/recording.h"

namespace ringside {

// A cumulative count at one snapshot: its value at that instant lies in [lo, hi].
struct CountPoint {
  size_t snapshot = 0;  // place in Stream::snapshots
  uint64_t lo = 0;
  uint64_t hi = 0;
};
struct GaugePoint {
  size_t snapshot = 0;
  uint64_t value = 0;
};

// Built once per stream; refers to the stream, which must outlive it. Immutable; any thread.
class StreamSeries {
 public:
  explicit StreamSeries(const Stream& stream);

  const Stream& stream() const { return *stream_; }
  // Hooks that ever gave this count for this queue, best rung first.
  std::vector<HookId> HooksOf(QueueId queue, Count count) const;
  // Value as of snapshot number `snapshot` (carried forward); nothing if not observed by then.
  std::optional<CountPoint> CountAt(QueueId queue, Count count, HookId hook, size_t snapshot) const;
  std::optional<uint64_t> GaugeAt(QueueId queue, Gauge gauge, size_t snapshot) const;
  const std::vector<GaugePoint>& GaugeSeries(QueueId queue, Gauge gauge) const;
  // Newest sample of a hook as of a snapshot.
  std::optional<HookSample> HookAt(HookId hook, size_t snapshot) const;
  const HookInfo* FindHook(HookId hook) const;
  // Whether the stream's first snapshot here says everything that was counted before it.
  bool BeginsFull() const { return stream_->snapshots.empty() || stream_->snapshots[0].full; }
  // First snapshot that has the count; nothing if none does.
  std::optional<size_t> FirstSnapshotOf(QueueId queue, Count count, HookId hook) const;
  // Where a queue ended: the last snapshot before the full one, up to `snapshot`, that has it no
  // more (agents send a full one when a queue went). Nothing if it lives, or if what came between
  // was lost.
  std::optional<size_t> EndOf(QueueId queue, size_t snapshot) const;

 private:
  const Stream* stream_;
  std::map<std::tuple<QueueId, Count, HookId>, std::vector<CountPoint>> counts_;
  std::map<std::pair<QueueId, Gauge>, std::vector<GaugePoint>> gauges_;
  std::map<HookId, std::vector<std::pair<size_t, HookSample>>> hooks_;
  // Whether something was lost between two snapshots, the second included.
  bool HoleBetween(size_t from, size_t to) const;
  // Whether a value of `from` does not hold any more at `to`: changes were lost, or a full snapshot
  // between them does not have it.
  bool Ends(size_t from, size_t to) const;

  std::vector<size_t> full_;
  std::vector<size_t> after_hole_;  // snapshots whose predecessor is missing
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_SERIES_H_
