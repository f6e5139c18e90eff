// SPDX-License-Identifier: Apache-2.0
// The rule for unhandled interrupts as hook and simulator follow it, against a plain model of what
// the kernel does with its own clock.
#include "bpf/spurious.h"

#include <gtest/gtest.h>

#include <random>

namespace {

constexpr uint32_t kGap = 25;  // HZ/10 at 250 ticks a second

struct Followed {
  rs_spurious s{};
  rs_spurious_ends ends{};
  explicit Followed(bool frozen) {
    s.state = RS_SPURIOUS_KNOWN | (frozen ? RS_SPURIOUS_FROZEN : 0);
  }
  void Call(bool none, uint64_t jiffies) { rs_spurious_call(&s, &ends, none, jiffies, kGap); }
  void Calls(int n, bool none, uint64_t jiffies) {
    for (int i = 0; i < n; ++i) Call(none, jiffies);
  }
};

// What the kernel keeps, written down from the rule's description.
struct Kernel {
  bool frozen;
  uint64_t last = 0;
  uint32_t count = 0;
  uint32_t unhandled = 0;
  uint32_t peak = 0;
  int windows = 0;
  int trips = 0;

  void Call(bool none, uint64_t jiffies) {
    if (none) {
      unhandled = jiffies > last + kGap ? 1 : unhandled + 1;
      last = jiffies;
    }
    if (frozen && unhandled == 0) return;
    if (++count < 100000) return;
    ++windows;
    peak = std::max(peak, unhandled);
    trips += unhandled > 99900;
    count = 0;
    unhandled = 0;
  }
};

TEST(SpuriousTest, TripsOnlyOver99900InOneWindow) {
  for (const bool frozen : {false, true}) {
    for (const int none : {99'900, 99'901}) {
      Followed f(frozen);
      // The first call must be one without work: a frozen count does not see what is before it.
      f.Calls(none, true, 1000);
      f.Calls(100'000 - none, false, 1000);
      EXPECT_EQ(f.ends.windows, 1u);
      EXPECT_EQ(f.ends.peak_lo, static_cast<uint32_t>(none));
      EXPECT_EQ(f.ends.peak_hi, static_cast<uint32_t>(none));
      EXPECT_EQ(f.ends.trips_lo, none > 99'900 ? 1u : 0u);
      EXPECT_EQ(f.ends.trips_hi, f.ends.trips_lo);
      EXPECT_EQ(f.s.count, 0u);
      EXPECT_EQ(f.s.hi, 0u);
    }
  }
}

TEST(SpuriousTest, VariantsDifferInWhatComesBeforeTheFirstWithoutWork) {
  Followed every(false);
  Followed frozen(true);
  for (Followed* f : {&every, &frozen}) {
    f->Calls(40'000, false, 0);
    f->Calls(60'000, true, 1000);
  }
  EXPECT_EQ(every.ends.windows, 1u);
  EXPECT_EQ(every.ends.peak_lo, 60'000u);
  EXPECT_EQ(frozen.ends.windows, 0u);
  EXPECT_EQ(frozen.s.count, 60'000u);
  EXPECT_EQ(frozen.s.lo, 60'000u);
  // ... and again after a window's end.
  frozen.Calls(40'000, false, 1000);
  EXPECT_EQ(frozen.ends.windows, 1u);
  frozen.Calls(1000, false, 1000);
  EXPECT_EQ(frozen.s.count, 0u);
}

TEST(SpuriousTest, AGapStartsAgainAndOneNearTheLimitMay) {
  for (uint64_t distance = 0; distance < 60; ++distance) {
    Followed f(true);
    f.Calls(500, true, 1000);
    f.Call(true, 1000 + distance);
    // The hook's clock may be read one tick before the kernel's at either end.
    const bool may = distance + 1 > kGap;
    const bool must = distance > kGap + 1;
    EXPECT_EQ(f.s.lo, may ? 1u : 501u) << distance;
    EXPECT_EQ(f.s.hi, must ? 1u : 501u) << distance;
  }
}

TEST(SpuriousTest, HoldsTheKernelsNumberWhateverTheTick) {
  std::mt19937_64 random(3);
  uint64_t inexact = 0;
  for (int run = 0; run < 40; ++run) {
    const bool frozen = run % 2 == 0;
    Followed f(frozen);
    Kernel kernel{.frozen = frozen};
    const double none_share = run % 4 == 0 ? 0.9995 : 0.3 + 0.02 * run;
    uint64_t jiffies = 5000;
    uint64_t before = jiffies;
    for (int i = 0; i < 300'000; ++i) {
      // Mostly dense, now and then a distance around the limit.
      jiffies += random() % 5000 == 0 ? 20 + random() % 12 : random() % 50 == 0;
      const bool none = std::uniform_real_distribution<>(0, 1)(random) < none_share;
      // The hook reads its clock after the kernel's last reading, and before this one.
      const uint64_t hook = std::max(before, jiffies - random() % 2);
      before = jiffies;
      kernel.Call(none, jiffies);
      f.Call(none, hook);
      ASSERT_EQ(f.s.count, kernel.count) << "run " << run << " call " << i;
      ASSERT_LE(f.s.lo, kernel.unhandled);
      ASSERT_GE(f.s.hi, kernel.unhandled);
      inexact += f.s.lo != f.s.hi;
    }
    EXPECT_EQ(f.ends.windows, static_cast<uint64_t>(kernel.windows));
    EXPECT_LE(f.ends.peak_lo, kernel.peak);
    EXPECT_GE(f.ends.peak_hi, kernel.peak);
    EXPECT_LE(f.ends.trips_lo, static_cast<uint64_t>(kernel.trips));
    EXPECT_GE(f.ends.trips_hi, static_cast<uint64_t>(kernel.trips));
  }
  EXPECT_GT(inexact, 100'000u) << "the runs never came near the gap's limit";
}

TEST(SpuriousTest, UnknownUntilSeeded) {
  Followed f(true);
  f.s.state = 0;
  f.Calls(1000, true, 10);
  EXPECT_EQ(f.s.hi, 0u);
  rs_spurious_seed seed{.calls = 1000, .last_none = 990, .count = 700, .unhandled = 600};
  seed.frozen = 1;
  seed.serial = 1;
  ASSERT_TRUE(rs_spurious_asked(&f.s, &seed));
  rs_spurious_adopt(&f.s, &seed, 1001);  // one call came since the reading
  EXPECT_FALSE(rs_spurious_asked(&f.s, &seed));
  EXPECT_FALSE(f.s.state & RS_SPURIOUS_KNOWN);
  seed.serial = 2;
  rs_spurious_adopt(&f.s, &seed, 1000);
  EXPECT_TRUE(f.s.state & RS_SPURIOUS_KNOWN);
  EXPECT_TRUE(f.s.state & RS_SPURIOUS_FROZEN);
  f.Call(true, 1000);
  EXPECT_EQ(f.s.count, 701u);
  EXPECT_EQ(f.s.lo, 601u);
  EXPECT_EQ(f.s.hi, 601u);
  // Late again: what is followed already is kept.
  seed.serial = 3;
  rs_spurious_adopt(&f.s, &seed, 1002);
  EXPECT_EQ(f.s.count, 701u);
  EXPECT_TRUE(f.s.state & RS_SPURIOUS_KNOWN);
}

}  // namespace
