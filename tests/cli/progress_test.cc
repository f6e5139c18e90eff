// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

TEST(ProgressTest, SaysHowFarAndHowMuch) {
  AgentTotals totals{.queues = 12, .interrupts = 1234};
  EXPECT_EQ(ProgressText(3'200'000'000, 10 * kSecondNs, totals),
            "recording 3.2 of 10 s, 12 queues, 1,234 interrupts");
  EXPECT_EQ(ProgressText(0, 250'000'000, totals),
            "recording 0.0 of 0.25 s, 12 queues, 1,234 interrupts");
}

TEST(ProgressTest, WithoutAnEndOnlyHowLong) {
  EXPECT_EQ(ProgressText(61 * kSecondNs, 0, {.queues = 1}),
            "recording 61.0 s, 1 queue, 0 interrupts");
}

TEST(ProgressTest, LossesAreSaid) {
  EXPECT_EQ(ProgressText(0, 0, {.queues = 2, .events = 5000, .dropped = 3}),
            "recording 0.0 s, 2 queues, 0 interrupts, 5,000 events, 3 dropped");
}

}  // namespace
}  // namespace ringside
