// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_steady.h"

#include <gtest/gtest.h>

#include <functional>

namespace ringside {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kS = 1'000'000'000;
constexpr int64_t kWidth = 60;

// Readings every 100 ms of clocks that are given by true time; RAW is true time here.
SteadyScale Scale(int64_t to_ns, const std::function<int64_t(int64_t)>& mono_of_raw,
                  int64_t every_ns = 100 * kMs) {
  SteadyScale scale;
  for (int64_t t = 0; t <= to_ns; t += every_ns) {
    ClockReading reading;
    reading.mono_ns = mono_of_raw(t);
    reading.raw_ns = t + kWidth / 2;
    reading.real_ns = kS + reading.mono_ns;
    reading.counter = static_cast<uint64_t>(3 * (t + kWidth / 4) + 1000);
    reading.width_ns = kWidth;
    scale.Add(reading);
  }
  return scale;
}

void ExpectContains(const SteadyScale& scale, int64_t to_ns,
                    const std::function<int64_t(int64_t)>& mono_of_raw, int64_t widest_ns) {
  for (int64_t t = 0; t <= to_ns; t += 777'777) {
    const ClockRange at = scale.At(mono_of_raw(t));
    ASSERT_LE(at.lo_ns, t);
    ASSERT_GE(at.hi_ns, t);
    ASSERT_LE(at.half_ns(), widest_ns) << t;
  }
}

int64_t Slewed(int64_t raw, int64_t from, int64_t to, int64_t ppm) {
  const int64_t within = std::max<int64_t>(0, std::min(raw, to) - from);
  return raw + raw / 20'000 + within * ppm / 1'000'000;
}

TEST(SteadyScaleTest, WithoutSlewsTheWidthOfAReadingIsLeft) {
  const auto mono = [](int64_t raw) { return raw + raw / 10'000; };
  ExpectContains(Scale(10 * kS, mono), 10 * kS, mono, 110);
}

TEST(SteadyScaleTest, SlewsAreContained) {
  for (const int64_t ppm : {500, -500, 100'000, -100'000}) {
    SCOPED_TRACE(ppm);
    // Between readings, at odd times.
    const auto mono = [ppm](int64_t raw) {
      return Slewed(raw, 2 * kS + 37 * kMs, 4 * kS + 61 * kMs, ppm);
    };
    const SteadyScale scale = Scale(10 * kS, mono);
    // At most what the slew amounts to in the gap where it begins.
    ExpectContains(scale, 10 * kS, mono, std::abs(ppm) * 100 + 100);
    EXPECT_LT(scale.At(mono(3 * kS + 50 * kMs)).half_ns(), 80);
    EXPECT_TRUE(scale.steps().empty());
  }
}

TEST(SteadyScaleTest, ShortSlewsBetweenDistantReadingsAreContained) {
  const auto mono = [](int64_t raw) { return Slewed(raw, 43 * kS, 46 * kS, 200); };
  ExpectContains(Scale(100 * kS, mono, 10 * kS), 100 * kS, mono, 700'000);
}

TEST(SteadyScaleTest, OutsideTheReadingsAnySlewIsPossible) {
  const SteadyScale scale = Scale(kS, [](int64_t raw) { return raw; });
  const ClockRange after = scale.At(2 * kS);
  EXPECT_LE(after.lo_ns, 2 * kS - 100 * kMs);
  EXPECT_GE(after.hi_ns, 2 * kS + 100 * kMs);
  EXPECT_FALSE(SteadyScale().At(0).known());
}

TEST(SteadyScaleTest, ACounterThatDoesNotDoAsRawIsAStep) {
  SteadyScale scale;
  ClockReading reading{.width_ns = kWidth};
  for (int64_t t = 0; t < 10 * kS; t += 100 * kMs) {
    reading.mono_ns = reading.raw_ns = t;
    reading.real_ns = kS + t;
    reading.counter = static_cast<uint64_t>(t * 5 / 2 + (t >= 6 * kS ? 100'000 : 0) + 77);
    scale.Add(reading);
  }
  ASSERT_EQ(scale.steps().size(), 1u);
  EXPECT_EQ(scale.steps()[0].to_raw_ns, 6 * kS);
  EXPECT_FALSE(scale.steps()[0].suspended);
}

TEST(SteadyScaleTest, AWallClockThatGoesOnAloneIsASuspend) {
  SteadyScale scale;
  for (int64_t t = 0; t < 10 * kS; t += 100 * kMs) {
    ClockReading reading{.mono_ns = t, .raw_ns = t, .width_ns = kWidth};
    reading.real_ns = kS + t + (t >= 6 * kS ? 2 * kS : 0);
    scale.Add(reading);  // a node whose counter cannot be read
  }
  ASSERT_EQ(scale.steps().size(), 1u);
  EXPECT_TRUE(scale.steps()[0].suspended);
}

TEST(SteadyScaleTest, UnbelievableReadingsAreLeftOut) {
  SteadyScale scale = Scale(kS, [](int64_t raw) { return raw; });
  const size_t before = scale.readings();
  scale.Add({.mono_ns = INT64_MAX, .raw_ns = 5});
  scale.Add({.mono_ns = 5, .raw_ns = INT64_MIN});
  scale.Add({.mono_ns = kS / 2, .raw_ns = kS / 2});  // back in time
  scale.Add({.mono_ns = 2 * kS, .raw_ns = 2 * kS, .width_ns = INT64_MAX});
  EXPECT_EQ(scale.readings(), before);
}

}  // namespace
}  // namespace ringside
