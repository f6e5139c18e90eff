// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/latency_score.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <map>
#include <thread>
#include <utility>

#include "correlate/joined.h"
#include "correlate/latency.h"
#include "fmt/format.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace ringside::sim {
namespace {

constexpr double kFollowed = 0.8;
constexpr double kShares[] = {0.5, 0.9, 0.99, 0.999};
// As the histogram states it.
constexpr int64_t kOneOf = 63;
constexpr size_t kToldMax = 5;

PathEvent ToPathEvent(const DetailEvent& e) {
  return {.mono_ns = e.mono_ns,
          .pos = e.pos,
          .kind = static_cast<EventKind>(e.kind),
          .cpu = e.cpu,
          .number = e.number,
          .value = e.value,
          .rate = e.rate};
}

// What was true of one pair of queues.
class PairTruth {
 public:
  PairTruth(const World& world, const QueuePair& pair) : host_clock_(world.host_clock()) {
    for (const auto& agent : world.agents()) {
      if (!(agent->key() == pair.host->node->stream->hello.key)) continue;
      for (const AgentTruth::Queue& queue : agent->truth().queues) {
        if (queue.id != pair.host->info.id) continue;
        vq_ = queue.vq;
        origin_ = queue.origin;
      }
    }
    guest_ = world.GuestOf(vq_);
    guest_clock_ = &world.ClockOf(guest_);
  }
  const PathTimes& path() const { return vq_->truth.path; }
  bool rx() const { return vq_->rx; }

  // When an entry was at a point of its path, in true time.
  std::optional<int64_t> At(PathPoint point, uint64_t host_pos) const;
  // A length as the engine would have to tell it.
  int64_t Length(PathPoint from, int64_t from_ns, PathPoint to, int64_t to_ns) const;
  // How long the vCPU that polled waited for a CPU since the entry was at `from`.
  int64_t WaitSince(int64_t from_ns, uint64_t host_pos) const;

 private:
  const VcpuAbsence* AbsenceAfter(int cpu, int64_t at_ns) const {
    const std::vector<VcpuAbsence>& all = guest_->vcpu(cpu)->absences;
    const auto found = std::partition_point(
        all.begin(), all.end(), [at_ns](const VcpuAbsence& a) { return a.on <= at_ns; });
    return found == all.end() ? nullptr : &*found;
  }

  const NodeClock& host_clock_;
  const NodeClock* guest_clock_ = nullptr;
  Guest* guest_ = nullptr;
  const Vq* vq_ = nullptr;
  uint64_t origin_ = 0;
};

std::optional<int64_t> PairTruth::At(PathPoint point, uint64_t host_pos) const {
  const uint64_t pos = host_pos + origin_;
  const PathTimes& path = vq_->truth.path;
  const auto first = [pos](const std::vector<PathTimes::Seen>& list) -> std::optional<int64_t> {
    const auto seen = PathTimes::First(list, pos);
    if (!seen) return std::nullopt;
    return seen->time;
  };
  switch (point) {
    case PathPoint::kEnqueued: {
      const auto packet = PathTimes::First(path.enqueued, pos);
      if (!packet || packet->pos != pos) return std::nullopt;
      return packet->time;
    }
    case PathPoint::kBatch: {
      const auto batch = path.BatchOf(pos);
      if (!batch) return std::nullopt;
      return batch->begin;
    }
    case PathPoint::kWoken: return first(path.woken);
    case PathPoint::kInjected: return first(path.injected);
    case PathPoint::kIrq: return first(path.irqs);
    case PathPoint::kPolled: return first(path.polls);
    case PathPoint::kVcpuWoken:
    case PathPoint::kVcpuRuns: {
      const auto irq = PathTimes::First(path.irqs, pos);
      const auto injected = first(path.injected);
      if (!irq || !injected) return std::nullopt;
      const VcpuAbsence* absence = AbsenceAfter(irq->cpu, *injected);
      if (absence == nullptr) return std::nullopt;
      return point == PathPoint::kVcpuRuns ? absence->on : absence->woken;
    }
  }
  return std::nullopt;
}

int64_t PairTruth::Length(PathPoint from, int64_t from_ns, PathPoint to, int64_t to_ns) const {
  if (OnGuest(from) != OnGuest(to)) {
    return host_clock_.Read(to_ns).raw_ns - host_clock_.Read(from_ns).raw_ns;
  }
  const NodeClock& clock = OnGuest(from) ? *guest_clock_ : host_clock_;
  return clock.Mono(to_ns) - clock.Mono(from_ns);
}

int64_t PairTruth::WaitSince(int64_t from_ns, uint64_t host_pos) const {
  const auto poll = PathTimes::First(vq_->truth.path.polls, host_pos + origin_);
  int64_t sum_ns = 0;
  for (const VcpuAbsence& absence : guest_->vcpu(poll->cpu)->absences) {
    const int64_t begin = std::max(absence.ready(), from_ns);
    const int64_t end = std::min(absence.on, poll->time);
    if (end > begin) sum_ns += host_clock_.Mono(end) - host_clock_.Mono(begin);
  }
  return sum_ns;
}

// Gives the pair's events to the maker, as `ringside latency` does (cli/path_events.cc).
void Feed(const World& world, const Joined& joined, const QueuePair& pair, JourneyMaker* maker) {
  const std::vector<DetailEvent> host = world.DetailsOf(pair.host->node->stream->hello.key);
  for (const DetailEvent& e : host) {
    if (e.queue == pair.host->info.id) maker->AddHost(ToPathEvent(e));
  }
  for (const DetailEvent& e : world.DetailsOf(pair.guest->node->stream->hello.key)) {
    if (e.queue == pair.guest->info.id) maker->AddGuest(ToPathEvent(e));
  }
  for (const LocalQueue& vcpu : joined.others()) {
    const QueueInfo& info = vcpu.info;
    if (info.kind != QueueKind::kVcpu || vcpu.node != pair.host->node) continue;
    if (info.vm_id != pair.host->info.vm_id) continue;
    int number = -1;
    std::from_chars(info.queue.data() + 4, info.queue.data() + info.queue.size(), number);
    for (const DetailEvent& e : host) {
      if (e.queue == info.id) maker->AddVcpu(number, ToPathEvent(e));
    }
  }
}

// Compares what is told of one pair with its truth.
class PairJudge {
 public:
  PairJudge(const PairTruth& truth, const QueueLatency& latency, LatencyOutcome* outcome)
      : truth_(truth), latency_(latency), o_(*outcome) {}
  void Judge() {
    for (const SlowJourney& journey : latency_.over) JudgeJourney(journey);
    for (const StageLatency& stage : latency_.stages) {
      JudgeShares(stage, &lengths_[{stage.from, stage.to}]);
    }
    if (latency_.whole.lo.count() > 0) JudgeShares(latency_.whole, &wholes_);
    o_.sums_wrong += latency_.sums_wrong;
  }

