// SPDX-License-Identifier: Apache-2.0
#include "correlate/series.h"

#include <algorithm>

#include "correlate/interval.h"

namespace ringside {
namespace {

// The last element that is not after `snapshot`; the end if there is none.
template <typename Vector, typename Place>
auto LastNotAfter(const Vector& points, size_t snapshot, Place place) {
  auto after =
      std::upper_bound(points.begin(), points.end(), snapshot,
                       [&](size_t wanted, const auto& point) { return wanted < place(point); });
  return after == points.begin() ? points.end() : after - 1;
}

}  // namespace

StreamSeries::StreamSeries(const Stream& stream) : stream_(&stream) {
  for (size_t i = 0; i < stream.snapshots.size(); ++i) {
    const Snapshot& snapshot = stream.snapshots[i];
    if (snapshot.full) full_.push_back(i);
    if (i > 0 && !snapshot.full &&
        snapshot.sequence > stream.snapshots[i - 1].sequence + 1 + snapshot.folded) {
      after_hole_.push_back(i);
    }
    for (const Sample& sample : snapshot.samples) {
      if (sample.hi > kValueMax || sample.lo > sample.hi) continue;
      counts_[{sample.queue, sample.count, sample.hook}].push_back({i, sample.lo, sample.hi});
    }
    for (const GaugeSample& gauge : snapshot.gauges) {
      if (gauge.value > kValueMax) continue;
      gauges_[{gauge.queue, gauge.gauge}].push_back({i, gauge.value});
    }
    for (const HookSample& hook : snapshot.hooks) hooks_[hook.hook].push_back({i, hook});
  }
}

bool StreamSeries::Ends(size_t from, size_t to) const {
  const auto full = std::upper_bound(full_.begin(), full_.end(), from);
  return HoleBetween(from, to) || (full != full_.end() && *full <= to);
}

bool StreamSeries::HoleBetween(size_t from, size_t to) const {
  const auto hole = std::upper_bound(after_hole_.begin(), after_hole_.end(), from);
  return hole != after_hole_.end() && *hole <= to;
}

std::vector<HookId> StreamSeries::HooksOf(QueueId queue, Count count) const {
  std::vector<HookId> hooks;
  for (auto it = counts_.lower_bound({queue, count, HookId{0}});
       it != counts_.end() && std::get<0>(it->first) == queue && std::get<1>(it->first) == count;
       ++it) {
    const HookInfo* info = FindHook(std::get<2>(it->first));
    if (info != nullptr && info->state == HookState::kSilent) continue;  // its 0 was not observed
    hooks.push_back(std::get<2>(it->first));
  }
  std::stable_sort(hooks.begin(), hooks.end(), [this](HookId a, HookId b) {
    const HookInfo* first = FindHook(a);
    const HookInfo* second = FindHook(b);
    return first != nullptr && second != nullptr && first->rung < second->rung;
  });
  return hooks;
}

std::optional<CountPoint> StreamSeries::CountAt(QueueId queue, Count count, HookId hook,
                                                size_t snapshot) const {
  const auto points = counts_.find({queue, count, hook});
  if (points == counts_.end()) return std::nullopt;
  const auto at = LastNotAfter(points->second, snapshot,
                               [](const CountPoint& point) { return point.snapshot; });
  if (at == points->second.end() || Ends(at->snapshot, snapshot)) return std::nullopt;
  return *at;
}

std::optional<uint64_t> StreamSeries::GaugeAt(QueueId queue, Gauge gauge, size_t snapshot) const {
  const std::vector<GaugePoint>& points = GaugeSeries(queue, gauge);
  const auto at =
      LastNotAfter(points, snapshot, [](const GaugePoint& point) { return point.snapshot; });
  if (at == points.end() || Ends(at->snapshot, snapshot)) return std::nullopt;
  return at->value;
}

const std::vector<GaugePoint>& StreamSeries::GaugeSeries(QueueId queue, Gauge gauge) const {
  static const std::vector<GaugePoint> kNone;
  const auto points = gauges_.find({queue, gauge});
  return points == gauges_.end() ? kNone : points->second;
}

std::optional<HookSample> StreamSeries::HookAt(HookId hook, size_t snapshot) const {
  const auto points = hooks_.find(hook);
  if (points == hooks_.end()) return std::nullopt;
  const auto at =
      LastNotAfter(points->second, snapshot, [](const auto& point) { return point.first; });
  if (at == points->second.end()) return std::nullopt;
  return at->second;
}

std::optional<size_t> StreamSeries::EndOf(QueueId queue, size_t snapshot) const {
  std::optional<size_t> last;
  for (auto it = counts_.lower_bound({queue, Count{}, HookId{}});
       it != counts_.end() && std::get<0>(it->first) == queue; ++it) {
    last = std::max(last.value_or(0), it->second.back().snapshot);
  }
  if (!last) return std::nullopt;
  const auto full = std::upper_bound(full_.begin(), full_.end(), *last);
  if (full == full_.end() || *full > snapshot || HoleBetween(*last, *full)) return std::nullopt;
  return *full - 1;
}

const HookInfo* StreamSeries::FindHook(HookId hook) const {
  for (const HookInfo& info : stream_->hello.hooks) {
    if (info.id == hook) return &info;
  }
  return nullptr;
}

std::optional<size_t> StreamSeries::FirstSnapshotOf(QueueId queue, Count count, HookId hook) const {
  const auto points = counts_.find({queue, count, hook});
  if (points == counts_.end()) return std::nullopt;
  return points->second.front().snapshot;
}

}  // namespace ringside
