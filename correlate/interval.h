// SPDX-License-Identifier: Apache-2.0
// Interval arithmetic of counts: a true value lies in [lo, hi]; `hi` absent means that no upper end
// is known. Sums and differences are taken in signed 64 bits: counts stay below 2^62.
#ifndef RINGSIDE_CORRELATE_INTERVAL_H_
#define RINGSIDE_CORRELATE_INTERVAL_H_

#include <cstdint>
#include <optional>

namespace ringside {

// Larger counts and positions are not believed: at 1 G/s they would take 36 years. Sums and
// differences of a few of what is left cannot overflow.
inline constexpr uint64_t kValueMax = uint64_t{1} << 60;

// a * b > c * d, for counts of any size: how shares are compared.
inline bool ProductExceeds(int64_t a, int64_t b, int64_t c, int64_t d) {
  return static_cast<__int128>(a) * b > static_cast<__int128>(c) * d;
}

struct Interval {
  int64_t lo = 0;
  std::optional<int64_t> hi = 0;

  static Interval Exactly(int64_t value) { return {value, value}; }
  bool exact() const { return hi && *hi == lo; }
  bool Contains(int64_t value) const { return lo <= value && (!hi || value <= *hi); }
  friend bool operator==(const Interval&, const Interval&) = default;
};

// What was never observed adds nothing that is known of.
inline Interval Or0(const std::optional<Interval>& value) {
  return value.value_or(Interval::Exactly(0));
}

inline Interval operator+(const Interval& a, const Interval& b) {
  Interval sum{a.lo + b.lo, std::nullopt};
  if (a.hi && b.hi) sum.hi = *a.hi + *b.hi;
  return sum;
}

// The difference of two values that are both known as intervals. Unknown ends spread: `lo` is only
// meaningful while b's upper end is known, so callers ask `Known` first.
struct Difference {
  std::optional<int64_t> lo;
  std::optional<int64_t> hi;
  // Whether some value in [-slack_low, slack_high] is possible.
  bool CanBeWithin(int64_t slack_low, int64_t slack_high) const {
    return (!lo || *lo <= slack_high) && (!hi || *hi >= -slack_low);
  }
  bool known() const { return lo.has_value() && hi.has_value(); }
};

inline Difference operator-(const Interval& a, const Interval& b) {
  Difference difference;
  if (b.hi) difference.lo = a.lo - *b.hi;
  if (a.hi) difference.hi = *a.hi - b.lo;
  return difference;
}

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_INTERVAL_H_
