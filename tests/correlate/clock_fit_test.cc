// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_fit.h"

#include <gtest/gtest.h>

#include <random>

#include "correlate/clock_queue.h"

namespace ringside {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kS = 1'000'000'000;
constexpr int64_t kAhead = 77 * kS;

// Two nodes whose clocks run alike, the reference `kAhead` ahead, and what sources say of them.
class Fit {
 public:
  Fit() {
    for (int64_t t = 0; t <= 10 * kS; t += 100 * kMs) {
      const auto counter = static_cast<uint64_t>(t + kAhead);
      local.Add({.mono_ns = t, .raw_ns = t, .real_ns = t, .counter = counter, .width_ns = 40});
      reference.Add({.mono_ns = t + kAhead,
                     .raw_ns = t + kAhead,
                     .real_ns = t,
                     .counter = counter,
                     .width_ns = 40});
    }
  }
  // A source that says the truth, plus `error` of the time.
  template <typename Error>
  void Say(uint32_t source, Error error) {
    std::mt19937_64 random(source + 1);
    const auto delay = [&] { return 2000 + static_cast<int64_t>(random() % 20'000); };
    for (int64_t t = kMs * (1 + source); t < 10 * kS; t += 5 * kMs) {
      evidence.push_back({t, t + kAhead + error(t) - delay(), false, source});
      evidence.push_back({t, t + kAhead + error(t) + delay(), true, source});
    }
  }
  ClockFit Do() const { return FitClocks({}, local, reference, evidence); }

  SteadyScale local, reference;
  std::vector<ClockEvidence> evidence;
};

int64_t Right(int64_t) { return 0; }

TEST(ClockFitTest, SourcesThatAgree) {
  Fit fit;
  for (uint32_t source = 0; source < 3; ++source) fit.Say(source, Right);
  const ClockFit result = fit.Do();
  EXPECT_EQ(result.trust, ClockTrust::kGood);
  EXPECT_TRUE(result.wrong.empty());
  const ClockRange at = ReferenceAt(result, fit.local, 5 * kS + 1);
  EXPECT_LE(at.lo_ns, 5 * kS + 1 + kAhead);
  EXPECT_GE(at.hi_ns, 5 * kS + 1 + kAhead);
  EXPECT_LT(at.half_ns(), 2500);
}

TEST(ClockFitTest, ASourceThatContradictsItselfIsLeftOut) {
  Fit fit;
  fit.Say(0, Right);
  fit.Say(1, [](int64_t t) { return t / (700 * kMs) % 2 * 300'000; });
  const ClockFit result = fit.Do();
  EXPECT_EQ(result.trust, ClockTrust::kGood);
  EXPECT_EQ(result.wrong, std::vector<uint32_t>{1});
}

TEST(ClockFitTest, OneAgainstAllOthersIsWrong) {
  Fit fit;
  for (uint32_t source = 0; source < 3; ++source) fit.Say(source, Right);
  fit.Say(3, [](int64_t) { return 100'000; });
  const ClockFit result = fit.Do();
  EXPECT_EQ(result.trust, ClockTrust::kGood);
  EXPECT_EQ(result.wrong, std::vector<uint32_t>{3});
}

TEST(ClockFitTest, WhatAllSourcesSeeIsAStep) {
  Fit fit;
  for (uint32_t source = 0; source < 3; ++source) {
    fit.Say(source, [](int64_t t) { return t < 6 * kS ? 0 : -400'000; });
  }
  const ClockFit result = fit.Do();
  EXPECT_EQ(result.trust, ClockTrust::kStepped);
  EXPECT_TRUE(result.wrong.empty());
  ASSERT_EQ(result.map.conflicts().size(), 1u);
  EXPECT_LT(result.map.conflicts()[0].from_ns, 6 * kS);
  EXPECT_GE(result.map.conflicts()[0].to_ns, 6 * kS);
}

TEST(ClockFitTest, NothingFits) {
  Fit fit;
  fit.Say(0, [](int64_t t) { return t / (700 * kMs) % 2 * 300'000; });
  EXPECT_EQ(fit.Do().trust, ClockTrust::kContradicted);
}

TEST(ClockFitTest, EvidenceAcrossAStepOfTheReferenceIsLeftOut) {
  Fit fit;
  // The reference stood still for 2 s, and its wall clock went on.
  fit.reference = SteadyScale();
  const auto shown = [](int64_t t) { return kAhead + (t < 5 * kS ? t : t - 2 * kS); };
  for (int64_t t = 0; t <= 10 * kS; t += 100 * kMs) {
    if (t >= 5 * kS && t < 7 * kS) continue;
    const int64_t raw = shown(t);
    fit.reference.Add({.mono_ns = raw, .raw_ns = raw, .real_ns = t, .counter = 0, .width_ns = 40});
  }
  for (int64_t t = kMs; t < 10 * kS; t += 3 * kMs) {
    if (t > 5 * kS - 50 * kMs && t < 7 * kS) continue;
    fit.evidence.push_back({t, shown(t) - 3000, false, 0});
    fit.evidence.push_back({t, shown(t) + 3000, true, 0});
  }
  // Asked before, answered after.
  fit.evidence.push_back({5 * kS - 60 * kMs, shown(8 * kS), true, 0});
  const ClockFit result = fit.Do();
  EXPECT_EQ(result.trust, ClockTrust::kGood);
  EXPECT_EQ(result.map.conflict_count(), 0u);
  for (const int64_t t : {kS, 4 * kS, 8 * kS, 9 * kS}) {
    const ClockRange at = ReferenceAt(result, fit.local, t);
    EXPECT_LE(at.lo_ns, shown(t));
    EXPECT_GE(at.hi_ns, shown(t));
    EXPECT_LT(at.half_ns(), 3500);
  }
}

TEST(ClockFitTest, NothingIsKnownPastAStepThatNoEvidenceFollows) {
  for (const bool local : {false, true}) {
    Fit fit;
    // One of the two stood still for 2 s, and its wall clock went on.
    const auto shown = [](int64_t t) { return t < 5 * kS ? t : t - 2 * kS; };
    SteadyScale& node = local ? fit.local : fit.reference;
    const int64_t ahead = local ? 0 : kAhead;
    node = SteadyScale();
    for (int64_t t = 0; t <= 10 * kS; t += 100 * kMs) {
      if (t >= 5 * kS && t < 7 * kS) continue;
      const int64_t raw = ahead + shown(t);
      node.Add({.mono_ns = raw, .raw_ns = raw, .real_ns = t, .counter = 0, .width_ns = 40});
    }
    for (int64_t t = kMs; t < 4 * kS; t += 3 * kMs) {
      fit.evidence.push_back({t, t + kAhead - 3000, false, 0});
      fit.evidence.push_back({t, t + kAhead + 3000, true, 0});
    }
    const ClockFit result = fit.Do();
    EXPECT_TRUE(ReferenceAt(result, fit.local, 3 * kS).known());
    const int64_t local_ns = local ? shown(9 * kS) : 9 * kS;
    const int64_t truth = kAhead + (local ? 9 * kS : shown(9 * kS));
    const ClockRange at = ReferenceAt(result, fit.local, local_ns);
    EXPECT_TRUE(!at.known() || (at.lo_ns <= truth && truth <= at.hi_ns)) << local;
  }
}

TEST(ClockQueueTest, OnlyWhatPositionsProve) {
  PublishedTimes host;
  host.todo = {{100, 10}, {200, 20}, {300, 30}};
  host.done = {{110, 20}, {210, 30}, {310, 40}};
  ObservedTimes guest;
  guest.seen = {{1000, 20}, {1001, 21}, {1002, 10}};
  guest.unseen = {{2000, 19}, {2001, 20}, {2002, 40}};
  std::vector<ClockEvidence> evidence;
  AddQueueEvidence(host, guest, 5, &evidence);
  // 20 was to do at 100 (up to 10 done) and not known to be at 200; 21 was at 200; 10 never.
  ASSERT_EQ(evidence.size(), 4u);
  EXPECT_EQ(evidence[0].local_mono_ns, 1000);
  EXPECT_EQ(evidence[0].reference_mono_ns, 100);
  EXPECT_FALSE(evidence[0].upper);
  EXPECT_EQ(evidence[1].reference_mono_ns, 200);
  // A read that gave 19 came before 20 was done, one that gave 20 before 21 was, at 210.
  EXPECT_EQ(evidence[2].reference_mono_ns, 110);
  EXPECT_TRUE(evidence[2].upper);
  EXPECT_EQ(evidence[3].local_mono_ns, 2001);
  EXPECT_EQ(evidence[3].reference_mono_ns, 210);
  EXPECT_EQ(evidence[3].source, 5u);
}

}  // namespace
}  // namespace ringside
