// SPDX-License-Identifier: Apache-2.0
#include "correlate/clocks.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "correlate/clock_evidence.h"

namespace ringside {
namespace {

// Two machines: crystals that warm up by a ppm a minute (17 ppb/s), rounded up.
constexpr int64_t kWanderPpbPerS = 20;
// Looked at in all of a recording.
constexpr size_t kMomentsMax = 20'000;

struct Node {
  const NodeStream* stream;
  SteadyScale scale;
  std::optional<ClockFit> to_collector;
};

struct Pairing {
  Node* guest;
  Node* host;
  std::vector<ClockSource> sources;
  std::vector<ClockEvidence> evidence;
};

void NameWrong(const ClockFit& fit, ClockRelation* relation) {
  for (const uint32_t source : fit.wrong) relation->sources[source].wrong = true;
  relation->trust = fit.trust;
}

// RAW as the axis shows it, by the snapshot nearest to it.
int64_t AxisOfRaw(const NodeStream& node, int64_t raw_ns) {
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  const auto after = std::partition_point(
      snapshots.begin(), snapshots.end(),
      [raw_ns](const Snapshot& snapshot) { return snapshot.begin.raw_ns < raw_ns; });
  const ClockReading& near = after != snapshots.end() ? after->begin : node.stream->hello.clock;
  return node.axis.At(near.mono_ns).mid_ns() + raw_ns - near.raw_ns;
}

void TellEvents(const Node& node, const SteadyScale* other, const ClockFit& fit,
                ClockRelation* relation) {
  const auto tell = [&](int64_t from_raw, int64_t to_raw, const char* what) {
    relation->events.push_back(
        {AxisOfRaw(*node.stream, from_raw), AxisOfRaw(*node.stream, to_raw), what});
  };
  for (const ClockStep& step : node.scale.steps()) {
    tell(step.from_raw_ns, step.to_raw_ns,
         step.suspended ? "suspended, or its wall clock was set forward" : "its counter stepped");
  }
  if (other != nullptr && !other->steps().empty()) {
    relation->events.push_back({0, 0, "the clock it is held against stepped"});
  }
  for (const ClockConflict& conflict : fit.map.conflicts()) {
    tell(conflict.from_ns, conflict.to_ns,
         "evidence leaves no line: a clock step, a migration or a wrong binding");
  }
}

template <typename At>
void TellMoments(const NodeStream& node, At at, ClockRelation* relation) {
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  const size_t stride = snapshots.size() / kMomentsMax + 1;
  for (size_t i = 0; i < snapshots.size(); i += stride) {
    const int64_t mono = snapshots[i].begin.mono_ns;
    const ClockRange range = at(mono);
    ClockMoment moment{node.axis.At(mono).mid_ns(), mono, range, std::nullopt};
    if (range.known()) moment.half_ns = range.half_ns();
    relation->moments.push_back(moment);
  }
}

ClockRelation AgainstCollector(Node* node, const SteadyScale& collector) {
  ClockRelation relation{.node = node->stream->name, .against = "collector"};
  std::vector<ClockEvidence> evidence;
  AddExchanges(node->stream->stream->clocks, 0, &evidence);
  relation.sources.push_back({"exchange", evidence.size()});
  node->to_collector =
      FitClocks({.wander_ppb_per_s = kWanderPpbPerS}, node->scale, collector, evidence);
  const ClockFit& fit = *node->to_collector;
  NameWrong(fit, &relation);
  TellEvents(*node, &collector, fit, &relation);
  TellMoments(
      *node->stream, [&](int64_t mono) { return ReferenceAt(fit, node->scale, mono); }, &relation);
  return relation;
}

// Whether guest -> host -> collector meets guest -> collector.
void Check(const Pairing& pairing, const ClockFit& fit, ClockRelation* relation) {
  if (!pairing.guest->to_collector || !pairing.host->to_collector) return;
  const ClockMap& host = pairing.host->to_collector->map;
  for (const Snapshot& snapshot : pairing.guest->stream->stream->snapshots) {
    const int64_t mono = snapshot.begin.mono_ns;
    const ClockRange at_host = ReferenceAt(fit, pairing.guest->scale, mono);
    const ClockRange direct = ReferenceAt(*pairing.guest->to_collector, pairing.guest->scale, mono);
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

ClockRelation AgainstHost(Pairing* pairing) {
  ClockRelation relation{.node = pairing->guest->stream->name,
                         .against = pairing->host->stream->name,
                         .sources = std::move(pairing->sources)};
  const ClockFit fit =
      FitClocks({}, pairing->guest->scale, pairing->host->scale, pairing->evidence);
  NameWrong(fit, &relation);
  TellEvents(*pairing->guest, &pairing->host->scale, fit, &relation);
  TellMoments(
      *pairing->guest->stream,
      [&](int64_t mono) { return ReferenceAt(fit, pairing->guest->scale, mono); }, &relation);
  Check(*pairing, fit, &relation);
  return relation;
}

using Nodes = std::map<const NodeStream*, Node>;

// The queues of each guest and host that are bound to each other beyond doubt.
std::vector<Pairing> GuestsAndHosts(const Joined& joined, Nodes* nodes) {
  std::map<std::pair<const NodeStream*, const NodeStream*>, Pairing> found;
  for (const QueuePair& pair : joined.pairs()) {
    if (pair.host == nullptr || pair.guest == nullptr || !pair.turn.turn) continue;
    if (!pair.binding.bound || pair.binding.provisional) continue;
    Pairing& pairing = found[{pair.guest->node, pair.host->node}];
    pairing.guest = &nodes->at(pair.guest->node);
    pairing.host = &nodes->at(pair.host->node);
    const size_t before = pairing.evidence.size();
    AddQueueEvidence(Published(*pair.host), Observed(*pair.guest, *pair.turn.turn),
                     static_cast<uint32_t>(pairing.sources.size()), &pairing.evidence);
    pairing.sources.push_back({pair.guest->Name(), pairing.evidence.size() - before});
  }
  std::vector<Pairing> pairings;
  for (auto& [key, pairing] : found) pairings.push_back(std::move(pairing));
  return pairings;
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
  Nodes nodes;
  std::vector<const Stream*> streams;
  for (const NodeStream& stream : joined.nodes()) {
    nodes[&stream] = {&stream, ScaleOf(*stream.stream), std::nullopt};
    streams.push_back(stream.stream);
  }
  const SteadyScale collector = CollectorScale(streams);
  std::vector<ClockRelation> relations;
  for (const NodeStream& stream : joined.nodes()) {
    if (stream.stream->clocks.empty()) continue;
    relations.push_back(AgainstCollector(&nodes.at(&stream), collector));
  }
  for (Pairing& pairing : GuestsAndHosts(joined, &nodes)) {
    relations.push_back(AgainstHost(&pairing));
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
