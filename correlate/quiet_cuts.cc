// SPDX-License-Identifier: Apache-2.0
#include "correlate/quiet_cuts.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace ringside {
namespace {

// Both sides at rest for so long: an interrupt that was sent has come, unless its vCPU was away,
// which the allowance for what is in flight is for.
constexpr int64_t kRestNs = 10'000'000;

constexpr std::array kHostCounts = {
    Count::kEventfdWritten, Count::kEventfdOther, Count::kVhostMasked, Count::kIrqfdWoken,
    Count::kKvmInjected,    Count::kKvmMerged,    Count::kKvmBlind,    Count::kKvmRejected,
    Count::kKvmSlowpath,    Count::kKvmTaken,     Count::kEventfdVmm};
constexpr std::array kGuestCounts = {Count::kGuestIrq, Count::kGuestHandled, Count::kGuestNone};

using Counts = std::map<std::pair<Count, HookId>, uint64_t>;

// A stretch of the axis over which one side's counts certainly stayed the same.
struct Rest {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  uint32_t epoch = 0;
  Counts counts;
};

// All of them, if none moved while the snapshot was read. What is not there yet has counted
// nothing, as its slot was new: zero, where the stream is known from its beginning.
template <size_t kSize>
std::optional<Counts> CountsAt(const LocalQueue& queue, const std::array<Count, kSize>& wanted,
                               size_t snapshot) {
  const StreamSeries& series = queue.node->series;
  Counts counts;
  for (const Count count : wanted) {
    for (const HookId hook : series.HooksOf(queue.info.id, count)) {
      const auto point = series.CountAt(queue.info.id, count, hook, snapshot);
      const bool before = snapshot < series.FirstSnapshotOf(queue.info.id, count, hook).value_or(0);
      if (!point && !(before && series.BeginsFull())) return std::nullopt;
      if (point && point->lo != point->hi) return std::nullopt;
      counts[{count, hook}] = point ? point->lo : 0;
    }
  }
  return counts;
}

template <size_t kSize>
std::vector<Rest> Rests(const LocalQueue& queue, const std::array<Count, kSize>& wanted) {
  std::vector<Rest> rests;
  const std::vector<Snapshot>& snapshots = queue.node->stream->snapshots;
  std::optional<Counts> last;
  int64_t since_ns = 0;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    auto now = CountsAt(queue, wanted, i);
    const int64_t begin_ns = queue.node->axis.At(snapshots[i].begin.mono_ns).lo_ns;
    if (now && last && *now == *last && begin_ns > since_ns) {
      const auto epoch = queue.node->series.GaugeAt(queue.info.id, Gauge::kEpoch, i);
      if (rests.empty() || rests.back().to_ns < since_ns || rests.back().counts != *now) {
        rests.push_back({since_ns, begin_ns, static_cast<uint32_t>(epoch.value_or(0)), *now});
      }
      rests.back().to_ns = begin_ns;
    } else if (!now || !last || *now != *last) {
      since_ns = queue.node->axis.At(snapshots[i].end.mono_ns).hi_ns;
    }
    last = std::move(now);
  }
  return rests;
}

std::optional<int64_t> Sum(const Counts& counts, Count wanted, HookId hook) {
  const auto found = counts.find({wanted, hook});
  if (found == counts.end()) return std::nullopt;
  return static_cast<int64_t>(found->second);
}

}  // namespace

std::vector<CommonCut> FindQuietMoments(const LocalQueue& host, const LocalQueue& guest,
                                        int64_t from_ns, int64_t to_ns) {
  std::vector<CommonCut> moments;
  const std::vector<Rest> hosts = Rests(host, kHostCounts);
  const std::vector<Rest> guests = Rests(guest, kGuestCounts);
  size_t g = 0;
  for (const Rest& h : hosts) {
    while (g < guests.size() && guests[g].to_ns < h.from_ns + kRestNs) ++g;
    for (size_t i = g; i < guests.size() && guests[i].from_ns + kRestNs <= h.to_ns; ++i) {
      const int64_t from = std::max({h.from_ns, guests[i].from_ns, from_ns});
      const int64_t to = std::min({h.to_ns, guests[i].to_ns, to_ns});
      if (to - from < kRestNs) continue;
      CommonCut cut{.pos = moments.size(), .mark = true, .epoch = h.epoch, .counts = h.counts};
      cut.time_ns = from + (to - from) / 2;
      cut.counts.insert(guests[i].counts.begin(), guests[i].counts.end());
      moments.push_back(std::move(cut));
    }
  }
  return moments;
}

uint64_t CountedAlike(const LocalQueue& host, const LocalQueue& guest, int64_t slack) {
  const auto injected = host.node->series.HooksOf(host.info.id, Count::kKvmInjected);
  const auto merged = host.node->series.HooksOf(host.info.id, Count::kKvmMerged);
  const auto irq = guest.node->series.HooksOf(guest.info.id, Count::kGuestIrq);
  if (injected.empty() || merged.empty() || irq.empty()) return 0;
  constexpr int64_t kAlways = std::numeric_limits<int64_t>::max();
  uint64_t alike = 0;
  const CommonCut* before = nullptr;
  const std::vector<CommonCut> moments = FindQuietMoments(host, guest, -kAlways, kAlways);
  for (const CommonCut& now : moments) {
    if (before != nullptr && before->epoch == now.epoch) {
      const auto growth = [&](Count count, HookId hook) {
        return Sum(now.counts, count, hook).value_or(0) -
               Sum(before->counts, count, hook).value_or(0);
      };
      const int64_t delivered =
          growth(Count::kKvmInjected, injected.front()) - growth(Count::kKvmMerged, merged.front());
      const int64_t taken = growth(Count::kGuestIrq, irq.front());
      alike += delivered > 0 && taken > 0 && std::abs(delivered - taken) <= slack ? 1 : 0;
    }
    before = &now;
  }
  return alike;
}

}  // namespace ringside
