// SPDX-License-Identifier: Apache-2.0
#include "correlate/journeys.h"

#include <algorithm>
#include <utility>

#include "correlate/interval.h"

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;

constexpr EventKind kPolls[] = {EventKind::kGuestNapiSoftirq, EventKind::kGuestNapiBusy,
                                EventKind::kGuestNapiThread, EventKind::kGuestNapiNetpoll};

bool IsPoll(EventKind kind) {
  return std::find(std::begin(kPolls), std::end(kPolls), kind) != std::end(kPolls);
}

// By when the queue's count had reached a number, as its snapshots say; `else_ns` if none does.
int64_t ReachedBy(const LocalQueue& queue, Count count, uint64_t number, int64_t else_ns) {
  const NodeStream& node = *queue.node;
  const std::vector<HookId> hooks = node.series.HooksOf(queue.info.id, count);
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  for (size_t i = 0; !hooks.empty() && i < snapshots.size(); ++i) {
    if (snapshots[i].end.mono_ns >= else_ns) break;
    const auto at = node.series.CountAt(queue.info.id, count, hooks.front(), i);
    if (at && at->lo >= number) return snapshots[i].end.mono_ns;
  }
  return else_ns;
}

// What the queue had counted for certain by the last snapshot before a time, when that was begun,
// and what by the one after it.
struct Counted {
  uint64_t before = 0;
  int64_t before_ns = INT64_MIN;
  std::optional<uint64_t> after;
};
Counted CountedAround(const LocalQueue& queue, Count count, int64_t ns) {
  const NodeStream& node = *queue.node;
  const std::vector<HookId> hooks = node.series.HooksOf(queue.info.id, count);
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  Counted counted;
  if (hooks.empty()) return counted;
  const auto end =
      std::partition_point(snapshots.begin(), snapshots.end(),
                           [ns](const Snapshot& snapshot) { return snapshot.end.mono_ns <= ns; });
  const size_t after = static_cast<size_t>(end - snapshots.begin());
  const auto at = [&](size_t i) {
    return node.series.CountAt(queue.info.id, count, hooks.front(), i);
  };
  if (after > 0 && at(after - 1)) counted.before = at(after - 1)->lo;
  if (after > 0) counted.before_ns = snapshots[after - 1].begin.mono_ns;
  if (after < snapshots.size() && at(after)) counted.after = at(after)->lo;
  return counted;
}

}  // namespace

std::string_view PathPointName(PathPoint point) {
  static constexpr std::array<std::string_view, kPathPoints> kNames = {
      "enqueued", "batch", "woken", "injected", "vcpu-woken", "vcpu-runs", "interrupt", "polled"};
  return kNames.at(static_cast<size_t>(point));
}

// Whether the event can be used.
bool JourneyMaker::Complete(const PathEvent& event, int of, std::optional<Missing>* missing) {
  if (event.rate != 1) {
    if (std::find(sampled_.begin(), sampled_.end(), event.kind) == sampled_.end()) {
      sampled_.push_back(event.kind);
    }
    return false;
  }
  ++events_;
  const auto [known, first] =
      numbers_.try_emplace(NumberKey{event.kind, of}, Numbers{0, INT64_MIN});
  Numbers& numbers = known->second;
  if (event.number != numbers.next) *missing = Missing{numbers.last_ns, event.mono_ns};
  numbers = {event.number + 1, event.mono_ns};
  return true;
}

