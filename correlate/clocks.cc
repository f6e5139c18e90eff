// SPDX-License-Identifier: Apache-2.0
#include "correlate/clocks.h"

#include <algorithm>

namespace ringside {
namespace {

// Looked at in all of a recording.
constexpr size_t kMomentsMax = 20'000;

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
    ClockMoment moment{node.axis.At(mono).mid_ns(), mono, range, std::nullopt};
    if (range.known()) moment.half_ns = range.half_ns();
    relation->moments.push_back(moment);
  }
}

// Whether guest -> host -> collector meets guest -> collector.
void Check(const ClockNet& net, const ClockLink& link, const NodeStream& guest,
           ClockRelation* relation) {
  const ClockLink* direct_link = net.ToCollector(link.node);
  const ClockLink* host_link = net.ToCollector(*link.host);
  if (direct_link == nullptr || host_link == nullptr) return;
  const ClockMap& host = host_link->fit.map;
  for (const Snapshot& snapshot : guest.stream->snapshots) {
    const int64_t mono = snapshot.begin.mono_ns;
    const ClockRange at_host = ReferenceAt(link.fit, net.scale(link.node), mono);
    const ClockRange direct = ReferenceAt(direct_link->fit, net.scale(link.node), mono);
    if (!at_host.known() || !direct.known()) continue;
    const ClockRange lo = host.At(at_host.lo_ns);
    const ClockRange hi = host.At(at_host.hi_ns);
    if (!lo.known() || !hi.known()) continue;
    const int64_t apart = std::max(lo.lo_ns - direct.hi_ns, direct.lo_ns - hi.hi_ns);
    if (apart <= 0) continue;
    ++relation->disagreeing;
    relation->apart_ns = std::max(relation->apart_ns, apart);
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
  if (link.host) Check(net, link, node, &relation);
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
  if (relation.disagreeing > 0) text += "; contradicted by the way over the collector";
  return text;
}

}  // namespace ringside
