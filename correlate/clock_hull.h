// SPDX-License-Identifier: Apache-2.0
// All straight lines that two clocks' evidence leaves possible, and where they lie at an instant.
//
// The line says how much a reference clock is ahead of a local one at local time x. Evidence are
// points that the line must not be above (upper) or below (lower), and the slopes it may have:
//
//   ahead   u         u                 The lines that fit lie below the lower hull of the upper
//           '\___u___/'                 points and above the upper hull of the lower points. The
//           _______________ a line      steepest and the flattest of them touch both hulls; their
//             _/'--l--'\_               slopes bound all others, and hull points that no slope in
//            l           l              that range can touch are forgotten.
//                           local time
//
// Whole nanoseconds and exact arithmetic: nothing is lost by rounding but a nanosecond outwards at
// the end. Points cost O(log of the hull); most cost nothing more. Values: no thread rule.
#ifndef RINGSIDE_CORRELATE_CLOCK_HULL_H_
#define RINGSIDE_CORRELATE_CLOCK_HULL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace ringside {

// Points beyond this are not taken: products of two differences stay below 2^126.
inline constexpr int64_t kClockMax = int64_t{1} << 60;

// Nanoseconds per nanosecond, as a fraction; `dx` > 0.
struct ClockSlope {
  int64_t dy = 0;
  int64_t dx = 1;
  static ClockSlope Ppb(int64_t ppb) { return {ppb, 1'000'000'000}; }
  // Rounded down, and up.
  int64_t PpbLo() const;
  int64_t PpbHi() const;
};
struct ClockSlopes {
  ClockSlope lo;
  ClockSlope hi;
};

// Both ends included; nothing known: the whole range of int64_t.
struct ClockRange {
  int64_t lo_ns = INT64_MIN;
  int64_t hi_ns = INT64_MAX;
  bool known() const { return lo_ns != INT64_MIN && hi_ns != INT64_MAX; }
  // Half the width, rounded up. Only of a known range.
  int64_t half_ns() const {
    const uint64_t width = static_cast<uint64_t>(hi_ns) - static_cast<uint64_t>(lo_ns);
    return static_cast<int64_t>(width / 2 + width % 2);
  }
  int64_t mid_ns() const { return lo_ns + (hi_ns - lo_ns) / 2; }
  friend bool operator==(const ClockRange&, const ClockRange&) = default;
};

// The lower hull of points, of which only those are kept that a line of an allowed slope below all
// of them can touch: edges get steeper from left to right, from above `lo` to below `hi`.
class ClockChain {
 public:
  struct Point {
    int64_t x;
    int64_t y;
  };
  // Whether the point says anything new.
  bool Add(Point point, const ClockSlopes& slopes);
  // Forgets what no slope of a narrower range touches.
  void Narrow(const ClockSlopes& slopes);
  // The point that a line of this slope touches first from below. Not empty.
  const Point& Touched(const ClockSlope& slope) const;
  // The highest that a line of these slopes can be at x, rounded up. Not empty, narrowed.
  int64_t Highest(int64_t x, const ClockSlopes& slopes) const;
  // Forgets the points that say least until so many are left: looser, never wrong.
  void Thin(size_t most);
  const std::vector<Point>& points() const { return points_; }
  bool empty() const { return points_.empty(); }

 private:
  bool Redundant(size_t at, const ClockSlopes& slopes) const;
  std::vector<Point> points_;  // by x
};

class ClockHull {
 public:
  // Slopes outside are never considered; lo < hi.
  explicit ClockHull(const ClockSlopes& slopes) : slopes_(slopes) {}

  // At local time x the reference is ahead by at most (upper) or at least (lower) `ahead`. False if
  // no line is left: the hull stays empty then, whatever is added.
  bool Add(bool upper, int64_t x, int64_t ahead);
  // Everything that another hull of the same clocks says.
  bool AddAll(const ClockHull& other);
  // Calls f(upper, x, ahead) for each point kept: what the hull says, slopes apart.
  template <typename F>
  void ForEach(F f) const {
    for (const ClockChain::Point& point : upper_.points()) f(true, point.x, point.y);
    for (const ClockChain::Point& point : lower_.points()) f(false, point.x, -point.y);
  }

  bool empty() const { return empty_; }
  // Bounded on both sides at some instant, hence at every one.
  bool known() const { return !empty_ && !upper_.empty() && !lower_.empty(); }
  // How far the reference is ahead at local time x. Nothing known on a side without evidence.
  ClockRange At(int64_t x) const;
  // What the slopes of all lines left are within.
  const ClockSlopes& slopes() const { return slopes_; }
  size_t points() const { return upper_.points().size() + lower_.points().size(); }

 private:
  bool Settle();
  std::optional<ClockSlope> Extreme(bool steepest) const;

  ClockSlopes slopes_;
  ClockChain upper_;  // the lines are below
  ClockChain lower_;  // mirrored: ahead with its sign changed, hence slopes as well
  bool empty_ = false;
};

// Order of slopes: negative, 0, positive as in a - b.
int CompareSlopes(const ClockSlope& a, const ClockSlope& b);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_HULL_H_
