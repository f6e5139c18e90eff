// SPDX-License-Identifier: Apache-2.0
#include "correlate/latency.h"

#include <algorithm>
#include <map>
#include <utility>

#include "correlate/interval.h"

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;
constexpr double kTail = 0.99;
// Sums are of MONOTONIC, which may run up to a thousandth off the clock that both are held to.
constexpr int64_t kSlewPpm = 1000;
constexpr int64_t kReadingsNs = 500;

class Clocks {
 public:
  explicit Clocks(const QueuePair& pair)
      : host_(pair.host->node->axis), guest_(pair.guest->node->axis) {}

  // From a time of the host to one of the guest.
  Span Across(int64_t host_ns, int64_t guest_ns) const {
    const AxisTime from = host_.At(host_ns);
    const AxisTime to = guest_.At(guest_ns);
    const Span by_axis{to.lo_ns - from.hi_ns, to.hi_ns - from.lo_ns};
    const auto a = host_.RootAt(host_ns);
    const auto b = guest_.RootAt(guest_ns);
    if (!a || !b || a->root != b->root) return by_axis;
    const Span by_root{b->range.lo_ns - a->range.hi_ns, b->range.hi_ns - a->range.lo_ns};
    const Span both{std::max(by_axis.lo_ns, by_root.lo_ns), std::min(by_axis.hi_ns, by_root.hi_ns)};
    return both.lo_ns <= both.hi_ns ? both : by_root;
  }
  Span Between(const JourneyPoint& a, const JourneyPoint& b) const {
    if (OnGuest(a.point) == OnGuest(b.point)) return {b.mono_ns - a.mono_ns, b.mono_ns - a.mono_ns};
    return Across(a.mono_ns, b.mono_ns);
  }
  const StreamAxis& host() const { return host_; }
  const StreamAxis& guest() const { return guest_; }

 private:
  const StreamAxis& host_;
  const StreamAxis& guest_;
};

std::vector<Span> StagesOf(const Clocks& clocks, const Journey& journey) {
  std::vector<Span> stages;
  for (size_t i = 1; i < journey.points.size(); ++i) {
    stages.push_back(clocks.Between(journey.points[i - 1], journey.points[i]));
  }
  return stages;
}

Span WholeOf(const Clocks& clocks, const Journey& journey) {
  return clocks.Between(journey.points.front(), journey.points.back());
}

bool SumAgrees(const std::vector<Span>& stages, const Span& whole) {
  Span sum;
  for (const Span& stage : stages) sum = {sum.lo_ns + stage.lo_ns, sum.hi_ns + stage.hi_ns};
  const int64_t slack =
      kReadingsNs + std::max(std::abs(whole.lo_ns), std::abs(whole.hi_ns)) / 1'000'000 * kSlewPpm;
  return sum.lo_ns <= whole.hi_ns + slack && whole.lo_ns <= sum.hi_ns + slack;
}

void AddSpan(const Span& span, StageLatency* stage) {
  stage->lo.Add(span.lo_ns);
  stage->hi.Add(span.hi_ns);
}

// Where journeys begin that are known from the beginning: at the earliest point that any has.
PathPoint BeginOf(const std::vector<Journey>& journeys) {
  PathPoint begin = PathPoint::kPolled;
  for (const Journey& journey : journeys) begin = std::min(begin, journey.points.front().point);
  return begin;
}

SlowJourney Tell(const Clocks& clocks, const Journey& journey, const Span& whole) {
  SlowJourney slow{.pos = journey.pos, .whole = whole, .points = {}, .stages = {}};
  const JourneyPoint& first = journey.points.front();
  const AxisTime time = (OnGuest(first.point) ? clocks.guest() : clocks.host()).At(first.mono_ns);
  slow.axis_ns = time.mid_ns();
  slow.axis_half_ns = (time.hi_ns - time.lo_ns + 1) / 2;
  for (const JourneyPoint& point : journey.points) slow.points.push_back(point.point);
  slow.stages = StagesOf(clocks, journey);
  slow.vcpu_wait = journey.vcpu_wait;
  return slow;
}

class Measure {
 public:
  Measure(const QueuePair& pair, const LatencyOptions& options)
      : clocks_(pair), options_(options) {}

  void Take(const std::vector<Journey>& journeys, QueueLatency* result) {
    result->journeys = journeys.size();
    if (journeys.empty()) return;
    result->whole_from = BeginOf(journeys);
    result->whole.from = result->whole_from;
    result->whole.to = PathPoint::kPolled;
    for (const Journey& journey : journeys) TakeOne(journey, result);
    if (result->whole.lo.count() > 0) TakeTail(journeys, result);
    for (auto& [ends, stage] : stages_) result->stages.push_back(std::move(stage));
  }

 private:
  StageLatency& StageOf(PathPoint from, PathPoint to) {
    const auto [stage, fresh] = stages_.try_emplace(std::pair(to, from));
    if (fresh) stage->second.from = from;
    if (fresh) stage->second.to = to;
    return stage->second;
  }