 private:
  void Say(std::string text) {
    if (o_.what.size() < kToldMax) o_.what.push_back(latency_.queue + ": " + std::move(text));
  }
  void JudgeSpan(const SlowJourney& journey, PathPoint from, PathPoint to, const Span& span,
                 std::vector<int64_t>* truths);
  void JudgeJourney(const SlowJourney& journey);
  void JudgeWait(const SlowJourney& journey);
  void JudgeShares(const StageLatency& stage, std::vector<int64_t>* truths);

  const PairTruth& truth_;
  const QueueLatency& latency_;
  LatencyOutcome& o_;
  std::map<std::pair<PathPoint, PathPoint>, std::vector<int64_t>> lengths_;
  std::vector<int64_t> wholes_;
};

void PairJudge::JudgeSpan(const SlowJourney& journey, PathPoint from, PathPoint to,
                          const Span& span, std::vector<int64_t>* truths) {
  const auto from_ns = truth_.At(from, journey.pos);
  const auto to_ns = truth_.At(to, journey.pos);
  ++o_.stages;
  if (!from_ns || !to_ns || *from_ns < 0 || *to_ns < 0) {
    ++o_.outside;
    Say(fmt::format("position {}: {} to {}: there was no such point", journey.pos,
                    PathPointName(from), PathPointName(to)));
    return;
  }
  const int64_t length_ns = truth_.Length(from, *from_ns, to, *to_ns);
  truths->push_back(length_ns);
  if (span.lo_ns <= length_ns && length_ns <= span.hi_ns) return;
  ++o_.outside;
  Say(fmt::format("position {}: {} to {}: truth {} ns outside [{}, {}]", journey.pos,
                  PathPointName(from), PathPointName(to), length_ns, span.lo_ns, span.hi_ns));
}

void PairJudge::JudgeJourney(const SlowJourney& journey) {
  const PathPoint first = journey.points.front();
  if (truth_.rx()) {
    ++o_.journeys;
    if (first == PathPoint::kEnqueued) ++o_.packets;
  }
  for (size_t i = 0; i < journey.stages.size(); ++i) {
    const PathPoint from = journey.points[i], to = journey.points[i + 1];
    JudgeSpan(journey, from, to, journey.stages[i], &lengths_[{from, to}]);
  }
  std::vector<int64_t> other;
  JudgeSpan(journey, first, journey.points.back(), journey.whole,
            first == latency_.whole_from ? &wholes_ : &other);
  if (journey.vcpu_wait) JudgeWait(journey);
}

void PairJudge::JudgeWait(const SlowJourney& journey) {
  const auto from_ns = truth_.At(journey.points.front(), journey.pos);
  if (!from_ns) return;
  const int64_t wait_ns = truth_.WaitSince(*from_ns, journey.pos);
  const Span& said = *journey.vcpu_wait;
  ++o_.waits;
  if (said.lo_ns <= wait_ns && wait_ns <= said.hi_ns) return;
  ++o_.waits_outside;
  Say(fmt::format("position {}: its vCPU waited {} ns, outside [{}, {}]", journey.pos, wait_ns,
                  said.lo_ns, said.hi_ns));
}

// The smallest length that the share does not exceed lies between both ends' percentiles.
void PairJudge::JudgeShares(const StageLatency& stage, std::vector<int64_t>* truths) {
  if (truths->size() != stage.lo.count()) return;  // told above
  std::sort(truths->begin(), truths->end());
  for (const double share : kShares) {
    const double wanted = share * static_cast<double>(truths->size());
    const size_t rank = static_cast<size_t>(std::ceil(wanted));
    const int64_t truth_ns = (*truths)[std::max<size_t>(rank, 1) - 1];
    const int64_t lo_ns = stage.lo.At(share), hi_ns = stage.hi.At(share);
    ++o_.quantiles;
    if (lo_ns - std::abs(lo_ns) / kOneOf - 1 <= truth_ns &&
        truth_ns <= hi_ns + std::abs(hi_ns) / kOneOf + 1) {
      continue;
    }
    ++o_.quantiles_outside;
    Say(fmt::format("p{}: {} to {}: truth {} ns outside [{}, {}]", share * 100,
                    PathPointName(stage.from), PathPointName(stage.to), truth_ns, lo_ns, hi_ns));
  }
}

// Entries of receive queues that both agents could follow from beginning to end: what the guest's
// first poll took may have been seen before.
void CountEntries(const RunSpec& spec, World* world, LatencyOutcome* o) {
  int64_t from_ns = 0, to_ns = spec.duration_ns;
  for (const auto* agents : {&spec.host_agents, &spec.guest_agents}) {
    for (const AgentOptions& agent : *agents) {
      from_ns = std::max({from_ns, agent.start_ns, agent.details.from_ns});
      to_ns = std::min(to_ns, agent.stop_ns);
    }
  }
  for (size_t vm = 0; vm < spec.vms.size(); ++vm) {
    for (const Vq* vq : world->guest(vm)->queues()) {
      if (!vq->rx) continue;
      const PathTimes& path = vq->truth.path;
      const auto first = std::find_if(path.polls.begin(), path.polls.end(),
                                      [&](const auto& poll) { return poll.time >= from_ns; });
      if (first == path.polls.end()) continue;
      for (const PathTimes::Batch& batch : path.batches) {
        const auto polled = PathTimes::First(path.polls, batch.to);
        if (batch.begin < first->time || !polled || polled->time > to_ns) continue;
        o->entries += batch.to - batch.from;
      }
    }
  }
}

std::string Verdict(const LatencyOutcome& o) {
  if (!o.failure.empty()) return o.failure;
  if (o.outside > 0) return "truth outside";
  if (o.quantiles_outside > 0) return "true percentile outside";
  if (o.waits_outside > 0) return "wrong wait of a vCPU";
  if (o.sums_wrong > 0) return "stages do not add up";
  const double share = static_cast<double>(o.journeys) / std::max(1.0, double(o.entries));
  if (!o.lossy && o.entries > 0 && share < kFollowed) return "too few followed";
  return "";
}

}  // namespace

