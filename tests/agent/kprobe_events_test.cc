// SPDX-License-Identifier: Apache-2.0
#include "agent/kprobe_events.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

TEST(KprobeEventsTest, CallsAreHitsAndMissesOfEachEvent) {
  // As a 5.10 kernel prints it: event, hits, misses.
  const auto calls = ParseKprobeProfile(
      "  host_tun_entry_k_812_0                                  57962               1\n"
      "  host_vhost_n_exit_k_812_0                               40807               0\n");
  EXPECT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls.at("host_tun_entry_k_812_0"), 57963u);
  EXPECT_EQ(calls.at("host_vhost_n_exit_k_812_0"), 40807u);
}

TEST(KprobeEventsTest, WhatIsNoProfileSaysNothing) {
  EXPECT_TRUE(ParseKprobeProfile("").empty());
  EXPECT_TRUE(ParseKprobeProfile("event not-a-number 3\n").empty());
  EXPECT_EQ(ParseKprobeProfile("a 1 2\nb 3\n").size(), 1u);  // cut off in the middle
}

TEST(KprobeEventsTest, WithoutProbesThereIsNothingToRead) {
  EXPECT_TRUE(KprobeEvents().ReadCalls().empty());
}

}  // namespace
}  // namespace ringside