  void TakeOne(const Journey& journey, QueueLatency* result) {
    const std::vector<Span> stages = StagesOf(clocks_, journey);
    const Span whole = WholeOf(clocks_, journey);
    for (size_t i = 0; i < stages.size(); ++i) {
      AddSpan(stages[i], &StageOf(journey.points[i].point, journey.points[i + 1].point));
      const int64_t half_ns = (stages[i].hi_ns - stages[i].lo_ns + 1) / 2;
      if (half_ns > 0) result->bound_ns = std::max(result->bound_ns.value_or(0), half_ns);
    }
    ++result->sums;
    if (!SumAgrees(stages, whole)) ++result->sums_wrong;
    if (journey.points.front().point == result->whole_from) {
      AddSpan(whole, &result->whole);
      if (journey.vcpu_wait) AddSpan(*journey.vcpu_wait, &result->vcpu_wait);
    }
    if (!options_.over_ns || whole.mid_ns() < *options_.over_ns) return;
    if (result->over.size() >= options_.over_max) {
      ++result->more_over;
      return;
    }
    result->over.push_back(Tell(clocks_, journey, whole));
  }

  // Where the slowest hundredth spent its time.
  void TakeTail(const std::vector<Journey>& journeys, QueueLatency* result) {
    Histogram middles;
    const auto counts = [&](const Journey& journey) {
      return journey.points.front().point == result->whole_from;
    };
    for (const Journey& journey : journeys) {
      if (counts(journey)) middles.Add(WholeOf(clocks_, journey).mid_ns());
    }
    result->tail_ns = middles.At(kTail);
    double all_ns = 0;
    for (const Journey& journey : journeys) {
      const Span whole = WholeOf(clocks_, journey);
      if (!counts(journey) || whole.mid_ns() < result->tail_ns) continue;
      ++result->in_tail;
      const int64_t wait_ns = journey.vcpu_wait.value_or(Span{}).mid_ns();
      result->vcpu_wait.tail_share += static_cast<double>(wait_ns);
      const std::vector<Span> stages = StagesOf(clocks_, journey);
      for (size_t i = 0; i < stages.size(); ++i) {
        StageLatency& stage = StageOf(journey.points[i].point, journey.points[i + 1].point);
        ++stage.in_tail;
        stage.tail_share += static_cast<double>(stages[i].mid_ns());
        all_ns += static_cast<double>(stages[i].mid_ns());
      }
    }
    for (auto& [ends, stage] : stages_) stage.tail_share /= std::max(1.0, all_ns);
    result->vcpu_wait.tail_share /= std::max(1.0, all_ns);
  }

  const Clocks clocks_;
  const LatencyOptions& options_;
  std::map<std::pair<PathPoint, PathPoint>, StageLatency> stages_;  // by end, then by beginning
};

QueueLatency Named(const QueuePair& pair) {
  QueueLatency result;
  result.queue = pair.guest->Name();
  result.host_queue = pair.host->Name();
  return result;
}

}  // namespace

QueueLatency MeasureJourneys(const QueuePair& pair, JourneyMaker* maker,
                             const LatencyOptions& options) {
  QueueLatency result = Named(pair);
  const std::vector<Journey> journeys = maker->Make();
  Measure(pair, options).Take(journeys, &result);
  result.unfollowed = maker->unfollowed();
  result.sampled = maker->sampled();
  return result;
}

QueueLatency MeasureMarks(const QueuePair& pair) {
  QueueLatency result = Named(pair);
  result.by_marks = true;
  const Clocks clocks(pair);
  struct Observed {
    int64_t prev;
    int64_t pos;
    int64_t mono_ns;
  };
  std::vector<Observed> seen;
  for (const Mark& mark : pair.guest->node->stream->marks) {
    if (mark.queue != pair.guest->info.id || mark.domain != Domain::kIrq) continue;
    if (mark.pos > kValueMax || mark.prev > mark.pos) continue;
    const int64_t shift = *pair.turn.turn * kTurn;
    seen.push_back({static_cast<int64_t>(mark.prev) + shift, static_cast<int64_t>(mark.pos) + shift,
                    mark.mono_ns});
  }
  std::sort(seen.begin(), seen.end(),
            [](const Observed& a, const Observed& b) { return a.pos < b.pos; });
  StageLatency stage{.from = PathPoint::kBatch, .to = PathPoint::kIrq};
  for (const Mark& mark : pair.host->node->stream->marks) {
    if (mark.queue != pair.host->info.id || mark.domain != Domain::kVhost) continue;
    if (mark.pos > kValueMax) continue;
    const int64_t pos = static_cast<int64_t>(mark.pos);
    const auto first = std::partition_point(seen.begin(), seen.end(),
                                            [pos](const Observed& o) { return o.pos < pos; });
    // The interrupt before it had not seen the position: this is the first that did.
    if (first == seen.end() || first->prev >= pos) continue;
    const Span span = clocks.Across(mark.mono_ns, first->mono_ns);
    AddSpan(span, &stage);
    result.bound_ns = std::max(result.bound_ns.value_or(0), (span.hi_ns - span.lo_ns + 1) / 2);
    ++result.journeys;
  }
  if (result.journeys > 0) result.stages.push_back(std::move(stage));
  return result;
}

}  // namespace ringside
