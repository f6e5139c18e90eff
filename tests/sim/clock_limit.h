// SPDX-License-Identifier: Apache-2.0
// What evidence allows, found by trying slopes: shares nothing with the engine's hulls.
#ifndef RINGSIDE_TESTS_SIM_CLOCK_LIMIT_H_
#define RINGSIDE_TESTS_SIM_CLOCK_LIMIT_H_

#include <algorithm>
#include <vector>

#include "tests/sim/clock_run.h"

namespace ringside::sim {

// One line through all of a run's evidence, clocks read exactly.
class ClockLimit {
 public:
  ClockLimit(const std::vector<ClockRun::Exact>& evidence, double slope_max)
      : slope_max_(slope_max) {
    if (evidence.empty()) return;
    x0_ = evidence.front().local_raw;
    y0_ = evidence.front().reference_raw - x0_;
    for (const ClockRun::Exact& e : evidence) {
      const Point point{static_cast<double>(e.local_raw - x0_),
                        static_cast<double>(e.reference_raw - e.local_raw - y0_)};
      (e.upper ? upper_ : lower_).push_back(point);
    }
    best_ = Peak(-slope_max, slope_max, [this](double s) { return Room(s); });
  }

  bool bounded() const { return !upper_.empty() && !lower_.empty(); }
  // Room left for a line at the best slope, ns; negative: none fits, by so much.
  double room() const { return Room(best_); }

  // Half of what lines that fit leave open at a local RAW.
  double HalfAt(long double local_raw) const {
    const double x = static_cast<double>(local_raw - x0_);
    const double lo = Edge(-slope_max_);
    const double hi = Edge(slope_max_);
    const auto above = [&](double s) { return Top(s) + s * x; };
    const auto below = [&](double s) { return -(Bottom(s) + s * x); };
    return (above(Peak(lo, hi, above)) + below(Peak(lo, hi, below))) / 2;
  }

 private:
  struct Point {
    double x, y;
  };
  double Top(double s) const {
    double least = 1e300;
    for (const Point& p : upper_) least = std::min(least, p.y - s * p.x);
    return least;
  }
  double Bottom(double s) const {
    double most = -1e300;
    for (const Point& p : lower_) most = std::max(most, p.y - s * p.x);
    return most;
  }
  double Room(double s) const { return Top(s) - Bottom(s); }
  // The slope towards `end` at which the room is used up.
  double Edge(double end) const {
    double in = best_;
    double out = end;
    if (Room(out) >= 0) return out;
    for (int i = 0; i < 50; ++i) {
      const double middle = (in + out) / 2;
      (Room(middle) >= 0 ? in : out) = middle;
    }
    return in;
  }
  // Where a function with one peak is highest.
  template <typename F>
  static double Peak(double lo, double hi, F f) {
    for (int i = 0; i < 70; ++i) {
      const double a = lo + (hi - lo) / 3;
      const double b = hi - (hi - lo) / 3;
      if (f(a) < f(b)) {
        lo = a;
      } else {
        hi = b;
      }
    }
    return (lo + hi) / 2;
  }

  double slope_max_;
  long double x0_ = 0, y0_ = 0;
  std::vector<Point> upper_, lower_;
  double best_ = 0;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_CLOCK_LIMIT_H_
