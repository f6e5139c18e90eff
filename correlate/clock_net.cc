// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_net.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "correlate/axis.h"
#include "correlate/clock_evidence.h"
#include "correlate/clock_guest.h"

namespace ringside {
namespace {

// Two machines: crystals that warm up by a ppm a minute (17 ppb/s), rounded up.
constexpr int64_t kWanderPpbPerS = 20;
// Moments of a recording at which two ways are compared.
constexpr size_t kCompared = 200;
// A step to the host that is narrower than the direct way by this adds little to the host's own.
constexpr int64_t kLittle = 4;
// A guest in a guest in a guest; more is a circle.
constexpr int kDepthMax = 4;
// Two kernels' frequency corrections (adjtimex: 500 ppm each).
constexpr int64_t kBeyondPpm = 1000;

ClockRange Through(const ClockMap& map, const ClockRange& at) {
  if (!at.known()) return {};
  return {map.At(at.lo_ns).lo_ns, map.At(at.hi_ns).hi_ns};
}

std::optional<int64_t> Median(std::vector<int64_t> values) {
  if (values.empty()) return std::nullopt;
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

bool Meet(const ClockRange& a, const ClockRange& b) {
  return a.lo_ns <= b.hi_ns && b.lo_ns <= a.hi_ns;
}

ClockFit FitLink(const ClockOptions& options, const SteadyScale& local,
                 const SteadyScale& reference, const std::vector<ClockEvidence>& evidence,
                 std::vector<ClockSource>* sources) {
  ClockFit fit = FitClocks(options, local, reference, evidence);
  for (const uint32_t source : fit.wrong) (*sources)[source].wrong = true;
  return fit;
}

void NoteStrange(const ClockFit& fit, std::vector<std::string>* notes) {
  if (fit.strange == 0) return;
  notes->push_back(std::to_string(fit.strange) +
                   " statements of times at which their nodes did not run are left out");
}

}  // namespace

void WallScale::Add(const ClockReading& reading) {
  // Small numbers, as the scale wants them. The wall clock was read before RAW, by the width at
  // most; the scale takes its second clock for the later one.
  if (scale_.readings() == 0) base_ns_ = reading.real_ns - reading.raw_ns;
  ClockReading swapped;
  swapped.mono_ns = reading.raw_ns;
  swapped.raw_ns = reading.real_ns - base_ns_ + reading.width_ns;
  swapped.real_ns = reading.raw_ns;
  swapped.width_ns = reading.width_ns;
  scale_.Add(swapped);
}

ClockRange WallScale::At(const ClockRange& raw) const {
  if (scale_.readings() == 0 || !raw.known()) return {};
  const auto one = [this](int64_t at_ns) {
    const int64_t inside_ns = std::clamp(at_ns, scale_.first_mono_ns(), scale_.last_mono_ns());
    ClockRange range = scale_.At(inside_ns);
    const int64_t beyond_ns = at_ns - inside_ns;
    const int64_t error_ns = std::abs(beyond_ns) / 1'000'000 * kBeyondPpm;
    range.lo_ns += base_ns_ + beyond_ns - error_ns;
    range.hi_ns += base_ns_ + beyond_ns + error_ns;
    return range;
  };
  return {one(raw.lo_ns).lo_ns, one(raw.hi_ns).hi_ns};
}

ClockNet::ClockNet(const std::list<NodeStream>& nodes, const std::vector<QueuePair>& pairs) {
  std::vector<const Stream*> streams;
  for (const NodeStream& node : nodes) streams.push_back(node.stream);
  std::vector<ClockReading> readings = CollectorReadings(streams);
  for (const ClockReading& reading : readings) {
    collector_.Add(reading);
    collector_wall_.Add(reading);
  }
  nodes_.resize(nodes.size());
  size_t number = 0;
  for (const NodeStream& node : nodes) {
    Node& mine = nodes_[number];
    mine.scale = ScaleOf(*node.stream);
    mine.wall_error_ns = StatedErrorNs(*node.stream);
    if (node.stream->clocks.empty()) {
      mine.wall.Add(node.stream->hello.clock);
      for (const Snapshot& snapshot : node.stream->snapshots) mine.wall.Add(snapshot.begin);
    } else {
      LinkToCollector(number, *node.stream);
    }
    ++number;
  }
  LinkToHosts(nodes, pairs);
  ChooseWays(nodes);
}

void ClockNet::LinkToCollector(size_t node, const Stream& stream) {
  std::vector<ClockEvidence> evidence;
  AddExchanges(stream.clocks, 0, &evidence);
  std::vector<ClockSource> sources = {{"exchange", evidence.size()}};
  ClockFit fit = FitLink({.wander_ppb_per_s = kWanderPpbPerS}, nodes_[node].scale, collector_,
                         evidence, &sources);
  if (fit.trust != ClockTrust::kContradicted) nodes_[node].to_collector = links_.size();
  std::vector<std::string> notes;
  NoteStrange(fit, &notes);
  links_.push_back({node, std::nullopt, std::move(sources), std::move(fit), std::move(notes), {}});
}

// What is known of one guest and one host.
struct ClockNet::Known {
  const Stream* guest = nullptr;
  const Stream* host = nullptr;
  int32_t pid = 0;  // of the VMM
  std::vector<ClockSource> sources;
  std::vector<ClockEvidence> evidence;
  std::vector<std::string> notes;
  size_t queues = 0;  // of the sources
};

// What KVM says, beside what the queues show.
void ClockNet::AddKvm(Known* known) {
  const auto add = [known](const char* name, WhyNot why, size_t before) {
    if (!why.empty()) known->notes.push_back(std::string(name) + ": " + why);
    const size_t statements = known->evidence.size() - before;
    if (statements > 0) known->sources.push_back({name, statements});
  };
  size_t before = known->evidence.size();
  add("TSC offset",
      AddTscOffset(*known->host, *known->guest, known->pid,
                   static_cast<uint32_t>(known->sources.size()), &known->evidence),
      before);
  before = known->evidence.size();
  add("ptp_kvm",
      AddCrossTimes(*known->host, *known->guest, static_cast<uint32_t>(known->sources.size()),
                    &known->evidence),
      before);
}

ClockLink ClockNet::FitKnown(size_t guest, size_t host, Known known) const {
  const SteadyScale& local = nodes_[guest].scale;
  const SteadyScale& reference = nodes_[host].scale;
  std::vector<std::pair<std::string, ClockFit>> ways;
  for (size_t first = 0; first < known.sources.size();) {
    const size_t end = first < known.queues ? known.queues : first + 1;
    std::vector<ClockEvidence> own;
    std::copy_if(known.evidence.begin(), known.evidence.end(), std::back_inserter(own),
                 [&](const ClockEvidence& e) { return e.source >= first && e.source < end; });
    ways.emplace_back(first < known.queues ? "queues" : known.sources[first].name,
                      FitClocks({}, local, reference, own));
    first = end;
  }
  ClockFit fit = FitLink({}, local, reference, known.evidence, &known.sources);
  NoteStrange(fit, &known.notes);
  return {guest,          host, std::move(known.sources), std::move(fit), std::move(known.notes),
          std::move(ways)};
}

// By the queues of each guest and host that are bound to each other beyond doubt, and by KVM.
void ClockNet::LinkToHosts(const std::list<NodeStream>& nodes,
                           const std::vector<QueuePair>& pairs) {
  std::map<const NodeStream*, size_t> numbers;
  for (const NodeStream& node : nodes) numbers.emplace(&node, numbers.size());
  std::map<std::pair<size_t, size_t>, Known> found;
  for (const QueuePair& pair : pairs) {
    if (pair.host == nullptr || pair.guest == nullptr || !pair.turn.turn) continue;
    if (!pair.binding.bound || pair.binding.provisional) continue;
    Known& known = found[{numbers.at(pair.guest->node), numbers.at(pair.host->node)}];
    known.guest = pair.guest->node->stream;
    known.host = pair.host->node->stream;
    known.pid = pair.host->info.owner_pid;
    const size_t before = known.evidence.size();
    AddQueueEvidence(Published(*pair.host), Observed(*pair.guest, *pair.turn.turn),
                     static_cast<uint32_t>(known.sources.size()), &known.evidence);
    known.sources.push_back({pair.guest->Name(), known.evidence.size() - before});
    ++known.queues;
  }
  std::map<size_t, size_t> hosts_of;
  for (auto& [ends, known] : found) {
    const auto [guest, host] = ends;
    AddKvm(&known);
    ClockLink link = FitKnown(guest, host, std::move(known));
    // With two hosts it moved from one to the other: which one holds when is not known here.
    const bool only = ++hosts_of[guest] == 1;
    nodes_[guest].to_host.reset();
    if (only && link.fit.trust != ClockTrust::kContradicted) nodes_[guest].to_host = links_.size();
    links_.push_back(std::move(link));
  }
  std::stable_sort(links_.begin(), links_.end(),
                   [](const ClockLink& a, const ClockLink& b) { return a.node < b.node; });
  for (size_t i = 0; i < links_.size(); ++i) {
    Node& node = nodes_[links_[i].node];
    if (!links_[i].host && node.to_collector) node.to_collector = i;
    if (links_[i].host && node.to_host) node.to_host = i;
  }
}

// A guest's way over its host is taken where it is the narrower one, or where the step to the host
// adds little: then both are shown by the same clock. A relation that does not meet what the
// exchanges say is used for nothing.
void ClockNet::ChooseWays(const std::list<NodeStream>& nodes) {
  size_t number = 0;
  for (const NodeStream& stream : nodes) {
    Node& node = nodes_[number++];
    if (!node.to_host) continue;
    const size_t host_number = *links_[*node.to_host].host;
    const Node& host = nodes_[host_number];
    const std::vector<Snapshot>& snapshots = stream.stream->snapshots;
    std::vector<int64_t> related, direct, hosts;
    bool meet = true;
    for (size_t i = 0; i < snapshots.size(); i += snapshots.size() / kCompared + 1) {
      const ClockRange raw = node.scale.At(snapshots[i].begin.mono_ns);
      const ClockRange at_host = Through(links_[*node.to_host].fit.map, raw);
      if (at_host.known()) related.push_back(at_host.half_ns());
      if (!node.to_collector) continue;
      const ClockRange at_collector = Through(links_[*node.to_collector].fit.map, raw);
      if (!at_collector.known()) continue;
      direct.push_back(at_collector.half_ns());
      if (!at_host.known() || !host.to_collector) continue;
      const ClockRange around = Through(links_[*host.to_collector].fit.map, at_host);
      if (!around.known()) continue;
      hosts.push_back(std::max<int64_t>(0, around.half_ns() - at_host.half_ns()));
      meet = meet && Meet(around, at_collector);
    }
    const std::optional<int64_t> by_host = Median(related);
    if (!by_host || !meet) continue;
    node.host = host_number;
    if (node.to_collector) {
      const int64_t direct_ns = Median(direct).value_or(INT64_MAX);
      const int64_t over_host_ns = *by_host + Median(hosts).value_or(INT64_MAX / 2);
      node.by_host =
          host.to_collector && (over_host_ns <= direct_ns || *by_host <= direct_ns / kLittle);
    } else {
      node.by_host = host.to_collector || host.wall_error_ns <= node.wall_error_ns;
    }
  }
}

bool ClockNet::HasWay(size_t node) const {
  if (nodes_[node].to_collector || nodes_[node].by_host) return true;
  // The wall clock that others are shown by is read as they read it.
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [node](const Node& other) { return other.by_host && other.host == node; });
}

const ClockLink* ClockNet::ToCollector(size_t node) const {
  return nodes_[node].to_collector ? &links_[*nodes_[node].to_collector] : nullptr;
}

ClockRange ClockNet::RootAt(size_t node, int64_t mono_ns) const {
  const Node& mine = nodes_[node];
  const ClockRange raw = mine.scale.At(mono_ns);
  return mine.host ? Through(links_[*mine.to_host].fit.map, raw) : raw;
}

ClockRange ClockNet::AxisOfRaw(size_t node, const ClockRange& raw, int depth) const {
  const Node& mine = nodes_[node];
  if (!raw.known() || depth > kDepthMax) return {};
  if (mine.by_host) {
    return AxisOfRaw(*mine.host, Through(links_[*mine.to_host].fit.map, raw), depth + 1);
  }
  if (mine.to_collector) {
    return collector_wall_.At(Through(links_[*mine.to_collector].fit.map, raw));
  }
  const ClockRange wall = mine.wall.At(raw);
  if (!wall.known()) return {};
  return {wall.lo_ns - mine.wall_error_ns, wall.hi_ns + mine.wall_error_ns};
}

ClockRange ClockNet::AxisAt(size_t node, int64_t mono_ns) const {
  return AxisOfRaw(node, nodes_[node].scale.At(mono_ns), 0);
}

}  // namespace ringside
