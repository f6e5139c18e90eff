// SPDX-License-Identifier: Apache-2.0
// The agent's part in following the rule: a kernel whose numbers can be read, a hook that counts,
// and calls that come at the worst moments.
#include "agent/spurious_track.h"

#include <gtest/gtest.h>

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
