// SPDX-License-Identifier: Apache-2.0
// What a claim could have counted at other times, or by another hook.
#include <algorithm>

#include "correlate/claim_measure.h"
#include "correlate/window.h"

namespace ringside {
namespace {

// Snapshots of a side that lie certainly within a window, and the next ones around them. `first`
// and `around_first` are the same where the window is open at its start; likewise the last.
struct Places {
  size_t first = 0, last = 0;
  size_t around_first = 0, around_last = 0;
};

std::optional<Places> PlacesOf(const NodeStream& node, const ClaimWindow& window) {
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  if (snapshots.empty()) return std::nullopt;
  std::optional<size_t> first, last, before, after;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const AxisTime begin = node.axis.At(snapshots[i].begin.mono_ns);
    const AxisTime end = node.axis.At(snapshots[i].end.mono_ns);
    const bool late = window.from_ns && begin.lo_ns < *window.from_ns;
    const bool early = window.to_ns && end.hi_ns > *window.to_ns;
    if (!late && !first) first = i;
    if (!early) last = i;
    if (window.from_ns && end.hi_ns <= *window.from_ns) before = i;
    if (window.to_ns && begin.lo_ns >= *window.to_ns && !after) after = i;
  }
  if (!first || !last || *first > *last) return std::nullopt;
  return Places{*first, *last, before.value_or(*first), after.value_or(*last)};
}

}  // namespace

const LocalQueue* ClaimMeasure::SideOf(size_t pair, Count count) const {
  const bool guest = count >= Count::kGuestIrq && count <= Count::kGuestWindows;
  return guest ? joined_->pairs()[pair].guest : joined_->pairs()[pair].host;
}

std::vector<std::pair<std::string, Interval>> ClaimMeasure::ByOtherHooks(
    size_t pair, Count count, const ClaimWindow& window) const {
  std::vector<std::pair<std::string, Interval>> others;
  const LocalQueue* side = SideOf(pair, count);
  if (side == nullptr) return others;
  const auto places = PlacesOf(*side->node, Placed(window));
  if (!places) return others;
  const auto chosen = ChooseHook(*side, count, {places->first, places->last});
  for (const HookId hook : side->node->series.HooksOf(side->info.id, count)) {
    if (chosen && chosen->id == hook) continue;
    const auto inside = GrowthByTime(*side, count, hook, {places->first, places->last});
    const auto around =
        GrowthByTime(*side, count, hook, {places->around_first, places->around_last});
    const HookInfo* info = side->node->series.FindHook(hook);
    if (!inside || !around || info == nullptr) continue;
    // Raw: the hits it did have. Reading them took no longer than an interrupt or two.
    others.push_back({RungName(info->rung), {inside->lo, std::max(inside->lo, around->lo)}});
  }
  return others;
}

std::optional<Interval> ClaimMeasure::AtEnd(size_t pair, Count count,
                                            const ClaimWindow& window) const {
  const LocalQueue* side = SideOf(pair, count);
  if (side == nullptr) return std::nullopt;
  const auto places = PlacesOf(*side->node, Placed(window));
  if (!places) return std::nullopt;
  const auto chosen = ChooseHook(*side, count, {places->first, places->last});
  if (!chosen) return std::nullopt;
  const auto at = side->node->series.CountAt(side->info.id, count, chosen->id, places->last);
  const auto around =
      side->node->series.CountAt(side->info.id, count, chosen->id, places->around_last);
  if (!at || !around) return std::nullopt;
  return Interval{static_cast<int64_t>(at->lo), static_cast<int64_t>(around->hi)};
}

int64_t ClaimMeasure::LengthMs(const ClaimWindow& window) const {
  const ClaimWindow placed = Placed(window);
  if (placed.length_ns && !placed.from_ns) return *placed.length_ns / 1'000'000;
  return (placed.to_ns.value_or(incident_.to_ns) - placed.from_ns.value_or(incident_.from_ns)) /
         1'000'000;
}

std::optional<TimeSpan> ClaimMeasure::EndsGiving(size_t pair, Count count,
                                                 const ClaimWindow& window, int64_t value) const {
  const LocalQueue* side = SideOf(pair, count);
  if (side == nullptr) return std::nullopt;
  ClaimWindow open = Placed(window);
  if (open.length_ns) return std::nullopt;
  open.to_ns.reset();
  const auto places = PlacesOf(*side->node, open);
  if (!places) return std::nullopt;
  const auto hook = ChooseHook(*side, count, {places->first, places->last});
  if (!hook) return std::nullopt;
  const std::vector<Snapshot>& snapshots = side->node->stream->snapshots;
  const auto time = [&](size_t at) { return side->node->axis.At(snapshots[at].begin.mono_ns); };
  std::optional<TimeSpan> span;
  for (size_t i = places->first; i <= places->last; ++i) {
    const auto least = GrowthByTime(*side, count, hook->id, {places->first, i});
    const auto most = GrowthByTime(*side, count, hook->id, {places->around_first, i});
    if (!least || !most || !most->hi) continue;
    const int64_t end_ns = side->node->axis.At(snapshots[i].end.mono_ns).hi_ns;
    if (!span && *most->hi >= value) {
      span = TimeSpan{i == 0 ? time(i).lo_ns : time(i - 1).lo_ns, incident_.to_ns};
    }
    if (least->lo > value) {
      if (span) span->hi_ns = end_ns;
      break;
    }
  }
  return span;
}

std::optional<TimeSpan> ClaimMeasure::StartsGiving(size_t pair, Count count,
                                                   const ClaimWindow& window, int64_t value) const {
  const LocalQueue* side = SideOf(pair, count);
  if (side == nullptr) return std::nullopt;
  ClaimWindow open = Placed(window);
  if (open.length_ns) return std::nullopt;
  open.from_ns.reset();
  const auto places = PlacesOf(*side->node, open);
  if (!places) return std::nullopt;
  const auto hook = ChooseHook(*side, count, {places->first, places->last});
  if (!hook) return std::nullopt;
  const std::vector<Snapshot>& snapshots = side->node->stream->snapshots;
  std::optional<TimeSpan> span;
  for (size_t i = places->last + 1; i-- > places->first;) {
    const auto least = GrowthByTime(*side, count, hook->id, {i, places->last});
    const auto most = GrowthByTime(*side, count, hook->id, {i, places->around_last});
    if (!least || !most || !most->hi) continue;
    const size_t next = std::min(i + 1, places->last);
    if (!span && *most->hi >= value) {
      span = TimeSpan{incident_.from_ns, side->node->axis.At(snapshots[next].end.mono_ns).hi_ns};
    }
    if (least->lo > value) {
      if (span) span->lo_ns = side->node->axis.At(snapshots[i].begin.mono_ns).lo_ns;
      break;
    }
  }
  return span;
}

}  // namespace ringside
