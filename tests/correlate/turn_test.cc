// SPDX-License-Identifier: Apache-2.0
#include "correlate/turn.h"

#include <gtest/gtest.h>

#include <random>

namespace ringside {
namespace {

constexpr uint32_t kRing = 256;

// Readings of one moving index: host every `step_ns`, guest in between, with a clock bound.
void Walk(uint64_t seed, int64_t rate_per_s, int64_t bound_ns, int64_t turn,
          std::vector<PositionReading>* host, std::vector<PositionReading>* guest) {
  std::mt19937_64 random(seed);
  const auto at = [&](int64_t ns) { return 5'000'000 + rate_per_s * ns / 1'000'000'000; };
  for (int64_t ns = 0; ns < 10'000'000'000; ns += 100'000'000) {
    host->push_back({{ns, ns + 1000}, static_cast<uint64_t>(at(ns + 500))});
    const int64_t g = ns + static_cast<int64_t>(random() % 100'000'000);
    const int64_t error = static_cast<int64_t>(random() % (2 * bound_ns + 1)) - bound_ns;
    guest->push_back({{g + error - bound_ns, g + error + bound_ns},
                      static_cast<uint64_t>(at(g) - turn * 65536)});
  }
}

TEST(TurnTest, FindsTheTurnFromMovingIndices) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    std::vector<PositionReading> host, guest;
    const int64_t turn = static_cast<int64_t>(seed % 7);
    Walk(seed, 100'000, 1'000'000, turn, &host, &guest);
    const Turn found = FindTurn(host, guest, {.ring_size = kRing});
    ASSERT_TRUE(found.turn.has_value()) << "seed " << seed;
    EXPECT_EQ(*found.turn, turn) << "seed " << seed;
    EXPECT_FALSE(found.contradiction);
  }
}

TEST(TurnTest, TooFastForTheClockBoundIsUnknownNotWrong) {
  std::vector<PositionReading> host, guest;
  Walk(1, 400'000, 2'000'000'000, 2, &host, &guest);
  const Turn found = FindTurn(host, guest, {.ring_size = kRing});
  EXPECT_FALSE(found.contradiction);
  if (found.turn) {
    EXPECT_EQ(*found.turn, 2);
  }
}

TEST(TurnTest, AnotherQueuesIndexContradicts) {
  std::vector<PositionReading> host, guest, other;
  Walk(1, 50'000, 1'000'000, 0, &host, &guest);
  Walk(2, 9'000, 1'000'000, 0, &other, &guest);
  const Turn found = FindTurn(other, guest, {.ring_size = kRing});
  EXPECT_TRUE(found.contradiction);
  EXPECT_FALSE(found.turn.has_value());
}

TEST(TurnTest, NothingToCompareIsNotAContradiction) {
  const Turn found = FindTurn({}, {{{0, 1}, 5}}, {.ring_size = kRing});
  EXPECT_FALSE(found.contradiction);
  EXPECT_FALSE(found.turn.has_value());
  EXPECT_EQ(found.readings, 0u);
}

// Without a link only the shape of the movement and a loose bound on the clocks remain.
TEST(TurnTest, UnknownCommonOffsetIsFoundFromTheMovement) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::vector<PositionReading> host, guest;
    Walk(seed, 30'000, 1000, 1, &host, &guest);
    const int64_t offset_ns = static_cast<int64_t>(seed) * 200'000'000 - 2'000'000'000;
    for (PositionReading& reading : guest) {
      reading.time.lo_ns += offset_ns;
      reading.time.hi_ns += offset_ns;
    }
    const Turn found =
        FindTurn(host, guest,
                 {.ring_size = kRing, .offset_bound_ns = 2'500'000'000, .drift_ns = 10'000'000});
    // 2.5 s at 30,000/s is more than a turn: the loose bound alone could not tell.
    EXPECT_FALSE(found.contradiction) << "seed " << seed;
    if (found.turn) {
      EXPECT_EQ(*found.turn, 1) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace ringside
