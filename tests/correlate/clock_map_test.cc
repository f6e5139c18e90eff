// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace ringside {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kS = 1'000'000'000;

// Pairs of readings of a relation, each off by a random delay of 1 to 20 us.
void Feed(ClockMap* map, int64_t from_ns, int64_t to_ns, const std::function<int64_t(int64_t)>& f,
          uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  for (int64_t x = from_ns; x < to_ns; x += kMs) {
    const auto delay = [&] { return 1000 + static_cast<int64_t>(random() % 19'000); };
    map->Add(ReferenceFirst(f(x) - delay(), x));
    map->Add(LocalFirst(x, f(x) + delay()));
  }
}

int64_t Linear(int64_t x) { return x + 5'000'000'000 + x / 25'000; }  // 40 ppm

TEST(ClockMapTest, ALineIsKnownWithinTheFastestDelays) {
  ClockMap map({});
  Feed(&map, 0, 10 * kS, Linear);
  ASSERT_TRUE(map.conflicts().empty());
  EXPECT_EQ(map.pieces(), 1u);
  for (int64_t x = -kS; x < 11 * kS; x += 7 * kMs) {
    const ClockRange at = map.At(x);
    ASSERT_LE(at.lo_ns, Linear(x));
    ASSERT_GE(at.hi_ns, Linear(x));
    if (x > kS && x < 9 * kS) {
      EXPECT_LT(at.half_ns(), 1100);
    }
  }
}

TEST(ClockMapTest, NothingIsKnownWithoutEvidence) {
  ClockMap map({});
  EXPECT_FALSE(map.At(0).known());
  map.Add(LocalFirst(0, 100));
  EXPECT_FALSE(map.At(0).known());
}

TEST(ClockMapTest, AStepIsFoundAndDoubtIsWide) {
  for (const int64_t step : {-300 * kMs, -100'000l, 100'000l, 50 * kS}) {
    SCOPED_TRACE(step);
    ClockMap map({});
    const int64_t at = 4 * kS + 300 * kMs;
    const auto f = [&](int64_t x) { return Linear(x) + (x >= at ? step : 0); };
    Feed(&map, 0, 10 * kS, f);
    ASSERT_EQ(map.conflicts().size(), 1u);
    EXPECT_LT(map.conflicts()[0].from_ns, at);
    EXPECT_GE(map.conflicts()[0].to_ns, at);
    EXPECT_LT(map.conflicts()[0].to_ns, at + 100 * kMs);
    EXPECT_GT(map.conflicts()[0].from_ns, at - kS);
    for (int64_t x = 0; x < 10 * kS; x += kMs) {
      ASSERT_LE(map.At(x).lo_ns, f(x)) << x;
      ASSERT_GE(map.At(x).hi_ns, f(x)) << x;
    }
    EXPECT_LT(map.At(2 * kS).half_ns(), 1200);
    EXPECT_LT(map.At(8 * kS).half_ns(), 1200);
  }
}

TEST(ClockMapTest, AnAnnouncedStepIsNoConflict) {
  ClockMap map({});
  const int64_t step = 200'000;
  const auto f = [&](int64_t x) { return Linear(x) + (x >= 5 * kS ? step : 0); };
  Feed(&map, 0, 5 * kS - 50 * kMs, f);
  map.Cut(5 * kS - 50 * kMs, 5 * kS + 50 * kMs);
  Feed(&map, 5 * kS - 50 * kMs, 10 * kS, f);
  EXPECT_TRUE(map.conflicts().empty());
  EXPECT_EQ(map.pieces(), 2u);
  for (int64_t x = 0; x < 10 * kS; x += kMs) {
    ASSERT_LE(map.At(x).lo_ns, f(x)) << x;
    ASSERT_GE(map.At(x).hi_ns, f(x)) << x;
  }
  EXPECT_GE(map.At(5 * kS).half_ns(), step / 2);
  EXPECT_LT(map.At(4 * kS).half_ns(), 1200);
}

// Rates that wander as fast as stated, for minutes: no line, yet no conflict, and the truth inside.
TEST(ClockMapTest, WanderingRatesAreContained) {
  ClockMap map({.wander_ppb_per_s = 20});
  // The rate swings by +-64 ppb... with a second derivative of at most 20 ppb/s.
  const auto f = [](int64_t x) {
    const double t = static_cast<double>(x) * 1e-9;
    return x + 1000 + static_cast<int64_t>(std::floor(204.8 * (1 - std::cos(t / 3.2))));
  };
  Feed(&map, 0, 120 * kS, f);
  EXPECT_EQ(map.conflict_count(), 0u);
  EXPECT_GE(map.pieces(), 29u);
  int64_t widest = 0;
  for (int64_t x = 0; x < 120 * kS; x += 3 * kMs) {
    ASSERT_LE(map.At(x).lo_ns, f(x)) << x;
    ASSERT_GE(map.At(x).hi_ns, f(x)) << x;
    if (x > kS && x < 119 * kS) widest = std::max(widest, map.At(x).half_ns());
  }
  EXPECT_LT(widest, 2500);
  // Taken for one oscillator, the same evidence leaves no line.
  ClockMap rigid({});
  Feed(&rigid, 0, 120 * kS, [&](int64_t x) { return x + 20 * (f(x) - x); });
  EXPECT_GT(rigid.conflict_count(), 0u);
}

TEST(ClockMapTest, AStepOfWanderingClocksIsFoundToo) {
  ClockMap map({.wander_ppb_per_s = 20});
  const int64_t at = 33 * kS + 300 * kMs;
  const auto f = [&](int64_t x) { return Linear(x) + (x >= at ? 400'000 : 0); };
  Feed(&map, 0, 60 * kS, f);
  ASSERT_EQ(map.conflicts().size(), 1u);
  for (int64_t x = 0; x < 60 * kS; x += kMs) {
    ASSERT_LE(map.At(x).lo_ns, f(x)) << x;
    ASSERT_GE(map.At(x).hi_ns, f(x)) << x;
  }
}

// Two things that have nothing to do with each other: conflicts without end, memory with one.
TEST(ClockMapTest, NonsenseIsCountedAndBounded) {
  ClockMap map({});
  std::mt19937_64 random(7);
  for (int64_t x = 0; x < 2000 * kS; x += 10 * kMs) {
    const int64_t r = static_cast<int64_t>(random() % (2000 * static_cast<uint64_t>(kS)));
    map.Add({x, r, random() % 2 == 0, 0});
  }
  EXPECT_GT(map.conflict_count(), 1000u);
  EXPECT_EQ(map.conflicts().size(), 64u);
  EXPECT_LE(map.pieces(), 4096u);
  EXPECT_LT(map.points(), 200'000u);
}

TEST(ClockMapTest, UnbelievableTimesAreLeftOut) {
  ClockMap map({});
  Feed(&map, 0, kS, Linear);
  const ClockRange before = map.At(kS / 2);
  map.Add({INT64_MAX, 0, true, 0});
  map.Add({INT64_MIN, INT64_MAX, false, 0});
  map.Add({kS, INT64_MIN, true, 0});
  EXPECT_EQ(map.conflict_count(), 0u);
  EXPECT_EQ(map.At(kS / 2), before);
}

}  // namespace
}  // namespace ringside
