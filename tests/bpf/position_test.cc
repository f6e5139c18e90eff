// SPDX-License-Identifier: Apache-2.0
// The arithmetic that BPF programs and the simulator share, against a plain model.
#include "bpf/position.h"

#include <gtest/gtest.h>

#include <random>

namespace {

TEST(PositionTest, ExtendsAnIndexThatMovesLessThanHalfATurn) {
  std::mt19937_64 random(1);
  uint64_t truth = random() % 65536;
  uint64_t base = truth;
  for (int i = 0; i < 100000; ++i) {
    truth += random() % 0x8000;
    base = rs_extend(base, static_cast<uint16_t>(truth));
    ASSERT_EQ(base, truth) << "step " << i;
  }
}

TEST(PositionTest, StaleReadsStayBehind) {
  const uint64_t base = 200000;
  for (uint64_t behind = 1; behind < 0x8000; behind += 97) {
    EXPECT_EQ(rs_extend(base, static_cast<uint16_t>(base - behind)), base - behind);
  }
  EXPECT_EQ(rs_extend(5, static_cast<uint16_t>(5 - 6)), 5u);  // nothing lies before the start
}

TEST(PositionTest, MarksAreTheMultiplesPassed) {
  std::mt19937_64 random(2);
  for (const uint32_t size : {64u, 128u, 256u, 1024u}) {
    const uint32_t shift = rs_mark_shift(size);
    EXPECT_EQ(1u << shift, std::max(64u, size));
    uint64_t prev = random() % 65536;
    for (int i = 0; i < 20000; ++i) {
      const uint64_t pos = prev + random() % size;
      bool passed = false;
      for (uint64_t p = prev + 1; p <= pos; ++p) passed |= p % (1u << shift) == 0;
      ASSERT_EQ(rs_crosses_mark(prev, pos, shift) != 0, passed) << prev << " " << pos;
      prev = pos;
    }
  }
  EXPECT_FALSE(rs_crosses_mark(300, 200, 8));
}

TEST(PositionTest, SpacingIsAtLeastTheRing) {
  EXPECT_EQ(rs_mark_shift(0), 6u);
  EXPECT_EQ(rs_mark_shift(100), 7u);
  EXPECT_EQ(rs_mark_shift(32768), 15u);
}

}  // namespace
