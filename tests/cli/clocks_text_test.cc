// SPDX-License-Identifier: Apache-2.0
#include "cli/clocks_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kS = 1'000'000'000;
constexpr int64_t kZero = 1'790'000'000 * kS;

ClockRelation Relation() {
  ClockRelation relation{.node = "vm1", .against = "host1"};
  relation.sources = {{"vm1/eth0/rx0", 1200}, {"vm1/eth0/rx1", 34}};
  for (int64_t i = 0; i <= 10; ++i) {
    relation.moments.push_back({kZero + i * kS, i, {}, 2'000 + 100 * i, {}, 0});
  }
  return relation;
}

TEST(ClocksTextTest, BoundsAndSources) {
  const std::string text = ClocksText({Relation()}, kZero, {.width = 120});
  EXPECT_THAT(text, HasSubstr("2 queues"));
  EXPECT_THAT(text, HasSubstr("1,234"));
  EXPECT_THAT(text, HasSubstr("+-2.5 us"));
  EXPECT_THAT(text, HasSubstr("+-3.0 us"));
  EXPECT_THAT(text, HasSubstr("interrupts and batches can be put in order"));
  EXPECT_THAT(text, Not(HasSubstr("event")));
}

TEST(ClocksTextTest, WhatDoesNotFitIsTold) {
  ClockRelation relation = Relation();
  relation.sources[1].wrong = true;
  relation.trust = ClockTrust::kStepped;
  relation.events.push_back({kZero, kZero + kS, "its counter stepped"});
  relation.disagreeing = 3;
  relation.who_disagrees = "queues and exchange";
  relation.notes = {"TSC offset: its vCPUs' TSC offsets differ"};
  relation.apart_ns = 5'000'000;
  const std::string text = ClocksText({relation}, kZero, {.width = 200});
  EXPECT_THAT(text, HasSubstr("2 queues, 1 wrong"));
  EXPECT_THAT(text, HasSubstr("1,200"));
  EXPECT_THAT(text, HasSubstr("vm1/eth0/rx1 cannot be true beside the others (vm1 - host1)"));
  EXPECT_THAT(text, HasSubstr("its counter stepped"));
  EXPECT_THAT(text, HasSubstr("at 3 of 11 moments its sources do not meet (queues and exchange)"));
  EXPECT_THAT(text, HasSubstr("if the clock stepped, else wrong"));
  EXPECT_THAT(text, HasSubstr("not used   vm1 - host1, TSC offset: its vCPUs' TSC offsets differ"));
}

// A moment without a bound makes its step of time unknown, never narrow.
TEST(ClocksTextTest, UnknownIsADash) {
  ClockRelation relation = Relation();
  relation.moments[5].half_ns.reset();
  const std::string text = ClocksText({relation}, kZero, {.width = 120});
  EXPECT_THAT(text, testing::ContainsRegex("\\+5.0s +-\n"));
  for (ClockMoment& moment : relation.moments) moment.half_ns.reset();
  EXPECT_THAT(ClocksText({relation}, kZero, {.width = 120}),
              HasSubstr("unknown: nothing bounds it on both sides"));
  const Json rows = ClocksRows({relation});
  EXPECT_TRUE(rows[0]["bound_ns"].is_null());
  EXPECT_TRUE(rows[0]["moments"][0]["bound_ns"].is_null());
  EXPECT_EQ(rows[0]["trust"], "good");
}

TEST(ClocksTextTest, NothingToHoldAgainstEachOther) {
  EXPECT_THAT(ClocksText({}, kZero, {}), HasSubstr("No clock can be held against another"));
}

}  // namespace
}  // namespace ringside
