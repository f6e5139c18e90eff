// SPDX-License-Identifier: Apache-2.0
// The clocks of one node in the clock model: an oscillator that drifts and wanders, RAW and counter
// that stop, jump or are reset with it, MONOTONIC that is slewed. All are exact functions of true
// time, in long double, which holds a nanosecond of a century with four digits behind it.
#ifndef RINGSIDE_TESTS_SIM_CLOCK_NODES_H_
#define RINGSIDE_TESTS_SIM_CLOCK_NODES_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "correlate/identity.h"
#include "tests/sim/random.h"

namespace ringside::sim {

// A function that is straight between its corners; it may jump there.
class CornerLine {
 public:
  void Corner(long double at, long double value, long double rate) {
    corners_.push_back({at, value, rate});
  }
  // Goes on from the last corner with another rate, after a jump.
  void Bend(long double at, long double rate, long double jump = 0) {
    const Part& last = corners_.back();
    corners_.push_back({at, last.value + (at - last.at) * last.rate + jump, rate});
  }
  long double At(long double at) const {
    const auto next = std::upper_bound(corners_.begin(), corners_.end(), at,
                                       [](long double x, const Part& part) { return x < part.at; });
    const Part& part = next == corners_.begin() ? *next : *(next - 1);
    return part.value + (at - part.at) * part.rate;
  }

 private:
  struct Part {
    long double at, value, rate;
  };
  std::vector<Part> corners_;
};

struct ClockNode {
  CornerLine raw;      // of true time
  CornerLine mono;     // of raw: slews
  CornerLine counter;  // of true time
  CornerLine wall;     // REALTIME less MONOTONIC, of true time: slews move both alike
  // True times between which nothing runs.
  int64_t stop_ns = INT64_MAX;
  int64_t go_ns = INT64_MAX;

  bool Runs(int64_t t) const { return t < stop_ns || t >= go_ns; }
  static int64_t Shown(long double value) { return static_cast<int64_t>(std::floor(value)); }
  int64_t RawNs(int64_t t) const { return Shown(raw.At(t)); }
  int64_t MonoNs(int64_t t) const { return Shown(mono.At(raw.At(t))); }
  int64_t RealNs(int64_t t) const { return Shown(mono.At(raw.At(t)) + wall.At(t)); }
  // As ReadClocks does it: one after the other, somewhere within `width` of true time.
  ClockReading Read(int64_t t, Random* random) const {
    int64_t width = random->Between(40, 90);
    if (random->Chance(0.01)) width += random->Between(500, 30'000);
    ClockReading reading;
    reading.mono_ns = MonoNs(t);
    reading.real_ns = RealNs(t + random->Between(0, width / 3));
    reading.counter =
        static_cast<uint64_t>(Shown(counter.At(t + random->Between(width / 3, width / 2))));
    reading.raw_ns = RawNs(t + random->Between(width / 2, width));
    reading.width_ns = MonoNs(t + width) - reading.mono_ns + 1;
    return reading;
  }
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_CLOCK_NODES_H_
