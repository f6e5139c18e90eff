// SPDX-License-Identifier: Apache-2.0
// The hull against all pairs of evidence tried by hand, on many small random sets.
#include "correlate/clock_hull.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ringside {
namespace {

using Wide = __int128;

struct Point {
  bool upper;
  int64_t x;
  int64_t y;
};

// A line through (x, y) with a slope.
struct Line {
  int64_t x;
  int64_t y;
  ClockSlope slope;
};

// Sign of (line at point.x) - point.y.
int Side(const Line& line, const Point& point) {
  const Wide above = static_cast<Wide>(line.y - point.y) * line.slope.dx +
                     static_cast<Wide>(line.slope.dy) * (point.x - line.x);
  return above > 0 ? 1 : above < 0 ? -1 : 0;
}

bool Fits(const Line& line, const std::vector<Point>& points, const ClockSlopes& slopes) {
  if (CompareSlopes(line.slope, slopes.lo) < 0 || CompareSlopes(line.slope, slopes.hi) > 0) {
    return false;
  }
  for (const Point& point : points) {
    if (point.upper ? Side(line, point) > 0 : Side(line, point) < 0) return false;
  }
  return true;
}

// Every line that is the last to fit in some direction goes through two points, or through one with
// a slope that is just allowed.
std::vector<Line> Extremes(const std::vector<Point>& points, const ClockSlopes& slopes) {
  std::vector<Line> lines;
  const auto consider = [&](const Line& line) {
    if (Fits(line, points, slopes)) lines.push_back(line);
  };
  for (const Point& a : points) {
    consider({a.x, a.y, slopes.lo});
    consider({a.x, a.y, slopes.hi});
    for (const Point& b : points) {
      if (a.x < b.x) consider({a.x, a.y, {b.y - a.y, b.x - a.x}});
    }
  }
  return lines;
}

int64_t Floor(Wide a, int64_t b) {
  const Wide quotient = a / b;
  return static_cast<int64_t>(quotient * b > a ? quotient - 1 : quotient);
}

int64_t At(const Line& line, int64_t x, bool up) {
  const Wide product = static_cast<Wide>(line.slope.dy) * (x - line.x);
  return line.y + (up ? -Floor(-product, line.slope.dx) : Floor(product, line.slope.dx));
}

class RandomPoints {
 public:
  explicit RandomPoints(uint64_t seed) : random_(seed) {}
  int64_t Between(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(random_() % static_cast<uint64_t>(hi - lo + 1));
  }
  // Around one line, so that some fits, except for one set in eight.
  std::vector<Point> Draw() {
    std::vector<Point> points;
    const int64_t slope_ppb = Between(-300'000'000, 300'000'000);
    const bool noise = Between(0, 7) == 0;
    const int64_t n = Between(1, 12);
    const int64_t width = Between(0, 1) ? 10 : 200;
    for (int64_t i = 0; i < n; ++i) {
      Point point{Between(0, 1) == 0, Between(-60, 60), 0};
      const int64_t line = Floor(static_cast<Wide>(point.x) * slope_ppb, 1'000'000'000);
      const int64_t away = noise ? Between(-20, 20) : Between(0, width);
      point.y = point.upper ? line + 1 + away : line - away;
      points.push_back(point);
    }
    return points;
  }

 private:
  std::mt19937_64 random_;
};

TEST(ClockHullTest, AgreesWithEveryPairOfPointsTried) {
  const ClockSlopes slopes{ClockSlope::Ppb(-310'000'000), ClockSlope::Ppb(310'000'000)};
  int empty = 0;
  int known = 0;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(seed);
    RandomPoints random(seed);
    const std::vector<Point> points = random.Draw();
    ClockHull hull(slopes);
    bool fits = true;
    for (const Point& point : points) fits = hull.Add(point.upper, point.x, point.y);
    const std::vector<Line> lines = Extremes(points, slopes);
    ASSERT_EQ(fits, !lines.empty());
    ASSERT_EQ(hull.empty(), lines.empty());
    if (lines.empty()) {
      ++empty;
      continue;
    }
    if (!hull.known()) continue;
    ++known;
    for (int64_t x = -90; x <= 90; x += 3) {
      ClockRange want{INT64_MAX, INT64_MIN};
      for (const Line& line : lines) {
        want.lo_ns = std::min(want.lo_ns, At(line, x, false));
        want.hi_ns = std::max(want.hi_ns, At(line, x, true));
      }
      ASSERT_EQ(hull.At(x), want) << "at " << x;
    }
  }
  EXPECT_GT(empty, 100);
  EXPECT_GT(known, 2000);
}

TEST(ClockHullTest, HullsTogetherSayWhatTheirPointsSay) {
  const ClockSlopes slopes{ClockSlope::Ppb(-310'000'000), ClockSlope::Ppb(310'000'000)};
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    RandomPoints random(seed);
    ClockHull all(slopes), first(slopes), second(slopes);
    for (int i = 0; i < 4; ++i) {
      for (const Point& point : random.Draw()) {
        all.Add(point.upper, point.x, point.y);
        (i % 2 == 0 ? first : second).Add(point.upper, point.x, point.y);
      }
    }
    first.AddAll(second);
    ASSERT_EQ(first.empty(), all.empty()) << "seed " << seed;
    for (int64_t x = -90; x <= 90; x += 9) ASSERT_EQ(first.At(x), all.At(x)) << "seed " << seed;
  }
}

TEST(ClockHullTest, OneSideOnlyIsNotKnown) {
  ClockHull hull({ClockSlope::Ppb(-1000), ClockSlope::Ppb(1000)});
  EXPECT_FALSE(hull.At(0).known());
  EXPECT_TRUE(hull.Add(true, 0, 500));
  EXPECT_FALSE(hull.At(0).known());
  EXPECT_EQ(hull.At(1'000'000'000).hi_ns, 1500);
  EXPECT_TRUE(hull.Add(false, 0, 400));
  EXPECT_EQ(hull.At(0), (ClockRange{400, 500}));
}

TEST(ClockHullTest, TimesOfCenturiesDoNotOverflow) {
  ClockHull hull({ClockSlope::Ppb(-1'000'000), ClockSlope::Ppb(1'000'000)});
  EXPECT_TRUE(hull.Add(true, kClockMax, kClockMax));
  EXPECT_TRUE(hull.Add(false, -kClockMax, -kClockMax));
  EXPECT_TRUE(hull.Add(true, INT64_MAX, 0));  // not believed
  EXPECT_TRUE(hull.known());
  EXPECT_GE(hull.At(INT64_MAX).hi_ns, hull.At(INT64_MAX).lo_ns);
  EXPECT_GE(hull.At(INT64_MIN).hi_ns, hull.At(INT64_MIN).lo_ns);
}

// A convex chain of thousands of points is held by few, and its bound only gets looser.
TEST(ClockHullTest, HostilePointsAreBounded) {
  ClockHull hull({ClockSlope::Ppb(-1'000'000'000), ClockSlope::Ppb(1'000'000'000)});
  const auto curve = [](int64_t x) { return x * x / 100'000'000; };
  for (int64_t x = -40'000'000; x <= 40'000'000; x += 20'000) {
    ASSERT_TRUE(hull.Add(true, x, curve(x)));
  }
  ASSERT_TRUE(hull.Add(false, 0, -1'000'000'000));
  EXPECT_LE(hull.points(), 600u);
  for (int64_t x = -20'000'000; x <= 20'000'000; x += 1'000'000) {
    EXPECT_GE(hull.At(x).hi_ns, curve(x));
  }
}

}  // namespace
}  // namespace ringside
