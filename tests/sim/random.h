// SPDX-License-Identifier: Apache-2.0
// Randomness of the simulator: one seed gives the same numbers on every machine, and each part of
// the model draws from its own stream, so that a change in one part does not move the others.
#ifndef RINGSIDE_TESTS_SIM_RANDOM_H_
#define RINGSIDE_TESTS_SIM_RANDOM_H_

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace ringside::sim {

// A distribution by its quantiles: what lies below at these shares of all cases. Between two of
// them all values are alike.
struct Quantiles {
  static constexpr std::array kShares = {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0};
  std::array<int64_t, kShares.size()> at{};
};

class Random {
 public:
  // A stream of numbers of its own for each name.
  Random(uint64_t seed, std::string_view stream) : state_(seed * 0x9e3779b97f4a7c15u + 1) {
    for (const char c : stream) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    Next();
  }
  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  bool Chance(double p) { return p > 0 && Unit() < p; }
  // Both ends included.
  int64_t Between(int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(Next() % static_cast<uint64_t>(hi - lo + 1));
  }
  double Real(double lo, double hi) { return lo + Unit() * (hi - lo); }
  int64_t Exp(double mean) { return static_cast<int64_t>(-std::log(1.0 - Unit()) * mean); }
  int64_t From(const Quantiles& quantiles) {
    const double share = Unit();
    size_t i = 1;
    while (i + 1 < Quantiles::kShares.size() && Quantiles::kShares[i] <= share) ++i;
    const double from = Quantiles::kShares[i - 1];
    const double part = (share - from) / (Quantiles::kShares[i] - from);
    const int64_t below = quantiles.at[i - 1];
    return below + static_cast<int64_t>(part * static_cast<double>(quantiles.at[i] - below)) + 1;
  }
  // A delay of about `ns`: mostly 0.8 to 1.3 times, one in 200 up to eight times.
  int64_t About(int64_t ns) {
    const double factor = Chance(0.005) ? Real(1.3, 8) : Real(0.8, 1.3);
    return static_cast<int64_t>(static_cast<double>(ns) * factor) + 1;
  }

 private:
  uint64_t state_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_RANDOM_H_
