// SPDX-License-Identifier: Apache-2.0
#include "correlate/axis.h"

#include <gtest/gtest.h>

#include <random>

namespace ringside {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kWall = 1'700'000'000 * kSecond;

TEST(AxisTest, ExchangesBoundTheTruthUnderDriftAndAsymmetry) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    const double drift = (static_cast<double>(random() % 1000) - 500) * 1e-6;
    const auto agent_at = [&](int64_t axis) {
      return static_cast<int64_t>((axis - kWall) * (1 + drift)) + 77 * kSecond;
    };
    Stream stream;
    for (int i = 0; i < 60; ++i) {
      const int64_t sent = kWall + i * kSecond;
      const int64_t out = static_cast<int64_t>(random() % 5'000'000);
      const int64_t back = static_cast<int64_t>(random() % 50'000'000);
      ClockExchange exchange;
      exchange.collector_before.real_ns = sent;
      exchange.agent.mono_ns = agent_at(sent + out);
      exchange.collector_after.real_ns = sent + out + back;
      stream.clocks.push_back(exchange);
    }
    const StreamAxis axis(stream, false);
    for (int64_t t = kWall; t < kWall + 60 * kSecond; t += kSecond / 7) {
      const AxisTime time = axis.At(agent_at(t));
      ASSERT_LE(time.lo_ns, t) << "seed " << seed;
      ASSERT_GE(time.hi_ns, t) << "seed " << seed;
    }
    EXPECT_EQ(axis.method(), "exchange");
  }
}

TEST(AxisTest, OwnClockIsTheAxisOfAnEmbeddedRecording) {
  Stream stream;
  stream.hello.clock = {.mono_ns = 5 * kSecond, .real_ns = kWall + 5 * kSecond, .width_ns = 100};
  const StreamAxis axis(stream, true);
  EXPECT_EQ(axis.At(6 * kSecond).lo_ns, kWall + 6 * kSecond);
  EXPECT_LE(axis.bound_ns(), 100);
}

TEST(AxisTest, WallClockCarriesItsStatedError) {
  Stream stream;
  stream.hello.clock = {.mono_ns = 5 * kSecond, .real_ns = kWall + 5 * kSecond};
  stream.facts = {{0, "clock.maxerror_us", "200000"}};
  const StreamAxis stated(stream, false);
  EXPECT_EQ(stated.bound_ns(), 200'000'000);
  stream.facts.clear();
  const StreamAxis unstated(stream, false);
  EXPECT_EQ(unstated.bound_ns(), 16 * kSecond);
  EXPECT_EQ(unstated.method(), "wall clock, unsynchronised");
}

}  // namespace
}  // namespace ringside
