// SPDX-License-Identifier: Apache-2.0
// The agent's part in following the rule: a kernel whose numbers can be read, a hook that counts,
// and calls that come at the worst moments.
#include "agent/spurious_track.h"

#include <gtest/gtest.h>

#include <random>

#include "bpf/spurious.h"

namespace ringside {
namespace {

constexpr uint32_t kHz = 250;

class SpuriousTrackTest : public ::testing::Test {
 protected:
  // The kernel's account, and the hook's as in the interrupt programs.
  void Call(bool none, bool hook_sees = true) {
    if (none) {
      unhandled_ = jiffies_ > last_ + kHz / 10 ? 1 : unhandled_ + 1;
      last_ = jiffies_;
    }
    ++total_;
    if (hook_sees) {
      ++slot_.irqs;
      if (rs_spurious_asked(&slot_.spurious, &slot_.seed)) {
        rs_spurious_adopt(&slot_.spurious, &slot_.seed, slot_.handled + slot_.none);
      }
      ++(none ? slot_.none : slot_.handled);
      rs_spurious_call(&slot_.spurious, &slot_.ends, none, jiffies_, kHz / 10);
    }
    if (frozen_ && unhandled_ == 0) return;
    if (++count_ < 100000) return;
    ++windows_;
    count_ = 0;
    unhandled_ = 0;
  }
  void Calls(int n, bool none) {
    for (int i = 0; i < n; ++i) Call(none);
  }
  SpuriousTrack::Numbers Read() {
    const auto read = [this]() -> std::optional<SpuriousNumbers> {
      if (calls_while_reading_ > 0) {
        --calls_while_reading_;
        Call(true);
      }
      return SpuriousNumbers{count_, unhandled_, static_cast<uint32_t>(last_ * 1000 / kHz)};
    };
    const SpuriousTrack::Now now{jiffies_, kHz, slot_.irqs, total_};
    return track_.Read({read, [this] { return total_; }}, now, &variant_, &slot_);
  }
  // As if it had come between the quiet reading and the writing of the seed.
  void CallBeforeTheSeed(bool none) {
    const uint32_t serial = slot_.seed.serial;
    slot_.seed.serial = slot_.spurious.state / RS_SPURIOUS_SERIAL;
    Call(none);
    slot_.seed.serial = serial;
  }
  void ExpectExact() {
    const SpuriousTrack::Numbers numbers = Read();
    ASSERT_TRUE(numbers.lo.has_value());
    EXPECT_EQ(*numbers.lo, unhandled_);
    EXPECT_EQ(*numbers.hi, unhandled_);
  }