void JourneyMaker::AddHost(const PathEvent& event) {
  std::optional<Missing> missing;
  last_host_ns_ = std::max(last_host_ns_, event.mono_ns);
  const bool per_cpu =
      event.kind == EventKind::kTunEnqueued || event.kind == EventKind::kTunDropped;
  if (event.pos > kValueMax || !Complete(event, per_cpu ? event.cpu : 0, &missing)) return;
  const int64_t pos = static_cast<int64_t>(event.pos);
  const int64_t value = static_cast<int64_t>(event.value);
  const Seen seen{event.mono_ns, event.mono_ns - value, pos, event.cpu, false};
  switch (event.kind) {
    case EventKind::kTunEnqueued: PutPacket(event, missing); break;
    case EventKind::kVhostBatches:
      begun_ = Begun{event.mono_ns, pos};
      begins_known_ = true;
      break;
    case EventKind::kVhostSignalled:
    case EventKind::kVhostSuppressed:
    case EventKind::kVhostUnwired: {
      if (value == 0 && batches_.empty()) break;
      Batch batch{pos - value, pos, std::nullopt, event.mono_ns};
      batch.signalled = event.kind == EventKind::kVhostSignalled;
      // The beginning that is known may be that of a batch whose end is missing.
      if (begun_ && begun_->pos == batch.from_pos) batch.begin_ns = begun_->mono_ns;
      begun_.reset();
      if (batches_.empty() || batch.from_pos >= batches_.back().to_pos) batches_.push_back(batch);
      break;
    }
    case EventKind::kIrqfdWoken: Put(seen, missing, &woken_); break;
    case EventKind::kKvmInjected: Put(seen, missing, &injected_); break;
    default: break;
  }
}

// What is missing may have come before any that is here and lies in its time.
void JourneyMaker::Mark(const Missing& missing, std::vector<Seen>* seen) {
  for (size_t i = seen->size(); i > 0 && (*seen)[i - 1].mono_ns > missing.from_ns; --i) {
    const bool hidden = i == 1 || (*seen)[i - 2].mono_ns < missing.to_ns;
    (*seen)[i - 1].hole = (*seen)[i - 1].hole || hidden;
  }
}

// Indices do not fall; a kind whose place says less than the one before it adds nothing.
void JourneyMaker::Put(const Seen& event, const std::optional<Missing>& missing,
                       std::vector<Seen>* seen) {
  if (seen->empty() || event.pos > seen->back().pos) seen->push_back(event);
  if (missing) Mark(*missing, seen);
}

// Events that the counts know of and that are not here: lost at the end, sampled, or never asked
// for.
void JourneyMaker::MarkUnseen(EventKind kind, std::vector<Seen>* seen) {
  const Count count = EventCount(kind);
  const auto known = numbers_.find(NumberKey{kind, 0});
  const Numbers numbers = known == numbers_.end() ? Numbers{0, INT64_MIN} : known->second;
  const Counted counted = CountedAround(*pair_.guest, count, last_guest_ns_);
  const bool unseen = counted.before > numbers.next;
  if (unseen) {
    Mark({numbers.last_ns, ReachedBy(*pair_.guest, count, counted.before, last_guest_ns_)}, seen);
  }
  // The rest after the last snapshot: the one after it tells, if it is there.
  const bool later =
      counted.after ? *counted.after > std::max(numbers.next, counted.before) : unseen;
  if (later) Mark({std::max(numbers.last_ns, counted.before_ns), INT64_MAX}, seen);
}

// Whatever came before the first is not known, nor how much of it before any of another kind.
void JourneyMaker::PutGuest(const PathEvent& event, std::optional<Missing> missing,
                            std::vector<Seen>* seen) {
  if (missing && missing->from_ns == INT64_MIN) {
    missing->to_ns = ReachedBy(*pair_.guest, EventCount(event.kind), event.number, event.mono_ns);
  }
  const int64_t pos = static_cast<int64_t>(event.pos) + *pair_.turn.turn * kTurn;
  Put({event.mono_ns, event.mono_ns, pos, event.cpu, seen->empty()}, missing, seen);
}

void JourneyMaker::AddGuest(const PathEvent& event) {
  std::optional<Missing> missing;
  last_guest_ns_ = std::max(last_guest_ns_, event.mono_ns);
  if (event.pos > kValueMax || !Complete(event, 0, &missing)) return;
  if (event.kind == EventKind::kGuestIrq) PutGuest(event, missing, &irqs_);
  if (IsPoll(event.kind)) PutGuest(event, missing, &polls_);
}

