// SPDX-License-Identifier: Apache-2.0
#include "correlate/journeys.h"

#include <algorithm>
#include <utility>

#include "correlate/interval.h"

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;
// A frame up to this size takes one entry: virtio_net's receive buffers hold at least as much
// (GOOD_PACKET_LEN, drivers/net/virtio_net.c, get_mergeable_buf_len).
constexpr uint64_t kOneEntryBytes = 1518;
// A packet's record is made when tun_net_xmit returns: its batch may have been published by then.
constexpr int64_t kRecordedLateNs = 5'000'000;

bool IsPoll(EventKind kind) {
  return kind == EventKind::kGuestNapiSoftirq || kind == EventKind::kGuestNapiBusy ||
         kind == EventKind::kGuestNapiThread || kind == EventKind::kGuestNapiNetpoll;
}

// Points as a reader of a stream at rest knows them: the packets in a tap's ring, at a snapshot.
struct Rest {
  int64_t begin_ns;
  int64_t end_ns;
  int64_t pos;
};

// Snapshots at which the tap's ring was empty: all that was enqueued had its entry.
std::vector<Rest> RestsOf(const LocalQueue& host) {
  std::vector<Rest> rests;
  const NodeStream& node = *host.node;
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const auto waiting = node.series.GaugeAt(host.info.id, Gauge::kTunRing, i);
    const auto pos = node.series.GaugeAt(host.info.id, Gauge::kPosition, i);
    if (!waiting || *waiting != 0 || !pos || *pos > kValueMax) continue;
    rests.push_back(
        {snapshots[i].begin.mono_ns, snapshots[i].end.mono_ns, static_cast<int64_t>(*pos)});
  }
  return rests;
}

}  // namespace

std::string_view PathPointName(PathPoint point) {
  static constexpr std::array<std::string_view, kPathPoints> kNames = {
      "enqueued", "batch", "woken", "injected", "vcpu-woken", "vcpu-runs", "interrupt", "polled"};
  return kNames.at(static_cast<size_t>(point));
}

// Whether the event can be used; `hole`: one of its kind is missing before it.
bool JourneyMaker::Complete(const PathEvent& event, bool* hole) {
  if (event.rate != 1) {
    if (std::find(sampled_.begin(), sampled_.end(), event.kind) == sampled_.end()) {
      sampled_.push_back(event.kind);
    }
    return false;
  }
  ++events_;
  const bool per_cpu =
      event.kind == EventKind::kTunEnqueued || event.kind == EventKind::kTunDropped;
  const auto [next, first] =
      next_number_.try_emplace({event.kind, per_cpu ? event.cpu : uint16_t{0}}, uint64_t{0});
  *hole = event.number != next->second;
  next->second = event.number + 1;
  return true;
}

void JourneyMaker::AddHost(const PathEvent& event) {
  bool hole = false;
  if (event.pos > kValueMax || !Complete(event, &hole)) return;
  const int64_t pos = static_cast<int64_t>(event.pos);
  const int64_t value = static_cast<int64_t>(event.value);
  switch (event.kind) {
    case EventKind::kTunEnqueued: packets_.push_back({event.mono_ns, event.value, hole}); break;
    case EventKind::kVhostBatches: begun_ns_ = event.mono_ns; break;
    case EventKind::kVhostSignalled:
    case EventKind::kVhostSuppressed:
    case EventKind::kVhostUnwired: {
      if (value == 0 && batches_.empty()) break;
      Batch batch{pos - value, pos, std::nullopt, event.mono_ns};
      if (begun_ns_) batch.begin_ns = *begun_ns_;
      if (!begun_ns_ && event.kind != EventKind::kVhostSignalled) batch.begin_ns = event.mono_ns;
      begun_ns_.reset();
      if (batches_.empty() || batch.from_pos >= batches_.back().to_pos) batches_.push_back(batch);
      break;
    }
    case EventKind::kIrqfdWoken: Put(event, pos, hole, 0, &woken_); break;
    case EventKind::kKvmInjected: Put(event, pos, hole, value, &injected_); break;
    default: break;
  }
}

void JourneyMaker::Put(const PathEvent& event, int64_t pos, bool hole, int64_t since_ns,
                       std::vector<Seen>* seen) {
  // Indices do not fall; a kind whose place says less than the one before it adds nothing.
  if (!seen->empty() && pos <= seen->back().pos) {
    seen->back().hole = seen->back().hole || hole;
    return;
  }
  seen->push_back({event.mono_ns, event.mono_ns - since_ns, pos, event.cpu, hole});
}

void JourneyMaker::AddGuest(const PathEvent& event) {
  bool hole = false;
  if (event.pos > kValueMax || !Complete(event, &hole)) return;
  const int64_t pos = static_cast<int64_t>(event.pos) + *pair_.turn.turn * kTurn;
  if (event.kind == EventKind::kGuestIrq) Put(event, pos, hole, 0, &irqs_);
  if (IsPoll(event.kind)) Put(event, pos, hole, 0, &polls_);
}

