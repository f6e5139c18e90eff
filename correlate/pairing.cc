// SPDX-License-Identifier: Apache-2.0
#include "correlate/pairing.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <set>

#include "correlate/quiet_cuts.h"
#include "correlate/witness.h"
#include "correlate/witness_pairing.h"

namespace ringside {
namespace {

// Readings at different positions that speak for one queue; each is wrong by chance at most once in
// sixteen times, so four leave less than one chance in 65,536.
constexpr uint64_t kMovedEnough = 4;
constexpr int64_t kAlikeSlack = 1;  // the pending bit is looked at a moment before it is set

std::string Format(const char* format, uint64_t a, uint64_t b = 0) {
  char text[128];
  std::snprintf(text, sizeof(text), format, a, b);
  return text;
}

bool SameNode(const LocalQueue& a, const LocalQueue& b) {
  const StreamKey& x = a.node->stream->hello.key;
  const StreamKey& y = b.node->stream->hello.key;
  return x.machine_id == y.machine_id && x.boot_id == y.boot_id;
}

// Nodes that never exchanged times may be off by what both kernels state, all readings alike.
TurnOptions OptionsFor(const LocalQueue& host, const LocalQueue& guest) {
  TurnOptions options{.ring_size = host.info.ring_size};
  options.offset_bound_ns = host.node->axis.common_error_ns() + guest.node->axis.common_error_ns();
  if (options.offset_bound_ns > 0) {
    options.drift_ns = host.node->axis.DriftOver(host.node->stream->snapshots) +
                       guest.node->axis.DriftOver(guest.node->stream->snapshots);
  }
  return options;
}

struct Candidate {
  size_t host = 0;
  size_t guest = 0;
  int keys = 0;
  Binding binding;
  Turn turn;
};

// A queue whose backend is a program: the host has no ring of it, only the route of its interrupt.
bool ByProgram(const LocalQueue& host) {
  const StreamSeries& series = host.node->series;
  return host.info.ring_address == 0 && host.info.ring_size == 0 &&
         !series.HooksOf(host.info.id, Count::kEventfdWritten).empty() &&
         series.HooksOf(host.info.id, Count::kVhostBatches).empty();
}

// Keys of such a queue beside its message: the ring's number, where its backend has said it, and
// counts of both sides that grew alike, time and again.
void AddKeysOfProgram(const LocalQueue& host, const LocalQueue& guest, Candidate* candidate) {
  std::vector<std::string>& evidence = candidate->binding.evidence;
  if (host.info.kind == QueueKind::kHost && host.info.queue == guest.info.queue) {
    ++candidate->keys;
    evidence.push_back(host.info.queue + " by the log of its backend, as in the guest");
  } else if (host.info.kind == QueueKind::kHost) {
    evidence.push_back("against: its backend calls it " + host.info.queue);
    candidate->keys = 0;
    return;
  }
  const uint64_t alike = CountedAlike(host, guest, kAlikeSlack);
  if (alike >= kMovedEnough) {
    ++candidate->keys;
    evidence.push_back(Format("counts grew alike at %" PRIu64 " quiet moments", alike));
  }
}

// Compares one host queue with one guest queue. Nothing if something speaks against them.
std::optional<Candidate> Compare(const LocalQueue& host, const LocalQueue& guest) {
  Candidate candidate;
  std::vector<std::string>& evidence = candidate.binding.evidence;
  const std::string& vm_uuid = host.info.vm_uuid;
  const std::string& smbios = guest.node->stream->hello.smbios_uuid;
  if (!vm_uuid.empty() && !smbios.empty()) {
    if (vm_uuid != smbios) return std::nullopt;
    evidence.push_back("VM: SMBIOS UUID " + smbios + " is the VMM's -uuid");
  }
  const bool addressed = host.info.ring_address != 0 && guest.info.ring_address != 0;
  if (addressed && host.info.ring_address != guest.info.ring_address) return std::nullopt;
  if (addressed) {
    candidate.keys = 1;
    evidence.push_back(Format("used ring at guest address 0x%" PRIx64, host.info.ring_address));
  }
  for (const MsiMessage& message : guest.messages) {
    if (std::find(host.messages.begin(), host.messages.end(), message) == host.messages.end()) {
      continue;
    }
    ++candidate.keys;
    evidence.push_back(
        Format("MSI message (0x%" PRIx64 ", 0x%" PRIx64 ")", message.address, message.data));
    break;
  }
  // Where an address is missing (packed rings, other VMMs), the message within the VM must do.
  if (!addressed && (candidate.keys == 0 || evidence.size() < 2)) return std::nullopt;
  if (addressed && !guest.messages.empty() && !host.messages.empty() && candidate.keys == 1) {
    evidence.push_back("against: no MSI message in common");
    candidate.keys = 0;
  }
  candidate.turn = FindTurn(Positions(host), Positions(guest), OptionsFor(host, guest));
  if (candidate.turn.contradiction) {
    evidence.push_back("against: used indices that cannot be of one queue");
    candidate.keys = 0;
  } else if (candidate.turn.moved >= kMovedEnough) {
    ++candidate.keys;
    evidence.push_back(
        Format("index moved together at %" PRIu64 " readings", candidate.turn.moved));
  }
  if (ByProgram(host)) AddKeysOfProgram(host, guest, &candidate);
  candidate.binding.bound = true;
  candidate.binding.provisional = candidate.keys < 2;
  return candidate;
}

// What an agent shows comes before what a witness shows.
constexpr int kWitnessKeys = -100;

std::optional<Candidate> CompareWitness(const LocalQueue& host, const LocalQueue& guest,
                                        const std::vector<LocalQueue>& all) {
  auto match = MatchWitness(host, guest, all);
  if (!match) return std::nullopt;
  Candidate candidate{.keys = kWitnessKeys + match->points};
  candidate.binding.bound = true;
  candidate.binding.provisional = true;
  candidate.binding.evidence = std::move(match->evidence);
  return candidate;
}

}  // namespace

std::vector<LocalQueue> ListQueues(const NodeStream& node) {
  std::vector<LocalQueue> queues;
  for (const QueueInfo& info : node.stream->queues) {
    auto known = std::find_if(queues.begin(), queues.end(),
                              [&](const LocalQueue& queue) { return queue.info.id == info.id; });
    if (known == queues.end()) known = queues.insert(queues.end(), LocalQueue{.node = &node});
    known->info = info;
    if (info.msi.known && std::find(known->messages.begin(), known->messages.end(), info.msi) ==
                              known->messages.end()) {
      known->messages.push_back(info.msi);
    }
  }
  return queues;
}

std::vector<PositionReading> Positions(const LocalQueue& queue) {
  std::vector<PositionReading> readings;
  const NodeStream& node = *queue.node;
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  if (queue.info.packed || queue.info.ring_size == 0) return readings;
  const std::vector<GaugePoint>& gauges = node.series.GaugeSeries(queue.info.id, Gauge::kPosition);
  if (gauges.empty()) return readings;
  const int64_t common = node.axis.common_error_ns();
  for (size_t i = gauges.front().snapshot; i < snapshots.size(); ++i) {
    const auto pos = node.series.GaugeAt(queue.info.id, Gauge::kPosition, i);
    if (!pos) continue;
    const AxisTime begin = node.axis.At(snapshots[i].begin.mono_ns);
    const AxisTime end = node.axis.At(snapshots[i].end.mono_ns);
    readings.push_back({{begin.lo_ns + common, end.hi_ns - common}, *pos});
  }
  for (const Mark& mark : node.stream->marks) {
    // Only a vhost mark is a reading at its own time: the queue's mutex is held. Between an
    // interrupt's look at the index and its look at the clock, its vCPU may have been away.
    if (mark.queue != queue.info.id || mark.domain != Domain::kVhost) continue;
    const AxisTime time = node.axis.At(mark.mono_ns);
    readings.push_back({{time.lo_ns + common, time.hi_ns - common}, mark.pos});
  }
  std::sort(readings.begin(), readings.end(),
            [](const PositionReading& a, const PositionReading& b) {
              return std::pair(a.time.lo_ns, a.pos) < std::pair(b.time.lo_ns, b.pos);
            });
  return readings;
}

std::vector<QueuePair> PairQueues(const std::vector<LocalQueue>& queues) {
  std::vector<Candidate> candidates;
  for (size_t h = 0; h < queues.size(); ++h) {
    const bool route = queues[h].info.kind == QueueKind::kRoute && ByProgram(queues[h]);
    if (queues[h].info.kind != QueueKind::kHost && !route) continue;
    for (size_t g = 0; g < queues.size(); ++g) {
      if (queues[g].info.kind != QueueKind::kGuest || SameNode(queues[h], queues[g])) continue;
      const bool witness = IsWitness(queues[g].node->stream->hello);
      auto candidate =
          witness ? CompareWitness(queues[h], queues[g], queues) : Compare(queues[h], queues[g]);
      if (!candidate) continue;
      candidate->host = h;
      candidate->guest = g;
      candidates.push_back(*std::move(candidate));
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.keys > b.keys; });
  std::vector<QueuePair> pairs;
  std::set<size_t> taken;
  for (const Candidate& candidate : candidates) {
    if (taken.contains(candidate.host) || taken.contains(candidate.guest)) continue;
    QueuePair pair{&queues[candidate.host], &queues[candidate.guest]};
    pair.binding = candidate.binding;
    pair.turn = candidate.turn;
    // Another queue that fits as well makes this one a guess.
    for (const Candidate& other : candidates) {
      const bool rival = (other.host == candidate.host) != (other.guest == candidate.guest);
      if (!rival || other.keys < candidate.keys) continue;
      // A port of a program that came back is the same queue in another life.
      const LocalQueue& host = queues[candidate.host];
      if (ByProgram(host) && queues[other.host].Name() == host.Name()) continue;
      pair.binding.provisional = true;
      pair.binding.evidence.push_back("against: " + queues[other.guest].Name() + " and " +
                                      queues[other.host].Name() + " fit as well");
    }
    taken.insert({candidate.host, candidate.guest});
    pairs.push_back(std::move(pair));
  }
  for (size_t i = 0; i < queues.size(); ++i) {
    if (taken.contains(i)) continue;
    const bool guest = queues[i].info.kind == QueueKind::kGuest;
    pairs.push_back({.host = guest ? nullptr : &queues[i], .guest = guest ? &queues[i] : nullptr});
  }
  return pairs;
}

}  // namespace ringside
