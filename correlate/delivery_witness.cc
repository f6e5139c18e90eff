// SPDX-License-Identifier: Apache-2.0
#include "correlate/delivery_witness.h"

#include <algorithm>

namespace ringside {
namespace {

constexpr size_t kLooksMost = 200;  // at snapshots in between

std::optional<Difference> UntakenIn(const LocalQueue& host, const SnapshotRange& range) {
  const auto growth = [&](Count count) -> std::optional<Interval> {
    const auto hook = ChooseHook(host, count, range);
    return hook ? GrowthByTime(host, count, hook->id, range) : std::nullopt;
  };
  const auto injected = growth(Count::kKvmInjected);
  const auto merged = growth(Count::kKvmMerged);
  const auto taken = growth(Count::kKvmTaken);
  if (!injected || !merged || !taken || taken->lo == 0) return std::nullopt;
  const Difference rest = *injected - (*merged + *taken);
  return rest.known() ? std::optional(rest) : std::nullopt;
}

}  // namespace

std::optional<Untaken> MeasureUntaken(const LocalQueue& host, const SnapshotRange& range) {
  const auto whole = UntakenIn(host, range);
  if (!whole) return std::nullopt;
  Untaken untaken{.lo = *whole->lo, .hi = *whole->hi, .least = *whole->lo, .most = *whole->hi};
  const size_t step = (range.last - range.first) / kLooksMost + 1;
  for (size_t at = range.first + 1; at < range.last; at += step) {
    const auto part = UntakenIn(host, {range.first, at});
    if (!part) continue;
    untaken.least = std::min(untaken.least, *part->lo);
    untaken.most = std::max(untaken.most, *part->hi);
  }
  return untaken;
}

}  // namespace ringside