void JourneyMaker::AddVcpu(int vcpu, const PathEvent& event) {
  std::optional<Missing> missing;
  last_host_ns_ = std::max(last_host_ns_, event.mono_ns);
  if (!Complete(event, vcpu, &missing)) return;
  std::vector<Run>& runs = runs_[vcpu];
  if (event.kind == EventKind::kVcpuWoken) {
    vcpu_woken_ns_[vcpu] = event.mono_ns;
    for (size_t i = runs.size(); missing && i > 0 && runs[i - 1].to_ns > missing->from_ns; --i) {
      runs[i - 1].hole = true;
    }
  }
  if (event.kind != EventKind::kVcpuRuns) return;
  Run run{event.mono_ns - static_cast<int64_t>(event.value), event.mono_ns, std::nullopt, false};
  // A first one does not say since when it was off its CPU.
  run.hole = missing || event.value == 0;
  const auto woken = vcpu_woken_ns_.find(vcpu);
  if (woken != vcpu_woken_ns_.end() && woken->second >= run.from_ns) run.woken_ns = woken->second;
  runs.push_back(run);
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
  if (run == runs->second.end() || run->hole) return;
  const bool on_the_way = run->from_ns <= injected_ns ? MayFollow(run->to_ns, irq.mono_ns)
                                                      : Follows(run->to_ns, irq.mono_ns);
  if (!on_the_way) return;
  if (run->woken_ns && *run->woken_ns > injected_ns) {
    journey->points.push_back({PathPoint::kVcpuWoken, *run->woken_ns});
  }
  journey->points.push_back({PathPoint::kVcpuRuns, run->to_ns});
}

// How long a vCPU waited between two times of the host; nothing if that is not known.
std::optional<int64_t> JourneyMaker::WaitBetween(int cpu, int64_t begin_ns, int64_t end_ns) const {
  const auto runs = runs_.find(cpu);
  // What it waits for when the recording ends has no record.
  if (runs == runs_.end() || end_ns > last_host_ns_) return std::nullopt;
  int64_t sum_ns = 0;
  auto run = std::partition_point(runs->second.begin(), runs->second.end(),
                                  [begin_ns](const Run& r) { return r.to_ns <= begin_ns; });
  for (; run != runs->second.end(); ++run) {
    const int64_t since_ns = run == runs->second.begin() ? INT64_MIN : (run - 1)->to_ns;
    if (run->hole && since_ns < end_ns) return std::nullopt;
    const int64_t ready_ns = run->woken_ns.value_or(run->from_ns);
    if (ready_ns >= end_ns) break;
    sum_ns += std::min(run->to_ns, end_ns) - std::max(ready_ns, begin_ns);
  }
  return sum_ns;
}

// The guest's last point is put on the host's MONOTONIC by the clock that both are held to. That
// clock may go a thousandth faster or slower.
std::optional<Span> JourneyMaker::VcpuWait(const Journey& journey, const Seen& poll) const {
  const JourneyPoint& first = journey.points.front();
  if (OnGuest(first.point)) return std::nullopt;
  const auto from = pair_.host->node->axis.RootAt(first.mono_ns);
  const auto to = pair_.guest->node->axis.RootAt(poll.mono_ns);
  if (!from || !to || from->root != to->root) return std::nullopt;
  const int64_t least_ns = to->range.lo_ns - from->range.hi_ns;
  const int64_t most_ns = to->range.hi_ns - from->range.lo_ns;
  const int64_t begin_ns = first.mono_ns;
  const auto lo = WaitBetween(poll.cpu, begin_ns, begin_ns + least_ns - std::abs(least_ns) / 1000);
  const auto hi = WaitBetween(poll.cpu, begin_ns, begin_ns + most_ns + std::abs(most_ns) / 1000);
  if (!lo || !hi) return std::nullopt;
  return Span{std::max<int64_t>(0, *lo), std::max<int64_t>(0, *hi)};
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
  journey.vcpu_wait = VcpuWait(journey, *poll);
  return journey;
}

std::vector<Journey> JourneyMaker::Make() {
  MatchPackets();
  MarkUnseen(EventKind::kGuestIrq, &irqs_);
  for (const EventKind kind : kPolls) MarkUnseen(kind, &polls_);
  std::vector<Journey> journeys;
  for (Batch& batch : batches_) {
    if (!begins_known_ && !batch.signalled) batch.begin_ns = batch.end_ns;
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
