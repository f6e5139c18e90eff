// SPDX-License-Identifier: Apache-2.0
// A node's clocks as functions of true time: MONOTONIC drifts and is slewed, RAW drifts, REALTIME
// is MONOTONIC plus an offset that may be stepped, the counter ticks at its own rate.
#ifndef RINGSIDE_TESTS_SIM_CLOCK_H_
#define RINGSIDE_TESTS_SIM_CLOCK_H_

#include <cstdint>

#include "correlate/identity.h"

namespace ringside::sim {

class NodeClock {
 public:
  struct Options {
    int64_t mono_start_ns = 1'000'000'000'000;
    int64_t real_offset_ns = 0;  // error of the wall clock
    double drift_ppm = 0;        // of the oscillator
    double slew_ppm = 0;         // NTP's correction, from slew_at_ns on
    int64_t slew_at_ns = INT64_MAX;
    int64_t step_ns = 0;  // REALTIME is set by this much
    int64_t step_at_ns = INT64_MAX;
  };
  NodeClock() = default;
  explicit NodeClock(const Options& options) : o_(options) {}

  int64_t Mono(int64_t now) const {
    const int64_t slewed = now > o_.slew_at_ns ? now - o_.slew_at_ns : 0;
    return o_.mono_start_ns + now + Ppm(now, o_.drift_ppm) + Ppm(slewed, o_.slew_ppm);
  }
  ClockReading Read(int64_t now) const {
    ClockReading reading;
    reading.mono_ns = Mono(now);
    reading.raw_ns = o_.mono_start_ns + now + Ppm(now, o_.drift_ppm);
    reading.real_ns = kWallNs + reading.mono_ns - o_.mono_start_ns + o_.real_offset_ns +
                      (now >= o_.step_at_ns ? o_.step_ns : 0);
    reading.counter = static_cast<uint64_t>(now) * 5 / 2 + 1'000'000;
    reading.width_ns = 60;
    return reading;
  }
  const Options& options() const { return o_; }

 private:
  static constexpr int64_t kWallNs = 1'790'000'000'000'000'000;
  static int64_t Ppm(int64_t span, double ppm) {
    return static_cast<int64_t>(static_cast<double>(span) * ppm * 1e-6);
  }
  Options o_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_CLOCK_H_