void JourneyMaker::AddVcpu(int vcpu, const PathEvent& event) {
  bool hole = false;
  if (!Complete(event, &hole)) return;
  if (event.kind == EventKind::kVcpuWoken) vcpu_woken_ns_[vcpu] = event.mono_ns;
  if (event.kind != EventKind::kVcpuRuns) return;
  Run run{event.mono_ns - static_cast<int64_t>(event.value), event.mono_ns, std::nullopt};
  const auto woken = vcpu_woken_ns_.find(vcpu);
  if (woken != vcpu_woken_ns_.end() && woken->second >= run.from_ns) run.woken_ns = woken->second;
  runs_[vcpu].push_back(run);
}

// The first that shows an index of `pos` or more.
const JourneyMaker::Seen* JourneyMaker::First(const std::vector<Seen>& seen, int64_t pos) {
  const auto found =
      std::partition_point(seen.begin(), seen.end(), [pos](const Seen& s) { return s.pos < pos; });
  return found == seen.end() ? nullptr : &*found;
}

// Whether something on the guest may have come after something on the host.
bool JourneyMaker::MayFollow(int64_t host_ns, int64_t guest_ns) const {
  const StreamAxis& host = pair_.host->node->axis;
  const StreamAxis& guest = pair_.guest->node->axis;
  const auto a = host.RootAt(host_ns);
  const auto b = guest.RootAt(guest_ns);
  if (a && b && a->root == b->root) return a->range.lo_ns <= b->range.hi_ns;
  return host.At(host_ns).lo_ns <= guest.At(guest_ns).hi_ns;
}

// Whether something on the guest certainly came after something on the host.
bool JourneyMaker::Follows(int64_t host_ns, int64_t guest_ns) const {
  const StreamAxis& host = pair_.host->node->axis;
  const StreamAxis& guest = pair_.guest->node->axis;
  const auto a = host.RootAt(host_ns);
  const auto b = guest.RootAt(guest_ns);
  if (a && b && a->root == b->root && a->range.hi_ns < b->range.lo_ns) return true;
  return host.At(host_ns).hi_ns < guest.At(guest_ns).lo_ns;
}

// The time that the vCPU was off its CPU between injection and interrupt, if it was. One that ran
// at the injection has taken the interrupt by then, unless it certainly came later.
void JourneyMaker::AddVcpuPoints(const Seen& irq, int64_t injected_ns, Journey* journey) const {
  const auto runs = runs_.find(irq.cpu);
  if (runs == runs_.end()) return;
  const auto run =
      std::partition_point(runs->second.begin(), runs->second.end(),
                           [injected_ns](const Run& r) { return r.to_ns <= injected_ns; });
  if (run == runs->second.end()) return;
  const bool on_the_way = run->from_ns <= injected_ns ? MayFollow(run->to_ns, irq.mono_ns)
                                                      : Follows(run->to_ns, irq.mono_ns);
  if (!on_the_way) return;
  if (run->woken_ns && *run->woken_ns > injected_ns) {
    journey->points.push_back({PathPoint::kVcpuWoken, *run->woken_ns});
  }
  journey->points.push_back({PathPoint::kVcpuRuns, run->to_ns});
}

// The guest's last point is put on the host's MONOTONIC by the clock that both are held to.
std::optional<int64_t> JourneyMaker::VcpuWait(const Journey& journey, const Seen& poll) const {
  const auto runs = runs_.find(poll.cpu);
  const JourneyPoint& first = journey.points.front();
  if (runs == runs_.end() || OnGuest(first.point)) return std::nullopt;
  const auto from = pair_.host->node->axis.RootAt(first.mono_ns);
  const auto to = pair_.guest->node->axis.RootAt(poll.mono_ns);
  if (!from || !to || from->root != to->root) return std::nullopt;
  const int64_t begin_ns = first.mono_ns;
  const int64_t end_ns = begin_ns + to->range.mid_ns() - from->range.mid_ns();
  int64_t sum_ns = 0;
  auto run = std::partition_point(runs->second.begin(), runs->second.end(),
                                  [begin_ns](const Run& r) { return r.to_ns <= begin_ns; });
  for (; run != runs->second.end(); ++run) {
    const int64_t ready_ns = run->woken_ns.value_or(run->from_ns);
    if (ready_ns >= end_ns) break;
    sum_ns += std::min(run->to_ns, end_ns) - std::max(ready_ns, begin_ns);
  }
  return sum_ns;
}

