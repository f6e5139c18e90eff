// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_steady.h"

#include <algorithm>
#include <cmath>

namespace ringside {
namespace {

// adjtimex: the tick may be 10% off, the frequency 500 ppm. A MONOTONIC that runs as much too slow
// leaves RAW ahead by 1 / (1 - 0.1005) - 1 of it, and calibration adds a little.
constexpr double kSlewMax = 0.113;
// Of two readings closer than this the narrower one is kept: the rate between both says little.
constexpr int64_t kSpacingNs = 20'000'000;
// A reading that was interrupted half-way, when there is another one this near, is left out.
constexpr int64_t kWideEnough = 4;
constexpr int64_t kNearNs = 500'000'000;
// Over this long a rate changes once at most. The kernel applies what NTP wants at every full
// second; chronyd's shortest slew takes a second.
constexpr int64_t kOneBendNs = 1'000'000'000;
// Days of readings at ten per second; older ones are forgotten.
constexpr size_t kPointsMax = size_t{1} << 21;
constexpr size_t kStepsMax = 1024;
// A suspended machine's wall clock goes on; a wall clock that is set forward by as much is taken
// for one, which only costs evidence.
constexpr int64_t kSuspendedNs = 500'000'000;

bool Believable(const ClockReading& reading) {
  const auto in_range = [](int64_t ns) { return ns >= 0 && ns < kClockMax / 4; };
  // A RAW of 0 is one that nobody read (a witness' text).
  return in_range(reading.mono_ns) && in_range(reading.raw_ns) && reading.raw_ns != 0 &&
         reading.width_ns >= 0 && reading.width_ns < kClockMax / 16 &&
         reading.real_ns > -kClockMax && reading.real_ns < 4 * kClockMax;
}

int64_t Floor(double value) { return static_cast<int64_t>(std::floor(value)); }
int64_t Ceil(double value) { return static_cast<int64_t>(std::ceil(value)); }

}  // namespace

void SteadyScale::Add(const ClockReading& reading) {
  if (!Believable(reading)) return;
  if (!points_.empty() && reading.mono_ns - points_.back().mono_ns < kNearNs &&
      reading.width_ns > kWideEnough * points_.back().width_ns + 100) {
    return;
  }
  Watch(reading);
  // RAW was read up to `width_ns` of MONOTONIC after it; a slew makes that more in RAW.
  const int64_t width = reading.width_ns + reading.width_ns / 8 + 2;
  const int64_t excess = reading.raw_ns - reading.mono_ns;
  const Point point{reading.mono_ns, excess - width, excess + 2, reading.width_ns};
  if (!points_.empty()) {
    const Point& last = points_.back();
    const int64_t gap = point.mono_ns - last.mono_ns;
    if (gap <= 0) return;
    const bool first = points_.size() == 1;
    if (gap < kSpacingNs && !first) {
      if (point.width_ns < last.width_ns) points_.back() = point;
      return;
    }
  }
  if (points_.size() >= kPointsMax) {
    points_.erase(points_.begin(), points_.begin() + kPointsMax / 4);
  }
  points_.push_back(point);
}

// RAW is the counter times a constant. That constant is known from the stretch so far as well as
// its ends were read; a counter that then does not do as RAW does was reset, or RAW stood still.
bool SteadyScale::Disagrees(const ClockReading& reading) const {
  const ClockReading& a = stretch_.first;
  const ClockReading& b = stretch_.last;
  if (reading.counter < b.counter) return true;
  const double raw = static_cast<double>(b.raw_ns - a.raw_ns);
  const double ticks = static_cast<double>(b.counter - a.counter);
  if (raw <= 0 || ticks <= 0) return true;
  const double uncertain = static_cast<double>(a.width_ns + b.width_ns) * 1.2 + 2;
  const double more_raw = static_cast<double>(reading.raw_ns - b.raw_ns);
  const double more_ticks = static_cast<double>(reading.counter - b.counter);
  const double allowed = more_raw * uncertain / raw + more_ticks * raw / ticks * uncertain / raw +
                         static_cast<double>(b.width_ns + reading.width_ns) * 1.2 + 2;
  return std::abs(more_ticks * raw / ticks - more_raw) > allowed;
}

void SteadyScale::Watch(const ClockReading& reading) {
  if (stretch_.readings == 0) {
    stretch_ = {reading, reading, 1};
    return;
  }
  const ClockReading& last = stretch_.last;
  const int64_t slept_ns = (reading.real_ns - last.real_ns) - (reading.mono_ns - last.mono_ns);
  const bool suspended = slept_ns > kSuspendedNs;
  const bool counted = reading.counter != 0 && stretch_.first.counter != 0;
  const bool apart = counted && stretch_.readings > 1 && Disagrees(reading);
  if (!suspended && !apart) {
    // Closer than a gap of readings the ratio says nothing yet.
    if (stretch_.readings == 1 && reading.mono_ns - last.mono_ns < kSpacingNs) return;
    stretch_.last = reading;
    ++stretch_.readings;
    return;
  }
  // With two readings it is not clear which of the two gaps is out of step.
  const int64_t from = stretch_.readings > 2 ? last.raw_ns : stretch_.first.raw_ns;
  if (steps_.size() < kStepsMax) steps_.push_back({from, reading.raw_ns, suspended});
  stretch_ = {reading, reading, 1};
}

SteadyScale::Rates SteadyScale::RateOf(size_t gap) const {
  const Point& a = points_[gap];
  const Point& b = points_[gap + 1];
  const double span = static_cast<double>(b.mono_ns - a.mono_ns);
  return {static_cast<double>(b.excess_lo_ns - a.excess_hi_ns) / span,
          static_cast<double>(b.excess_hi_ns - a.excess_lo_ns) / span};
}

// A curve with one bend is below its chord and above the lines of its two ends, or the other way
// round.
ClockRange SteadyScale::OneBend(size_t gap, double after, double before) const {
  const Point& a = points_[gap];
  const Point& b = points_[gap + 1];
  const double share = after / (after + before);
  const auto chord = [share](int64_t from, int64_t to) {
    return static_cast<double>(from) + share * static_cast<double>(to - from);
  };
  double beside_lo = -1e18;  // the higher one of the lines beside
  double beside_hi = 1e18;   // the lower one
  if (gap > 0) {
    const Rates rate = RateOf(gap - 1);
    beside_lo = static_cast<double>(a.excess_lo_ns) + rate.lo * after;
    beside_hi = static_cast<double>(a.excess_hi_ns) + rate.hi * after;
  }
  if (gap + 2 < points_.size()) {
    const Rates rate = RateOf(gap + 1);
    beside_lo = std::max(beside_lo, static_cast<double>(b.excess_lo_ns) - rate.hi * before);
    beside_hi = std::min(beside_hi, static_cast<double>(b.excess_hi_ns) - rate.lo * before);
  }
  return {Floor(std::min(chord(a.excess_lo_ns, b.excess_lo_ns), beside_lo)),
          Ceil(std::max(chord(a.excess_hi_ns, b.excess_hi_ns), beside_hi))};
}

// The rate is at least the lowest around, or at most the highest.
ClockRange SteadyScale::OneDirection(size_t gap, double after, double before) const {
  const size_t gaps = points_.size() - 1;
  size_t from = gap > 0 ? gap - 1 : 0;
  from = gaps > 3 ? std::min(from, gaps - 3) : 0;
  Rates rates{kSlewMax, -kSlewMax};
  for (size_t i = from; i < std::min(from + 3, gaps); ++i) {
    // The rate over a moment (the first two readings) says nothing about that over seconds.
    if (i != gap && points_[i + 1].mono_ns - points_[i].mono_ns < kSpacingNs) continue;
    const Rates rate = RateOf(i);
    rates = {std::min(rates.lo, rate.lo), std::max(rates.hi, rate.hi)};
  }
  const Point& a = points_[gap];
  const Point& b = points_[gap + 1];
  return {
      std::min(a.excess_lo_ns + Floor(rates.lo * after), b.excess_lo_ns - Ceil(rates.hi * before)),
      std::max(a.excess_hi_ns + Ceil(rates.hi * after), b.excess_hi_ns - Floor(rates.lo * before))};
}

ClockRange SteadyScale::At(int64_t mono_ns) const {
  if (points_.empty() || mono_ns < -kClockMax || mono_ns > kClockMax) return {};
  const auto next =
      std::lower_bound(points_.begin(), points_.end(), mono_ns,
                       [](const Point& point, int64_t at) { return point.mono_ns < at; });
  if (next != points_.end() && next->mono_ns == mono_ns) {
    return {mono_ns + next->excess_lo_ns, mono_ns + next->excess_hi_ns};
  }
  if (next == points_.begin() || next == points_.end()) {
    const Point& edge = next == points_.begin() ? points_.front() : points_.back();
    const int64_t slew = Ceil(std::abs(static_cast<double>(mono_ns - edge.mono_ns)) * kSlewMax);
    return {mono_ns + edge.excess_lo_ns - slew, mono_ns + edge.excess_hi_ns + slew};
  }
  const size_t gap = static_cast<size_t>(next - points_.begin()) - 1;
  const Point& first = points_[gap > 0 ? gap - 1 : 0];
  const Point& last = points_[std::min(gap + 2, points_.size() - 1)];
  const bool dense = points_.size() > 2 && last.mono_ns - first.mono_ns <= kOneBendNs;
  const double after = static_cast<double>(mono_ns - points_[gap].mono_ns);
  const double before = static_cast<double>(next->mono_ns - mono_ns);
  const ClockRange excess = dense ? OneBend(gap, after, before) : OneDirection(gap, after, before);
  return {mono_ns + excess.lo_ns, mono_ns + excess.hi_ns};
}

}  // namespace ringside
