// SPDX-License-Identifier: Apache-2.0
#include "correlate/claim_measure.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "correlate/queue_ledger.h"
#include "correlate/window.h"

namespace ringside {
namespace {

// A length as people state it ("30 s") is not exact: this close to the incident's, it is meant.
constexpr int64_t kSameLengthPercent = 2;

std::string Seconds(int64_t ns) {
  const int64_t tenths = (std::abs(ns) + 50'000'000) / 100'000'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

std::optional<Interval> SumOf(const std::optional<Interval>& a, const std::optional<Interval>& b,
                              int sign) {
  if (!a || !b) return std::nullopt;
  if (sign > 0) return *a + *b;
  Interval difference;
  difference.hi = a->hi ? std::optional(*a->hi - b->lo) : std::nullopt;
  // With an unknown upper end of what is taken away, the rest may be nothing.
  difference.lo = b->hi ? std::max<int64_t>(0, a->lo - *b->hi) : 0;
  if (difference.hi && *difference.hi < difference.lo) difference.hi = difference.lo;
  return difference;
}

std::optional<Interval> CellInterval(const QueueLedger& ledger, Count count, bool at_position,
                                     std::string* hook) {
  const CountCell* cell = ledger.Find(count);
  if (cell == nullptr || cell->at_position != at_position) return std::nullopt;
  Interval interval{static_cast<int64_t>(cell->lo), std::nullopt};
  if (cell->hi) interval.hi = static_cast<int64_t>(*cell->hi);
  *hook = cell->hook;
  return interval;
}

}  // namespace

Measured Sum(const Measured& a, const Measured& b, int sign) {
  Measured sum{.hook = a.hook.empty() ? b.hook : a.hook};
  sum.by_time = SumOf(a.by_time, b.by_time, sign);
  if (a.by_cut || b.by_cut) {
    sum.by_cut = SumOf(a.by_cut ? a.by_cut : a.by_time, b.by_cut ? b.by_cut : b.by_time, sign);
  }
  return sum;
}

Measured Scaled(const Measured& a, int64_t times, int64_t divided_by) {
  const auto scale = [&](const std::optional<Interval>& interval) -> std::optional<Interval> {
    if (!interval) return std::nullopt;
    if (interval->lo > kClaimMax / times) return std::nullopt;
    Interval scaled{interval->lo * times / divided_by, std::nullopt};
    if (interval->hi && *interval->hi <= kClaimMax / times) {
      scaled.hi = (*interval->hi * times + divided_by - 1) / divided_by;
    }
    return scaled;
  };
  return {scale(a.by_time), scale(a.by_cut), a.hook};
}

ClaimMeasure::ClaimMeasure(const Joined& joined) : joined_(&joined) {
  incident_.from_ns = std::numeric_limits<int64_t>::max();
  incident_.to_ns = std::numeric_limits<int64_t>::min();
  for (const NodeStream& node : joined.nodes()) {
    for (const Snapshot& snapshot : node.stream->snapshots) {
      const AxisTime begin = node.axis.At(snapshot.begin.mono_ns);
      incident_.from_ns = std::min(incident_.from_ns, begin.lo_ns);
      incident_.to_ns = std::max(incident_.to_ns, node.axis.At(snapshot.end.mono_ns).hi_ns);
      incident_.bound_ns = std::max(incident_.bound_ns, (begin.hi_ns - begin.lo_ns + 1) / 2);
    }
  }
  if (incident_.from_ns > incident_.to_ns) incident_ = {};
}

std::string ClaimMeasure::WindowTrouble(const ClaimWindow& window) const {
  const ClaimWindow placed = Placed(window);
  const int64_t length = incident_.to_ns - incident_.from_ns;
  std::string why;
  if (placed.from_ns && placed.to_ns && *placed.from_ns >= *placed.to_ns) {
    return "the window ends before it begins";
  }
  if ((placed.from_ns && *placed.from_ns >= incident_.to_ns) ||
      (placed.to_ns && *placed.to_ns <= incident_.from_ns)) {
    return "the window is outside of the incident";
  }
  if (placed.from_ns && *placed.from_ns < incident_.from_ns) {
    why = "the window begins " + Seconds(incident_.from_ns - *placed.from_ns) +
          " before the incident";
  }
  if (placed.to_ns && *placed.to_ns > incident_.to_ns) {
    why += std::string(why.empty() ? "the window" : " and") + " ends " +
           Seconds(*placed.to_ns - incident_.to_ns) + " after it";
  }
  if (placed.length_ns && !placed.from_ns && !placed.to_ns) {
    if (*placed.length_ns > length) {
      why = "the window of " + Seconds(*placed.length_ns) + " is longer than the incident (" +
            Seconds(length) + ")";
    } else {
      why = "the source does not tell which " + Seconds(*placed.length_ns) + " it counted";
    }
  }
  return why;
}

// The window with its length turned into an end, and ends that are the incident's own left open.
ClaimWindow ClaimMeasure::Placed(const ClaimWindow& window) const {
  ClaimWindow placed = window;
  if (placed.length_ns) {
    const int64_t incident = incident_.to_ns - incident_.from_ns;
    const int64_t difference = std::abs(*placed.length_ns - incident);
    if (placed.from_ns && !placed.to_ns) {
      placed.to_ns = *placed.from_ns + *placed.length_ns;
    } else if (placed.to_ns && !placed.from_ns) {
      placed.from_ns = *placed.to_ns - *placed.length_ns;
    } else if (placed.from_ns || difference <= incident / 100 * kSameLengthPercent) {
      placed.length_ns.reset();
    }
  }
  const int64_t slack = 2 * incident_.bound_ns + 1'000'000;
  if (placed.from_ns && std::abs(*placed.from_ns - incident_.from_ns) <= slack) {
    placed.from_ns.reset();
  }
  if (placed.to_ns && std::abs(*placed.to_ns - incident_.to_ns) <= slack) placed.to_ns.reset();
  if (placed.from_ns || placed.to_ns) placed.length_ns.reset();
  return placed;
}

// One side alone is cut by time; both together by position where they can be.
const QueueLedger& ClaimMeasure::LedgerOf(size_t pair, Kind kind, bool guest, int64_t from_ns,
                                          int64_t to_ns) {
  const Key key{pair, kind, guest, from_ns, to_ns};
  const auto known = ledgers_.find(key);
  if (known != ledgers_.end()) return known->second;
  QueuePair queues = joined_->pairs()[pair];
  if (kind != Kind::kCut) (guest ? queues.host : queues.guest) = nullptr;
  return ledgers_.emplace(key, MakeQueueLedger(queues, from_ns, to_ns)).first->second;
}

std::optional<Interval> ClaimMeasure::Between(size_t pair, Count count, const ClaimWindow& window,
                                              std::string* hook) {
  const LocalQueue* side = SideOf(pair, count);
  if (side == nullptr) return std::nullopt;
  const bool guest = side == joined_->pairs()[pair].guest;
  const int64_t from_ns = window.from_ns.value_or(incident_.from_ns);
  const int64_t to_ns = window.to_ns.value_or(incident_.to_ns);
  const int64_t late_from_ns = from_ns + (window.from_ns ? window.slack_ns : 0);
  const int64_t late_to_ns = to_ns + (window.to_ns ? window.slack_ns : 0);
  auto inside =
      CellInterval(LedgerOf(pair, Kind::kInner, guest, late_from_ns, to_ns), count, false, hook);
  if (!window.from_ns && !window.to_ns) return inside;
  // What happened between the window's ends and the snapshots next to them may have been in it.
  std::optional<int64_t> before_ns, after_ns;
  if (!window.from_ns) before_ns = from_ns;
  if (!window.to_ns) after_ns = to_ns;
  for (const Snapshot& snapshot : side->node->stream->snapshots) {
    const AxisTime begin = side->node->axis.At(snapshot.begin.mono_ns);
    const AxisTime end = side->node->axis.At(snapshot.end.mono_ns);
    if (window.from_ns && end.hi_ns <= from_ns) before_ns = begin.lo_ns;
    if (window.to_ns && !after_ns && begin.lo_ns >= late_to_ns) after_ns = end.hi_ns;
  }
  const int64_t outer_from_ns = before_ns.value_or(incident_.from_ns);
  const int64_t outer_to_ns = after_ns.value_or(incident_.to_ns);
  const auto around = CellInterval(LedgerOf(pair, Kind::kOuter, guest, outer_from_ns, outer_to_ns),
                                   count, false, hook);
  if (!around) return std::nullopt;
  Interval growth{inside ? inside->lo : 0, around->hi};
  if (!before_ns || !after_ns) growth.hi = std::nullopt;
  return growth;
}

// Over all windows of that length: the least and the most there can have been.
Measured ClaimMeasure::Anywhere(size_t pair, Count count, int64_t length_ns) {
  Measured measured;
  const LocalQueue* side = SideOf(pair, count);
  if (side == nullptr || length_ns <= 0) return measured;
  const std::vector<Snapshot>& snapshots = side->node->stream->snapshots;
  if (snapshots.size() < 2) return measured;
  const auto hook = ChooseHook(*side, count, {0, snapshots.size() - 1});
  if (!hook) return measured;
  std::optional<Interval> span;
  size_t inside = 0, after = 0;
  for (size_t i = 0; i + 1 < snapshots.size(); ++i) {
    // Begins right after snapshot i, or right before snapshot i + 1.
    const int64_t begin_ns = side->node->axis.At(snapshots[i].begin.mono_ns).lo_ns;
    const int64_t next_ns = side->node->axis.At(snapshots[i + 1].end.mono_ns).hi_ns;
    const auto end_of = [&](size_t at) {
      return side->node->axis.At(snapshots[at].end.mono_ns).hi_ns;
    };
    while (inside + 1 < snapshots.size() && end_of(inside + 1) <= begin_ns + length_ns) ++inside;
    while (after < snapshots.size() && end_of(after) <= next_ns + length_ns) ++after;
    if (after == snapshots.size()) break;
    const auto most = GrowthByTime(*side, count, hook->id, {i, after});
    std::optional<Interval> least;
    if (inside > i) least = GrowthByTime(*side, count, hook->id, {i + 1, inside});
    if (!most) continue;
    const int64_t lo = least ? least->lo : 0;
    if (!span) span = Interval{lo, most->hi};
    span->lo = std::min(span->lo, lo);
    if (!most->hi || !span->hi) {
      span->hi = std::nullopt;
    } else {
      span->hi = std::max(*span->hi, *most->hi);
    }
  }
  measured.by_time = span;
  if (hook->info != nullptr) measured.hook = RungName(hook->info->rung);
  return measured;
}

Measured ClaimMeasure::Of(size_t pair, Count count, const ClaimWindow& window) {
  const ClaimWindow placed = Placed(window);
  if (placed.length_ns && !placed.from_ns) return Anywhere(pair, count, *placed.length_ns);
  Measured measured;
  measured.by_time = Between(pair, count, placed, &measured.hook);
  const QueuePair& queues = joined_->pairs()[pair];
  if (queues.host != nullptr && queues.guest != nullptr) {
    const QueueLedger& cut =
        LedgerOf(pair, Kind::kCut, false, placed.from_ns.value_or(incident_.from_ns),
                 placed.to_ns.value_or(incident_.to_ns));
    measured.by_cut = CellInterval(cut, count, true, &measured.hook);
  }
  return measured;
}

Measured ClaimMeasure::Of(const QueueSet& queues, const std::vector<Count>& counts,
                          const ClaimWindow& window) {
  Measured sum;
  bool first = true;
  for (const size_t pair : queues.pairs) {
    Measured of_queue;
    bool all = true;
    for (const Count count : counts) {
      const Measured measured = Of(pair, count, window);
      all = all && measured.known();
      if (measured.known()) of_queue = of_queue.known() ? Sum(of_queue, measured) : measured;
    }
    if (!of_queue.known()) continue;  // not observed on this queue
    // What was never observed is not nothing: the sum has no upper end then.
    if (!all) {
      if (of_queue.by_time) of_queue.by_time->hi = std::nullopt;
      of_queue.by_cut.reset();
    }
    sum = first ? of_queue : Sum(sum, of_queue);
    first = false;
  }
  if (queues.open) {
    if (sum.by_time) sum.by_time->hi = std::nullopt;
    sum.by_cut.reset();
  }
  return sum;
}

}  // namespace ringside
