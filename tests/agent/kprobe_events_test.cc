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

TEST(KprobeEventsTest, EventsOfOursNameTheirMaker) {
  EXPECT_EQ(OwnKprobeEvent("r1024:ringside/host_tun_exit_k_812_0 tun_net_xmit"),
            "host_tun_exit_k_812_0");
  EXPECT_EQ(OwnKprobeEvent("p:ringside/host_accept_k_7_3 __apic_accept_irq"), "host_accept_k_7_3");
  EXPECT_EQ(OwnKprobeEvent("p:kprobes/host_accept_k_7_3 __apic_accept_irq"), "");
  EXPECT_EQ(OwnKprobeEvent("p:ringside/"), "");
  EXPECT_EQ(MakerOfKprobeEvent("host_tun_exit_k_812_0"), 812);
  EXPECT_EQ(MakerOfKprobeEvent("no-number_x_0"), 0);
  EXPECT_EQ(MakerOfKprobeEvent("_0"), 0);
  EXPECT_EQ(MakerOfKprobeEvent(""), 0);
}

TEST(KprobeEventsTest, WithoutProbesThereIsNothingToRead) {
  EXPECT_TRUE(KprobeEvents().ReadCalls().empty());
}

}  // namespace
}  // namespace ringside
