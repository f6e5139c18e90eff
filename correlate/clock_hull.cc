// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_hull.h"

#include <algorithm>

namespace ringside {
namespace {

using Wide = __int128;
using Point = ClockChain::Point;

// A hull of n points in a grid is small (its edges have different slopes), but hostile points could
// make it long.
constexpr size_t kChainMax = 512;

ClockSlope Between(const Point& a, const Point& b) { return {b.y - a.y, b.x - a.x}; }

ClockSlope Mirrored(const ClockSlope& slope) { return {-slope.dy, slope.dx}; }
ClockSlopes Mirrored(const ClockSlopes& slopes) {
  return {Mirrored(slopes.hi), Mirrored(slopes.lo)};
}

int64_t Clamp(Wide value) {
  return value > INT64_MAX   ? INT64_MAX
         : value < INT64_MIN ? INT64_MIN
                             : static_cast<int64_t>(value);
}

// y of the line through `from` at x, rounded up.
int64_t Along(const Point& from, const ClockSlope& slope, int64_t x) {
  const Wide product = static_cast<Wide>(slope.dy) * (static_cast<Wide>(x) - from.x);
  Wide quotient = product / slope.dx;
  if (quotient * slope.dx < product) ++quotient;
  return Clamp(from.y + quotient);
}

}  // namespace

int64_t ClockSlope::PpbHi() const {
  const Wide product = static_cast<Wide>(dy) * 1'000'000'000;
  const Wide quotient = product / dx;
  return Clamp(quotient * dx < product ? quotient + 1 : quotient);
}

int64_t ClockSlope::PpbLo() const { return -Mirrored(*this).PpbHi(); }

int CompareSlopes(const ClockSlope& a, const ClockSlope& b) {
  const Wide left = static_cast<Wide>(a.dy) * b.dx;
  const Wide right = static_cast<Wide>(b.dy) * a.dx;
  return left < right ? -1 : left > right ? 1 : 0;
}

// -- one hull --

bool ClockChain::Redundant(size_t at, const ClockSlopes& slopes) const {
  const ClockSlope in = at > 0 ? Between(points_[at - 1], points_[at]) : slopes.lo;
  const ClockSlope out =
      at + 1 < points_.size() ? Between(points_[at], points_[at + 1]) : slopes.hi;
  return CompareSlopes(in, out) >= 0;
}

bool ClockChain::Add(Point point, const ClockSlopes& slopes) {
  auto place = std::lower_bound(points_.begin(), points_.end(), point,
                                [](const Point& a, const Point& b) { return a.x < b.x; });
  if (place != points_.end() && place->x == point.x) {
    if (place->y <= point.y) return false;
    place->y = point.y;
  } else {
    const ClockSlope in = place != points_.begin() ? Between(*(place - 1), point) : slopes.lo;
    const ClockSlope out = place != points_.end() ? Between(point, *place) : slopes.hi;
    if (!points_.empty() && CompareSlopes(in, out) >= 0) return false;
    place = points_.insert(place, point);
  }
  size_t at = static_cast<size_t>(place - points_.begin());
  while (at + 1 < points_.size() && Redundant(at + 1, slopes)) {
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  while (at > 0 && Redundant(at - 1, slopes)) {
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(--at));
  }
  if (points_.size() > kChainMax) Thin(kChainMax / 2);
  return true;
}

void ClockChain::Narrow(const ClockSlopes& slopes) {
  while (points_.size() > 1 && Redundant(points_.size() - 1, slopes)) points_.pop_back();
  size_t drop = 0;
  while (drop + 1 < points_.size() &&
         CompareSlopes(slopes.lo, Between(points_[drop], points_[drop + 1])) >= 0) {
    ++drop;
  }
  points_.erase(points_.begin(), points_.begin() + static_cast<std::ptrdiff_t>(drop));
}

const Point& ClockChain::Touched(const ClockSlope& slope) const {
  // Edges get steeper: the first that is steeper than the line, or as steep, starts at the touch.
  size_t from = 0;
  size_t to = points_.size() - 1;
  while (from < to) {
    const size_t middle = (from + to) / 2;
    if (CompareSlopes(Between(points_[middle], points_[middle + 1]), slope) >= 0) {
      to = middle;
    } else {
      from = middle + 1;
    }
  }
  return points_[from];
}

int64_t ClockChain::Highest(int64_t x, const ClockSlopes& slopes) const {
  if (x <= points_.front().x) return Along(points_.front(), slopes.lo, x);
  if (x >= points_.back().x) return Along(points_.back(), slopes.hi, x);
  const auto right = std::lower_bound(points_.begin(), points_.end(), x,
                                      [](const Point& point, int64_t at) { return point.x < at; });
  return Along(*(right - 1), Between(*(right - 1), *right), x);
}

void ClockChain::Thin(size_t most) {
  // Every other inner point: what replaces it lies above it.
  while (points_.size() > std::max<size_t>(most, 3)) {
    std::vector<Point> kept;
    for (size_t i = 0; i < points_.size(); ++i) {
      if (i % 2 == 0 || i + 1 == points_.size()) kept.push_back(points_[i]);
    }
    points_ = std::move(kept);
  }
}

// -- both hulls --

bool ClockHull::Add(bool upper, int64_t x, int64_t ahead) {
  if (empty_) return false;
  if (x > kClockMax || x < -kClockMax || ahead > kClockMax || ahead < -kClockMax) return true;
  const bool news =
      upper ? upper_.Add({x, ahead}, slopes_) : lower_.Add({x, -ahead}, Mirrored(slopes_));
  return !news || Settle();
}

bool ClockHull::AddAll(const ClockHull& other) {
  if (other.empty_) empty_ = true;
  other.ForEach([this](bool upper, int64_t x, int64_t ahead) { Add(upper, x, ahead); });
  return !empty_;
}

// The steepest or flattest line that fits, from outside: as long as the two points that a slope
// touches first leave no room for it, no slope beyond the one through both of them fits either.
std::optional<ClockSlope> ClockHull::Extreme(bool steepest) const {
  ClockSlope slope = steepest ? slopes_.hi : slopes_.lo;
  for (;;) {
    const Point& above = upper_.Touched(slope);
    const Point& mirrored = lower_.Touched(Mirrored(slope));
    const Point below{mirrored.x, -mirrored.y};
    const Wide room = (static_cast<Wide>(above.y) - below.y) * slope.dx -
                      static_cast<Wide>(slope.dy) * (above.x - below.x);
    if (room >= 0) return slope;
    if (steepest ? above.x <= below.x : above.x >= below.x) return std::nullopt;
    slope = above.x > below.x ? Between(below, above) : Between(above, below);
    if (CompareSlopes(slope, slopes_.lo) < 0 || CompareSlopes(slope, slopes_.hi) > 0) {
      return std::nullopt;
    }
  }
}

bool ClockHull::Settle() {
  if (upper_.empty() || lower_.empty()) return true;
  const std::optional<ClockSlope> hi = Extreme(true);
  const std::optional<ClockSlope> lo = hi ? Extreme(false) : std::nullopt;
  if (!hi || !lo) {
    empty_ = true;
    return false;
  }
  slopes_ = {*lo, *hi};
  upper_.Narrow(slopes_);
  lower_.Narrow(Mirrored(slopes_));
  return true;
}

ClockRange ClockHull::At(int64_t x) const {
  ClockRange range;
  if (empty_) return range;
  if (!upper_.empty()) range.hi_ns = upper_.Highest(x, slopes_);
  if (!lower_.empty()) {
    const int64_t mirrored = lower_.Highest(x, Mirrored(slopes_));
    range.lo_ns = mirrored == INT64_MIN ? INT64_MAX : -mirrored;
  }
  return range;
}

}  // namespace ringside
