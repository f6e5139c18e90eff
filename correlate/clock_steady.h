// SPDX-License-Identifier: Apache-2.0
// A node's CLOCK_MONOTONIC on its own steady clock, CLOCK_MONOTONIC_RAW.
//
// Events carry MONOTONIC, which the kernel slews to keep the wall clock right: by 500 ppm through
// the frequency and by up to 100,000 ppm through the tick (adjtimex). RAW is the hardware counter
// in nanoseconds and is never slewed. Readings of both together lead from one to the other:
//
//   raw - mono   o                    Between two readings the rate is not seen. Within a second it
//                 \____              is taken to change once at most (the kernel looks at it every
//                  \    \            second, and daemons slew for a second or longer): then the
//                   o----o----o       curve has one bend and lies between the chord and what the
//                                     chords beside it, made longer, leave.
//
// Where readings are farther apart, the rate is taken to leave the rate around in one direction
// only: not faster and then slower by the same. Before the first and after the last reading any
// slew is possible.
#ifndef RINGSIDE_CORRELATE_CLOCK_STEADY_H_
#define RINGSIDE_CORRELATE_CLOCK_STEADY_H_

#include <cstdint>
#include <vector>

#include "correlate/clock_hull.h"
#include "correlate/identity.h"

namespace ringside {

// Something happened to a node's steady clock between two readings, in its own RAW: RAW and counter
// fell apart, or the wall clock went on without MONOTONIC. Relations to other clocks are cut there.
struct ClockStep {
  int64_t from_raw_ns = 0;
  int64_t to_raw_ns = 0;
  bool suspended = false;  // the wall clock went on by more than half a second
};

// Not for several threads at once; reading alone may be shared.
class SteadyScale {
 public:
  // In order of time; one whose MONOTONIC does not move on is left out, as are those that say less
  // than the ones beside them.
  void Add(const ClockReading& reading);

  // RAW when MONOTONIC showed `mono_ns`. Not known() without a reading.
  ClockRange At(int64_t mono_ns) const;
  const std::vector<ClockStep>& steps() const { return steps_; }
  size_t readings() const { return points_.size(); }
  // MONOTONIC of the first and the last reading kept. Only with readings().
  int64_t first_mono_ns() const { return points_.front().mono_ns; }
  int64_t last_mono_ns() const { return points_.back().mono_ns; }

 private:
  struct Point {
    int64_t mono_ns;
    int64_t excess_lo_ns;  // RAW - MONOTONIC
    int64_t excess_hi_ns;
    int64_t width_ns;
  };
  // RAW and counter of a stretch over which both ran at one ratio.
  struct Stretch {
    ClockReading first;
    ClockReading last;
    int readings = 0;
  };
  void Watch(const ClockReading& reading);
  bool Disagrees(const ClockReading& reading) const;
  // Mean rates of RAW - MONOTONIC.
  struct Rates {
    double lo;
    double hi;
  };
  Rates RateOf(size_t gap) const;
  // How far RAW is ahead, `after` the first point of a gap and `before` its last.
  ClockRange OneBend(size_t gap, double after, double before) const;
  ClockRange OneDirection(size_t gap, double after, double before) const;

  std::vector<Point> points_;
  std::vector<ClockStep> steps_;
  Stretch stretch_;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_STEADY_H_