LatencyOutcome JudgeLatency(const RunSpec& spec) {
  LatencyOutcome o{.seed = spec.seed, .scenario = spec.scenario, .lossy = spec.lossy};
  World world(spec, nullptr);
  Recording recording;
  if (const absl::Status status = world.Play(&recording); !status.ok()) {
    o.failure = std::string(status.message());
    o.bad = Verdict(o);
    return o;
  }
  const Joined joined(recording);
  for (const QueuePair& pair : joined.pairs()) {
    if (pair.host == nullptr || pair.guest == nullptr || !pair.turn.turn) continue;
    JourneyMaker maker(pair);
    Feed(world, joined, pair, &maker);
    const QueueLatency latency =
        MeasureJourneys(pair, &maker, {.over_ns = INT64_MIN, .over_max = SIZE_MAX});
    const PairTruth truth(world, pair);
    PairJudge(truth, latency, &o).Judge();
    if (truth.rx() && latency.bound_ns) {
      o.bound_ns = std::max(o.bound_ns.value_or(0), *latency.bound_ns);
    }
  }
  CountEntries(spec, &world, &o);
  o.bad = Verdict(o);
  return o;
}

LatencyScore MakeLatencyScore(const std::string& scenario, uint64_t from_seed, uint64_t to_seed,
                              int jobs) {
  LatencyScore score;
  score.outcomes.resize(to_seed - from_seed + 1);
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < score.outcomes.size(); i = next++) {
      const auto spec = MakeRun(scenario, from_seed + i, Mutation::kNone);
      score.outcomes[i] = JudgeLatency(*spec);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const LatencyOutcome& o : score.outcomes) score.bad += o.bad.empty() ? 0 : 1;
  score.passed = score.bad == 0;
  return score;
}

}  // namespace ringside::sim
