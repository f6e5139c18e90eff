// SPDX-License-Identifier: Apache-2.0
#include "correlate/cuts.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "bpf/position.h"
#include "correlate/interval.h"
#include "correlate/window.h"

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;

using Counts = std::map<std::pair<Count, HookId>, uint64_t>;

// A mark of one update passes few multiples; more is a broken or lying recording, and would be a
// long loop.
constexpr uint64_t kMultiplesMax = 4096;

bool Believable(const Mark& mark) {
  const uint64_t most = uint64_t{1} << 15;  // the widest spacing
  return mark.pos <= kValueMax && mark.prev < mark.pos &&
         mark.pos - mark.prev <= kMultiplesMax * most &&
         std::all_of(mark.counts.begin(), mark.counts.end(),
                     [](const MarkCount& count) { return count.value <= kValueMax; });
}

// Marks of one queue and domain, by position.
std::vector<const Mark*> MarksOf(const LocalQueue& queue, Domain domain, int64_t from_ns,
                                 int64_t to_ns) {
  std::vector<const Mark*> marks;
  for (const Mark& mark : queue.node->stream->marks) {
    if (mark.queue != queue.info.id || mark.domain != domain || !Believable(mark)) continue;
    const AxisTime time = queue.node->axis.At(mark.mono_ns);
    if (time.hi_ns < from_ns || time.lo_ns > to_ns) continue;
    marks.push_back(&mark);
  }
  std::sort(marks.begin(), marks.end(),
            [](const Mark* a, const Mark* b) { return a->pos < b->pos; });
  return marks;
}

// The mark whose range (prev, pos] holds `at`; null if that one was lost.
const Mark* Covering(const std::vector<const Mark*>& marks, uint64_t at) {
  const auto mark =
      std::partition_point(marks.begin(), marks.end(), [at](const Mark* m) { return m->pos < at; });
  return mark != marks.end() && (*mark)->prev < at ? *mark : nullptr;
}

void Add(const Mark& mark, Counts* counts) {
  for (const MarkCount& count : mark.counts) (*counts)[{count.count, count.hook}] = count.value;
}

void FindMarks(const QueuePair& pair, int64_t from_ns, int64_t to_ns,
               std::map<uint64_t, CommonCut>* cuts) {
  const auto vhost = MarksOf(*pair.host, Domain::kVhost, from_ns, to_ns);
  const auto route = MarksOf(*pair.host, Domain::kRoute, from_ns, to_ns);
  const auto irq = MarksOf(*pair.guest, Domain::kIrq, from_ns, to_ns);
  if (vhost.empty() || route.empty() || irq.empty()) return;
  const uint64_t step =
      uint64_t{1} << rs_mark_shift(std::max(pair.host->info.ring_size, pair.guest->info.ring_size));
  const int64_t shift = *pair.turn.turn * kTurn;
  for (const Mark* v : vhost) {
    const uint64_t first = (v->prev / step + 1) * step;
    const uint64_t end = std::min(v->pos, first + kMultiplesMax * step);
    for (uint64_t at = first; at <= end; at += step) {
      const int64_t guest_at = static_cast<int64_t>(at) - shift;
      if (guest_at < 0) continue;
      const Mark* r = Covering(route, at);
      const Mark* i = Covering(irq, static_cast<uint64_t>(guest_at));
      if (r == nullptr || i == nullptr) continue;
      CommonCut cut{.pos = at, .mark = true, .epoch = r->epoch, .counts = {}};
      cut.time_ns = pair.host->node->axis.At(v->mono_ns).mid_ns();
      Add(*v, &cut.counts);
      Add(*r, &cut.counts);
      Add(*i, &cut.counts);
      cuts->emplace(at, std::move(cut));
    }
  }
}

constexpr std::array kHostCounts = {
    Count::kVhostBatches, Count::kVhostSignalled, Count::kVhostSuppressed, Count::kVhostUnwired,
    Count::kVhostMasked,  Count::kVhostUnwoken,   Count::kIrqfdWoken,      Count::kKvmInjected,
    Count::kKvmMerged,    Count::kKvmBlind,       Count::kKvmRejected,     Count::kKvmSlowpath};
constexpr std::array kGuestCounts = {Count::kGuestIrq, Count::kGuestHandled, Count::kGuestNone};

// What was entered has ended: no batch and no handler was under way.
bool Settled(const Counts& counts, Count total, std::initializer_list<Count> outcomes) {
  int64_t open = 0;
  for (const auto& [key, value] : counts) {
    if (key.first == total) open += static_cast<int64_t>(value);
    if (std::find(outcomes.begin(), outcomes.end(), key.first) != outcomes.end()) {
      open -= static_cast<int64_t>(value);
    }
  }
  return open == 0;
}

// A snapshot during which nothing of the queue moved.
struct Quiet {
  uint64_t pos = 0;
  uint32_t epoch = 0;    // host only
  bool settled = false;  // the snapshot before it was quiet, too, and said the same
  Counts counts;
};