std::optional<Journey> JourneyMaker::Follow(const Batch& batch, int64_t pos) {
  Journey journey{.pos = static_cast<uint64_t>(pos), .cpu = 0, .points = {}};
  const Seen* poll = First(polls_, pos);
  if (poll == nullptr) {
    ++unfollowed_.no_poll;
    return std::nullopt;
  }
  const Seen* irq = First(irqs_, pos);
  if (irq != nullptr && irq->mono_ns > poll->mono_ns) irq = nullptr;
  const Seen* woken = First(woken_, pos);
  const Seen* injected = First(injected_, pos);
  const bool own = irq != nullptr && woken != nullptr && injected != nullptr &&
                   injected->mono_ns >= woken->mono_ns &&
                   MayFollow(injected->begin_ns, irq->mono_ns);
  if (poll->hole || (irq != nullptr && irq->hole) || (own && (woken->hole || injected->hole))) {
    ++unfollowed_.holes;
    return std::nullopt;
  }
  const auto packet = packet_of_.find(pos);
  if (packet != packet_of_.end()) {
    journey.points.push_back({PathPoint::kEnqueued, packet->second});
  } else if (!packets_.empty()) {
    ++unfollowed_.no_packet;
  }
  if (batch.begin_ns) journey.points.push_back({PathPoint::kBatch, *batch.begin_ns});
  if (own) {
    journey.points.push_back({PathPoint::kWoken, woken->mono_ns});
    journey.points.push_back({PathPoint::kInjected, injected->mono_ns});
    AddVcpuPoints(*irq, injected->mono_ns, &journey);
  }
  if (irq != nullptr) {
    journey.points.push_back({PathPoint::kIrq, irq->mono_ns});
    journey.cpu = irq->cpu;
  }
  journey.points.push_back({PathPoint::kPolled, poll->mono_ns});
  journey.vcpu_wait_ns = VcpuWait(journey, *poll);
  return journey;
}

// Between two moments at which the tap's ring was empty, packets and entries follow each other one
// to one, as long as each packet takes one entry: forward from the first, backward from the second.
void JourneyMaker::MatchBetween(size_t first, size_t last, int64_t from_pos, int64_t to_pos) {
  const auto small = [this](size_t i) {
    return packets_[i].bytes <= kOneEntryBytes && !packets_[i].hole;
  };
  std::vector<std::pair<int64_t, int64_t>> found;  // entry, time
  size_t i = first;
  for (; i < last && small(i); ++i) {
    found.emplace_back(from_pos + static_cast<int64_t>(i - first) + 1, packets_[i].mono_ns);
  }
  const int64_t packets = static_cast<int64_t>(last - first);
  if (i == last && packets != to_pos - from_pos) return;
  for (size_t k = last; k > i && small(k - 1); --k) {
    found.emplace_back(to_pos - static_cast<int64_t>(last - k), packets_[k - 1].mono_ns);
  }
  for (const auto& [pos, enqueued_ns] : found) {
    const auto batch = std::partition_point(batches_.begin(), batches_.end(),
                                            [pos = pos](const Batch& b) { return b.to_pos < pos; });
    if (batch == batches_.end() || batch->from_pos >= pos) continue;
    // A packet published before it came: the ring's emptiness was read wrongly.
    if (batch->end_ns + kRecordedLateNs < enqueued_ns) return;
  }
  packet_of_.insert(found.begin(), found.end());
}

void JourneyMaker::MatchPackets() {
  if (packets_.empty()) return;
  const auto packets_until = [this](int64_t ns) {
    return static_cast<size_t>(
        std::partition_point(packets_.begin(), packets_.end(),
                             [ns](const Packet& p) { return p.mono_ns < ns; }) -
        packets_.begin());
  };
  const auto batches_until = [this](int64_t ns) {
    return std::partition_point(batches_.begin(), batches_.end(),
                                [ns](const Batch& b) { return b.end_ns < ns; });
  };
  std::optional<Rest> before;
  for (const Rest& rest : RestsOf(*pair_.host)) {
    // Nothing may have moved while it was read.
    const bool still =
        packets_until(rest.begin_ns) == packets_until(rest.end_ns + kRecordedLateNs) &&
        batches_until(rest.begin_ns) == batches_until(rest.end_ns);
    if (!still) continue;
    if (before) {
      MatchBetween(packets_until(before->end_ns), packets_until(rest.begin_ns), before->pos,
                   rest.pos);
    }
    before = rest;
  }
}

std::vector<Journey> JourneyMaker::Make() {
  MatchPackets();
  std::vector<Journey> journeys;
  for (const Batch& batch : batches_) {
    for (int64_t pos = batch.from_pos + 1; pos <= batch.to_pos; ++pos) {
      ++unfollowed_.entries;
      if (journeys.size() >= kJourneysMax) {
        ++unfollowed_.too_many;
        continue;
      }
      if (auto journey = Follow(batch, pos)) journeys.push_back(*std::move(journey));
    }
  }
  return journeys;
}

}  // namespace ringside
