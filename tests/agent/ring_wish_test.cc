// SPDX-License-Identifier: Apache-2.0
#include "agent/ring_wish.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ringside {
namespace {

TEST(RingWishTest, ReadsFlagsAndTheWordBehindTheRing) {
  constexpr int kSize = 256;
  uint16_t avail[2 + kSize + 1] = {};
  avail[0] = 1;
  avail[1] = 777;
  avail[2 + kSize - 1] = 888;
  avail[2 + kSize] = 54321;
  const auto wish = ReadRingWish(getpid(), reinterpret_cast<uint64_t>(avail), kSize);
  ASSERT_TRUE(wish.has_value());
  EXPECT_EQ(wish->flags, 1);
  EXPECT_EQ(wish->idx, 777);
  EXPECT_EQ(wish->used_event, 54321);
}

TEST(RingWishTest, WhatIsNotThereIsNothing) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* hole = mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(hole, MAP_FAILED);
  EXPECT_FALSE(ReadRingWish(getpid(), reinterpret_cast<uint64_t>(hole), 256));
  // Half of it readable is not enough.
  ASSERT_EQ(munmap(hole, page), 0);
  char* two =
      static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(two, MAP_FAILED);
  ASSERT_EQ(munmap(two + page, page), 0);
  EXPECT_FALSE(ReadRingWish(getpid(), reinterpret_cast<uint64_t>(two + page - 8), 256));
  munmap(two, page);
  EXPECT_FALSE(ReadRingWish(getpid(), 0, 256));
  EXPECT_FALSE(ReadRingWish(0, 4096, 256));
  EXPECT_FALSE(ReadRingWish(getpid(), 4096, 0));
}

}  // namespace
}  // namespace ringside