// Somebody other than the queue's backend signals around it: such signals move no index, so a
// position does not say which of them it is after.
bool Disturbed(const LocalQueue& queue, size_t snapshot) {
  const StreamSeries& series = queue.node->series;
  const size_t last = queue.node->stream->snapshots.size() - 1;
  const size_t before = snapshot > 0 ? snapshot - 1 : 0;
  const size_t after = std::min(snapshot + 1, last);
  for (const Count count : {Count::kEventfdWritten, Count::kEventfdOther}) {
    for (const HookId hook : series.HooksOf(queue.info.id, count)) {
      const auto first = series.CountAt(queue.info.id, count, hook, before);
      const auto second = series.CountAt(queue.info.id, count, hook, after);
      if (first && second && second->hi > first->lo) return true;
    }
  }
  return false;
}

template <size_t kSize>
std::optional<Quiet> QuietAt(const LocalQueue& queue, const std::array<Count, kSize>& wanted,
                             size_t snapshot) {
  const StreamSeries& series = queue.node->series;
  const auto pos = series.GaugeAt(queue.info.id, Gauge::kPosition, snapshot);
  if (!pos || PositionOutdated(queue, snapshot)) return std::nullopt;
  Quiet quiet{.pos = *pos};
  quiet.epoch =
      static_cast<uint32_t>(series.GaugeAt(queue.info.id, Gauge::kEpoch, snapshot).value_or(0));
  for (const Count count : wanted) {
    for (const HookId hook : series.HooksOf(queue.info.id, count)) {
      const auto point = series.CountAt(queue.info.id, count, hook, snapshot);
      if (!point || point->lo != point->hi) return std::nullopt;
      quiet.counts[{count, hook}] = point->lo;
    }
  }
  const bool settled =
      Settled(quiet.counts, Count::kVhostBatches,
              {Count::kVhostSignalled, Count::kVhostSuppressed, Count::kVhostUnwired}) &&
      Settled(quiet.counts, Count::kGuestIrq, {Count::kGuestHandled, Count::kGuestNone});
  return settled ? std::optional(quiet) : std::nullopt;
}

// The latest quiet snapshot at each position: what was under way at that position has ended by
// then.
template <size_t kSize>
std::map<uint64_t, Quiet> QuietSnapshots(const LocalQueue& queue,
                                         const std::array<Count, kSize>& wanted, int64_t from_ns,
                                         int64_t to_ns) {
  std::map<uint64_t, Quiet> quiets;
  std::set<uint64_t> disturbed;
  const std::vector<Snapshot>& snapshots = queue.node->stream->snapshots;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const AxisTime time = queue.node->axis.At(snapshots[i].begin.mono_ns);
    if (time.lo_ns < from_ns || time.hi_ns > to_ns) continue;
    if (Disturbed(queue, i)) {
      const auto pos = queue.node->series.GaugeAt(queue.info.id, Gauge::kPosition, i);
      if (pos) disturbed.insert(*pos);
    }
    auto quiet = QuietAt(queue, wanted, i);
    if (!quiet) continue;
    const auto before = quiets.find(quiet->pos);
    quiet->settled = before != quiets.end() && before->second.counts == quiet->counts;
    quiets[quiet->pos] = *std::move(quiet);
  }
  // Neither before nor after the disturbance: the other side may have been read on its other side.
  for (const uint64_t pos : disturbed) quiets.erase(pos);
  return quiets;
}

void FindQuiet(const QueuePair& pair, int64_t from_ns, int64_t to_ns,
               std::map<uint64_t, CommonCut>* cuts) {
  const auto host = QuietSnapshots(*pair.host, kHostCounts, from_ns, to_ns);
  const auto guest = QuietSnapshots(*pair.guest, kGuestCounts, from_ns, to_ns);
  const int64_t shift = *pair.turn.turn * kTurn;
  for (const auto& [pos, quiet] : guest) {
    const int64_t host_pos = static_cast<int64_t>(pos) + shift;
    const auto partner = host_pos < 0 ? host.end() : host.find(static_cast<uint64_t>(host_pos));
    if (partner == host.end()) continue;
    const uint64_t at = partner->first + 1;  // everything up to and with this index
    CommonCut cut{.pos = at, .epoch = partner->second.epoch, .counts = {}};
    cut.settled = quiet.settled && partner->second.settled;
    cut.counts = partner->second.counts;
    cut.counts.insert(quiet.counts.begin(), quiet.counts.end());
    cuts->emplace(at, std::move(cut));
  }
}

}  // namespace

std::vector<CommonCut> FindCuts(const QueuePair& pair, int64_t from_ns, int64_t to_ns) {
  std::map<uint64_t, CommonCut> cuts;
  if (pair.host == nullptr || pair.guest == nullptr || !pair.turn.turn) return {};
  FindMarks(pair, from_ns, to_ns, &cuts);
  FindQuiet(pair, from_ns, to_ns, &cuts);
  std::vector<CommonCut> result;
  for (auto& [pos, cut] : cuts) result.push_back(std::move(cut));
  return result;
}

}  // namespace ringside
