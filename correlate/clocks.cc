// SPDX-License-Identifier: Apache-2.0
#include "correlate/clocks.h"

#include <algorithm>

namespace ringside {
namespace {

// Looked at in all of a recording.
constexpr size_t kMomentsMax = 5'000;
// How far from where it is about a clock's time is looked for: far beyond any bound of use.
constexpr int64_t kSearchNs = 60'000'000'000;

// RAW as the axis shows it, by the snapshot nearest to it.
int64_t AxisOfRaw(const NodeStream& node, int64_t raw_ns) {
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  const auto after = std::partition_point(
      snapshots.begin(), snapshots.end(),
      [raw_ns](const Snapshot& snapshot) { return snapshot.begin.raw_ns < raw_ns; });
  const ClockReading& near = after != snapshots.end() ? after->begin : node.stream->hello.clock;
  return node.axis.At(near.mono_ns).mid_ns() + raw_ns - near.raw_ns;
}

void TellEvents(const NodeStream& node, const SteadyScale& own, const SteadyScale& other,
                const ClockFit& fit, ClockRelation* relation) {
  const auto tell = [&](int64_t from_raw, int64_t to_raw, const char* what) {
    relation->events.push_back({AxisOfRaw(node, from_raw), AxisOfRaw(node, to_raw), what});
  };
  for (const ClockStep& step : own.steps()) {
    tell(step.from_raw_ns, step.to_raw_ns,
         step.suspended ? "suspended, or its wall clock was set forward" : "its counter stepped");
  }
  if (!other.steps().empty()) {
    relation->events.push_back({0, 0, "the clock it is held against stepped"});
  }
  for (const ClockConflict& conflict : fit.map.conflicts()) {
    tell(conflict.from_ns, conflict.to_ns,
         "evidence leaves no line: a clock step, a migration or a wrong binding");
  }
}

void TellMoments(const NodeStream& node, const SteadyScale& scale, const ClockFit& fit,
                 ClockRelation* relation) {
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  const size_t stride = snapshots.size() / kMomentsMax + 1;
  for (size_t i = 0; i < snapshots.size(); i += stride) {
    const int64_t mono = snapshots[i].begin.mono_ns;
    const ClockRange range = ReferenceAt(fit, scale, mono);
    ClockMoment moment{node.axis.At(mono).mid_ns(), mono, range, std::nullopt, {}, 0};
    moment.local_raw_ns = scale.At(mono).mid_ns();
    if (range.known()) moment.half_ns = range.half_ns();
    relation->moments.push_back(moment);
  }
}

// The host's RAW when the collector's was within a range: the map the other way round.
ClockRange Inverse(const ClockMap& map, const ClockRange& at, int64_t around_ns) {
  if (!at.known() || !map.At(around_ns).known()) return {};
  // Rates differ by a thousandth at most, so the way there is short.
  const auto last = [&](auto still) {
    int64_t lo = around_ns - kSearchNs, hi = around_ns + kSearchNs;
    while (lo < hi) {
      const int64_t mid = lo + (hi - lo + 1) / 2;
      if (still(map.At(mid))) {
        lo = mid;
      } else {
        hi = mid - 1;
      }
    }
    return lo;
  };
  return {last([&](const ClockRange& r) { return r.hi_ns < at.lo_ns; }),
          last([&](const ClockRange& r) { return r.lo_ns <= at.hi_ns; }) + 1};
}

// What each kind of source says by itself, and whether they meet.
void TellWays(const ClockNet& net, const ClockLink& link, ClockRelation* relation) {
  const SteadyScale& own = net.scale(link.node);
  const ClockLink* direct = net.ToCollector(link.node);
  const ClockLink* host = net.ToCollector(*link.host);
  for (ClockMoment& moment : relation->moments) {
    for (const auto& [name, fit] : link.ways) {
      moment.ways.push_back({name, ReferenceAt(fit, own, moment.mono_ns)});
    }
    if (direct != nullptr && host != nullptr && moment.reference.known()) {
      const ClockRange at_collector = ReferenceAt(direct->fit, own, moment.mono_ns);
      moment.ways.push_back(
          {"exchange", Inverse(host->fit.map, at_collector, moment.reference.mid_ns())});
    }
    std::erase_if(moment.ways, [](const ClockMoment::Way& way) { return !way.reference.known(); });
    const ClockMoment::Way* highest = nullptr;  // of the lower ends
    const ClockMoment::Way* lowest = nullptr;   // of the upper ends
    for (const ClockMoment::Way& way : moment.ways) {
      if (!highest || way.reference.lo_ns > highest->reference.lo_ns) highest = &way;
      if (!lowest || way.reference.hi_ns < lowest->reference.hi_ns) lowest = &way;
    }
    if (!highest || highest->reference.lo_ns <= lowest->reference.hi_ns) continue;
    if (++relation->disagreeing == 1)
      relation->who_disagrees = lowest->name + " and " + highest->name;
    relation->apart_ns =
        std::max(relation->apart_ns, highest->reference.lo_ns - lowest->reference.hi_ns);
  }
}

ClockRelation Relate(const ClockNet& net, const std::vector<const NodeStream*>& nodes,
                     const ClockLink& link) {
  const NodeStream& node = *nodes[link.node];
  ClockRelation relation{.node = node.name,
                         .against = link.host ? nodes[*link.host]->name : "collector",
                         .sources = link.sources,
                         .trust = link.fit.trust};
  const SteadyScale& own = net.scale(link.node);
  TellEvents(node, own, link.host ? net.scale(*link.host) : net.collector(), link.fit, &relation);
  TellMoments(node, own, link.fit, &relation);
  relation.notes = link.notes;
  if (link.host) TellWays(net, link, &relation);
  return relation;
}

std::vector<int64_t> Halves(const std::vector<ClockMoment>& moments) {
  std::vector<int64_t> halves;
  for (const ClockMoment& moment : moments) {
    if (moment.half_ns) halves.push_back(*moment.half_ns);
  }
  std::sort(halves.begin(), halves.end());
  return halves;
}

}  // namespace

std::optional<int64_t> ClockRelation::MedianHalf() const {
  const std::vector<int64_t> halves = Halves(moments);
  return halves.empty() ? std::nullopt : std::optional(halves[halves.size() / 2]);
}

std::optional<int64_t> ClockRelation::WidestHalf() const {
  const std::vector<int64_t> halves = Halves(moments);
  return halves.empty() ? std::nullopt : std::optional(halves.back());
}

std::vector<ClockRelation> RelateClocks(const Joined& joined) {
  std::vector<const NodeStream*> nodes;
  for (const NodeStream& node : joined.nodes()) nodes.push_back(&node);
  std::vector<ClockRelation> relations;
  for (const ClockLink& link : joined.clocks().links()) {
    relations.push_back(Relate(joined.clocks(), nodes, link));
  }
  std::stable_sort(relations.begin(), relations.end(),
                   [](const ClockRelation& a, const ClockRelation& b) { return a.node < b.node; });
  return relations;
}

std::string ClockQuality(const ClockRelation& relation) {
  if (relation.trust == ClockTrust::kContradicted) {
    return "contradicted: these clocks are not related as the evidence claims";
  }
  const std::optional<int64_t> half = relation.MedianHalf();
  if (!half) return "unknown: nothing bounds it on both sides";
  std::string text = *half < 1'000           ? "stages of a packet's path can be told apart"
                     : *half < 100'000       ? "interrupts and batches can be put in order"
                     : *half < 10'000'000    ? "stalls of milliseconds can be placed"
                     : *half < 1'000'000'000 ? "only stalls longer than the bound can be placed"
                                             : "as good as unknown";
  if (relation.trust == ClockTrust::kStepped) text += "; if the clock stepped, else wrong";
  if (relation.disagreeing > 0) text += "; its sources do not meet";
  return text;
}

}  // namespace ringside