  bool frozen_ = true;
  uint64_t jiffies_ = (1ull << 32) + 77;
  uint64_t last_ = 0;
  uint64_t total_ = 0;
  uint64_t windows_ = 0;
  uint32_t count_ = 0;
  uint32_t unhandled_ = 0;
  int calls_while_reading_ = 0;
  rs_guest_slot slot_{};
  SpuriousVariant variant_;
  SpuriousTrack track_;
};

TEST_F(SpuriousTrackTest, FollowsFromTheFirstQuietReadingOn) {
  for (const bool frozen : {true, false}) {
    frozen_ = frozen;
    slot_ = {};
    track_ = {};
    variant_ = {};
    count_ = unhandled_ = 0;
    total_ = 0;
    for (int i = 0; i < 30; ++i) Call(false, false);  // before the hook was there
    Read();
    EXPECT_EQ(variant_.frozen(), frozen);
    for (int i = 0; i < 100; ++i) Call(i % 3 != 0, true);
    EXPECT_EQ(slot_.spurious.count, count_);
    ExpectExact();
    Calls(150'000, true);
    EXPECT_EQ(slot_.ends.windows, 1u);
    EXPECT_EQ(slot_.spurious.count, count_);
    ExpectExact();
    EXPECT_EQ(track_.disagreements(), 0u);
  }
}

TEST_F(SpuriousTrackTest, SaysNothingBeforeItKnows) {
  Calls(30, true);  // unhandled from the start: either variant
  calls_while_reading_ = 1'000'000;
  const SpuriousTrack::Numbers numbers = Read();
  EXPECT_FALSE(numbers.lo.has_value());
  ASSERT_TRUE(numbers.kernel.has_value());
  EXPECT_GT(numbers.kernel->unhandled, 0u);
}

TEST_F(SpuriousTrackTest, ACallBetweenReadingAndAdoptionIsNotLost) {
  Calls(1, false);
  Read();  // leaves a seed
  calls_while_reading_ = 1;
  ExpectExact();
  Calls(10, true);
  ExpectExact();
  EXPECT_EQ(slot_.spurious.count, count_);
}

TEST_F(SpuriousTrackTest, ADistanceAtTheLimitIsSettledByTheKernelsNumber) {
  Calls(1, false);
  Read();
  Calls(50, true);
  jiffies_ += kHz / 10;
  Call(true);
  EXPECT_LT(slot_.spurious.lo, slot_.spurious.hi);
  ExpectExact();  // read, seeded, not yet adopted
  Call(true);
  EXPECT_EQ(slot_.spurious.lo, slot_.spurious.hi);
  ExpectExact();
  EXPECT_EQ(track_.disagreements(), 0u);
}

TEST_F(SpuriousTrackTest, AllowsForWhatTheHookWasNotRunFor) {
  Calls(1, false);
  Read();
  Calls(50, true);
  ExpectExact();
  for (int i = 0; i < 5; ++i) Call(true, false);
  Call(true);
  // No quiet reading now: the interval must hold the truth all the same.
  calls_while_reading_ = 1'000'000;
  const SpuriousTrack::Numbers numbers = Read();
  ASSERT_TRUE(numbers.hi.has_value());
  EXPECT_LE(*numbers.lo, unhandled_);
  EXPECT_GE(*numbers.hi, unhandled_);
  calls_while_reading_ = 0;
  ExpectExact();
  Calls(50, true);
  ExpectExact();
  EXPECT_EQ(track_.disagreements(), 0u);
  EXPECT_GE(track_.agreements(), 2u);
}

// A gap, and then calls without work that the hook was not run for: the kernel began again.
TEST_F(SpuriousTrackTest, WhatTheHookWasNotRunForMayHaveBegunAgain) {
  Calls(1, false);
  Read();
  Calls(50, true);
  ExpectExact();
  Calls(10, true);
  jiffies_ += kHz;
  for (int i = 0; i < 2; ++i) Call(true, false);
  ASSERT_EQ(unhandled_, 2u);
  calls_while_reading_ = 1'000'000;  // handled ones would be as good
  const SpuriousTrack::Numbers numbers = Read();
  EXPECT_LE(*numbers.lo, unhandled_);
  calls_while_reading_ = 0;
  ExpectExact();
  EXPECT_EQ(track_.disagreements(), 0u);
}

TEST_F(SpuriousTrackTest, ASeedThatCameTooLateLeavesTheIntervalWide) {
  Calls(1, false);
  Read();
  Calls(50, true);
  ExpectExact();
  for (int i = 0; i < 5; ++i) Call(true, false);
  Read();
  CallBeforeTheSeed(true);
  Call(false);
  ASSERT_NE(slot_.spurious.count, count_) << "the seed was in time";
  calls_while_reading_ = 1'000'000;
  const SpuriousTrack::Numbers numbers = Read();
  EXPECT_LE(*numbers.lo, unhandled_);
  EXPECT_GE(*numbers.hi, unhandled_);
  calls_while_reading_ = 0;
  ExpectExact();
  EXPECT_EQ(track_.disagreements(), 0u);
}

TEST_F(SpuriousTrackTest, HoldsTheTruthWhateverIsMissedAndWhenever) {
  std::mt19937_64 random(testing::UnitTest::GetInstance()->random_seed());
  const auto one_in = [&](uint64_t n) { return random() % n == 0; };
  uint64_t exact = 0;
  uint64_t wide = 0;
  uint64_t ends = 0;
  for (int run = 0; run < 200; ++run) {
    frozen_ = run % 2 == 0;
    slot_ = {};
    track_ = {};
    variant_ = {};
    variant_.Learn({.count = frozen_ ? 0u : 1u}, 1);  // another interrupt told
    total_ = count_ = one_in(2) ? 99'000 : 0;         // a window ends soon, or not
    unhandled_ = count_ / 2;
    std::optional<uint64_t> offset;
    for (int i = 0; i < 30; ++i) Call(false, false);
    for (int read = 0; read < 200; ++read) {
      for (uint64_t n = random() % 30; n > 0; --n) {
        if (one_in(20)) jiffies_ += kHz / 10 - 3 + random() % 6;
        Call(one_in(2), !one_in(30));
      }
      calls_while_reading_ = one_in(3) ? static_cast<int>(random() % 10) : 0;
      const SpuriousTrack::Numbers numbers = Read();
      if (numbers.lo) {
        ASSERT_LE(*numbers.lo, unhandled_) << "run " << run << " read " << read;
        ASSERT_GE(*numbers.hi, unhandled_) << "run " << run << " read " << read;
        ++(*numbers.lo == *numbers.hi ? exact : wide);
      }
      const uint64_t windows = track_.Ends(slot_).windows;
      if (slot_.spurious.state & RS_SPURIOUS_KNOWN) {
        if (!offset) offset = windows_ - windows;
        // A window that ended between the hook's hits is known at the next quiet reading.
        ASSERT_LE(windows + *offset, windows_) << "run " << run << " read " << read;
        ASSERT_GE(windows + *offset + 1, windows_) << "run " << run << " read " << read;
        ends = std::max(ends, windows);
      }
      if (one_in(2)) CallBeforeTheSeed(one_in(2));
    }
    calls_while_reading_ = 0;
    for (int i = 0; i < 3; ++i) {
      Call(true);
      ExpectExact();
    }
    ASSERT_EQ(track_.Ends(slot_).windows + offset.value_or(windows_), windows_) << "run " << run;
    ASSERT_EQ(track_.disagreements(), 0u) << "run " << run;
  }
  EXPECT_GT(ends, 0u);
  EXPECT_GT(exact, wide) << "an interval that is always wide says nothing";
}

TEST_F(SpuriousTrackTest, AWindowThatEndsBetweenTheHooksHitsIsCounted) {
  Calls(1, false);
  Read();
  Calls(99'999, true);
  ExpectExact();
  Call(true, false);  // the 100,000th
  Calls(3, true);
  ExpectExact();
  EXPECT_EQ(slot_.ends.windows, 1u) << "the hook's own count ends one call late";
  Calls(99'990, true);
  ExpectExact();
  for (int i = 0; i < 10; ++i) Call(true, false);
  ExpectExact();
  const rs_spurious_ends ends = track_.Ends(slot_);
  EXPECT_EQ(ends.windows, 2u);
  EXPECT_GE(ends.peak_hi, 100'000u);
  EXPECT_EQ(track_.disagreements(), 0u);
}

TEST_F(SpuriousTrackTest, SaysWhereTheRuleItselfIsNotWhatTheKernelDoes) {
  Calls(1, false);
  Read();
  Calls(50, true);
  ExpectExact();
  unhandled_ += 3;  // a kernel with another rule
  Call(true);
  ExpectExact();  // the kernel's number, not the hook's
  EXPECT_EQ(track_.disagreements(), 1u);
}

TEST_F(SpuriousTrackTest, AWrongGuessOfTheVariantIsCorrectedByProof) {
  frozen_ = false;
  count_ = 0;
  total_ = 5;  // as after a new request of the same interrupt: looks frozen
  Read();
  EXPECT_TRUE(variant_.frozen());
  Calls(3, false);
  Read();
  EXPECT_FALSE(variant_.frozen());
  Calls(3, false);
  Call(true);
  ExpectExact();
  EXPECT_EQ(slot_.spurious.count, count_);
}

}  // namespace
}  // namespace ringside
