// SPDX-License-Identifier: Apache-2.0
#include "correlate/axis.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "correlate/clock_net.h"

namespace ringside {
namespace {

// Linux slews MONOTONIC and REALTIME by at most 500 ppm each (adjtimex's limit for frequency), so
// two nodes' clocks drift apart by at most twice that between two exchanges.
constexpr int64_t kDriftPpm = 1000;
// What the kernel reports for a clock that nothing synchronises (NTP_PHASE_LIMIT, 16 s).
constexpr int64_t kUnsynchronisedNs = 16'000'000'000;

}  // namespace

int64_t StatedErrorNs(const Stream& stream) {
  int64_t error_ns = 0;
  bool stated = false;
  for (const Fact& fact : stream.facts) {
    if (fact.name != "clock.maxerror_us") continue;
    int64_t us = 0;
    std::from_chars(fact.value.data(), fact.value.data() + fact.value.size(), us);
    error_ns = std::max(error_ns, us * 1000);
    stated = true;
  }
  return stated ? error_ns : kUnsynchronisedNs;
}

bool IsEmbedded(const Recording& recording) {
  return recording.streams.size() == 1 && recording.streams[0].clocks.empty();
}

StreamAxis::StreamAxis(const Stream& stream, bool embedded) {
  if (!stream.clocks.empty()) {
    UseExchanges(stream);
  } else {
    UseWallClock(stream, embedded ? 0 : StatedErrorNs(stream));
    method_ = embedded                                     ? "own clock"
              : StatedErrorNs(stream) >= kUnsynchronisedNs ? "wall clock, unsynchronised"
                                                           : "wall clock";
  }
  for (const Point& point : points_) {
    bound_ns_ = std::max(bound_ns_, (point.offset_hi_ns - point.offset_lo_ns) / 2);
  }
}

void StreamAxis::UseExchanges(const Stream& stream) {
  method_ = "exchange";
  drift_ppm_ = kDriftPpm;
  for (const ClockExchange& exchange : stream.clocks) {
    const int64_t lo =
        exchange.collector_before.real_ns - exchange.agent.mono_ns - exchange.agent.width_ns;
    const int64_t hi = exchange.collector_after.real_ns + exchange.collector_after.width_ns -
                       exchange.agent.mono_ns;
    if (hi >= lo) points_.push_back({exchange.agent.mono_ns, lo, hi});
  }
  std::sort(points_.begin(), points_.end(),
            [](const Point& a, const Point& b) { return a.mono_ns < b.mono_ns; });
  if (points_.empty()) UseWallClock(stream, kUnsynchronisedNs);
}

void StreamAxis::UseWallClock(const Stream& stream, int64_t error_ns) {
  common_error_ns_ = error_ns;
  const auto add = [&](const ClockReading& clock) {
    const int64_t offset = clock.real_ns - clock.mono_ns;
    points_.push_back({clock.mono_ns, offset - error_ns, offset + clock.width_ns + error_ns});
  };
  add(stream.hello.clock);
  for (const Snapshot& snapshot : stream.snapshots) add(snapshot.begin);
  std::sort(points_.begin(), points_.end(),
            [](const Point& a, const Point& b) { return a.mono_ns < b.mono_ns; });
}

int64_t StreamAxis::DriftOver(const std::vector<Snapshot>& snapshots) const {
  if (snapshots.empty()) return 0;
  const int64_t span_ns = snapshots.back().end.mono_ns - snapshots.front().begin.mono_ns;
  return span_ns / 1'000'000 * kDriftPpm;
}

void StreamAxis::Refine(std::shared_ptr<const ClockNet> net, size_t node, const Stream& stream) {
  net_ = std::move(net);
  node_ = node;
  has_way_ = net_->HasWay(node);
  if (!has_way_) return;
  bound_ns_ = 0;
  for (const Snapshot& snapshot : stream.snapshots) {
    const AxisTime time = At(snapshot.begin.mono_ns);
    bound_ns_ = std::max(bound_ns_, (time.hi_ns - time.lo_ns) / 2);
  }
}

AxisTime StreamAxis::At(int64_t mono_ns) const {
  if (has_way_) {
    const ClockRange range = net_->AxisAt(node_, mono_ns);
    if (range.known()) return {range.lo_ns, range.hi_ns};
  }
  return ByPoints(mono_ns);
}

std::optional<StreamAxis::RootTime> StreamAxis::RootAt(int64_t mono_ns) const {
  if (net_ == nullptr) return std::nullopt;
  const ClockRange range = net_->RootAt(node_, mono_ns);
  if (!range.known()) return std::nullopt;
  return RootTime{net_->Root(node_), range};
}

AxisTime StreamAxis::ByPoints(int64_t mono_ns) const {
  const auto after =
      std::lower_bound(points_.begin(), points_.end(), mono_ns,
                       [](const Point& point, int64_t t) { return point.mono_ns < t; });
  // The best of the few exchanges around the instant: one of them was fast, or near.
  constexpr int kAround = 4;
  const auto from = points_.begin() + std::max<int64_t>(0, after - points_.begin() - kAround);
  const auto to = points_.begin() + std::min<int64_t>(static_cast<int64_t>(points_.size()),
                                                      after - points_.begin() + kAround);
  AxisTime best{INT64_MIN, INT64_MAX};
  uint64_t best_width = UINT64_MAX;
  for (auto point = from; point != to; ++point) {
    const int64_t distance = std::abs(mono_ns - point->mono_ns);
    const int64_t drift = distance / 1'000'000 * drift_ppm_ + (drift_ppm_ != 0 ? 1 : 0);
    const AxisTime time{mono_ns + point->offset_lo_ns - drift,
                        mono_ns + point->offset_hi_ns + drift};
    const uint64_t width = static_cast<uint64_t>(time.hi_ns - time.lo_ns);
    // Without drift (own wall clock) the nearest point counts, not the narrowest.
    const uint64_t rank = drift_ppm_ != 0 ? width : static_cast<uint64_t>(distance);
    if (rank < best_width) {
      best_width = rank;
      best = time;
    }
  }
  return best;
}

}  // namespace ringside
