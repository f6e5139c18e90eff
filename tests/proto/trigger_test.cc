// SPDX-License-Identifier: Apache-2.0
// Triggers as text, out of the kernel's log, and over the wire.
#include "proto/trigger.h"

#include <gtest/gtest.h>

#include "proto/control.h"
#include "proto/ringside.pb.h"

namespace ringside {
namespace {

TEST(TriggerTest, TheTextThatIsStoredReadsBack) {
  const Trigger trigger{.source = "finding",
                        .queues = {"vm1/eth0/rx1", "host1/tap0/rx1"},
                        .reason = "dead-queue: nobody polls: not at all",
                        .before_ns = 2'500'000'000,
                        .after_ns = 1'000'000'000};
  const std::string text = TriggerText(trigger);
  EXPECT_EQ(text,
            "finding vm1/eth0/rx1,host1/tap0/rx1 -2.500s +1.000s: dead-queue: nobody polls: not at "
            "all");
  EXPECT_EQ(ParseTriggerText(text), trigger);
  const Trigger bare{.source = "command", .queues = {}, .reason = ""};
  EXPECT_EQ(ParseTriggerText(TriggerText(bare)), bare);
}

TEST(TriggerTest, OtherTextsAreNone) {
  for (const char* text :
       {"", "x", "command", "command -", "command - 2s 1s: x", "command - -2s +1s x",
        "command - -2s +1: x", "command - -s +1s: x", "command - --2s +1s: x",
        "command - -nans +1s: x", "command - -1e300s +1s: x", "command  -2s +1s: x"}) {
    EXPECT_FALSE(ParseTriggerText(text)) << text;
  }
}

TEST(TriggerTest, LinesOfTheKernelsLog) {
  const auto queue_of_irq = [](int irq) { return irq == 25 ? std::string("eth0/rx0") : ""; };
  const auto of = [&](const char* line) { return TriggerOfLogLine(line, queue_of_irq); };
  const auto cared = of("irq 25: nobody cared (try booting with the \"irqpoll\" option)");
  ASSERT_TRUE(cared);
  EXPECT_EQ(cared->source, "log");
  EXPECT_EQ(cared->queues, std::vector<std::string>{"eth0/rx0"});
  EXPECT_EQ(of("Disabling IRQ #25")->queues, std::vector<std::string>{"eth0/rx0"});
  EXPECT_TRUE(of("Disabling IRQ #7")->queues.empty());  // not ours, and still a reason
  const auto watchdog =
      of("NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 1 timed out 5012 ms");
  EXPECT_EQ(watchdog->queues, std::vector<std::string>{"eth0/tx1"});
  EXPECT_FALSE(of("virtio_net virtio0 eth0: renamed from eth1"));
  EXPECT_FALSE(of("Disabling IRQ #"));
}

TEST(TriggerTest, WhatComesOverTheWireIsBounded) {
  v1::TriggerRequest message;
  message.set_source("a b,c");
  for (int i = 0; i < 1000; ++i) message.add_queues(i == 0 ? " " : "vm1/e th0/rx,1");
  message.set_reason(std::string(100'000, 'x') + "\n");
  message.set_before_ns(-5);
  message.set_after_ns(int64_t{1} << 62);
  const Trigger trigger = DecodeTrigger(message);
  EXPECT_EQ(trigger.source, "abc");
  EXPECT_EQ(trigger.queues.size(), kTriggerQueuesMax);
  EXPECT_EQ(trigger.queues[0], "vm1/eth0/rx1");
  EXPECT_LE(trigger.reason.size(), 4096u);
  EXPECT_EQ(trigger.before_ns, 0);
  EXPECT_EQ(trigger.after_ns, kTriggerSpanMax_ns);
}

TEST(ControlTest, OrdersAreChecked) {
  const DetailOrder order{.wishes = {"vm1/eth0/rx1", "all"}, .recorder = true, .for_ns = 7};
  v1::SetDetailRequest message;
  EncodeDetailOrder(order, &message);
  EXPECT_EQ(*DecodeDetailOrder(message), order);
  message.set_for_ns(-1);
  EXPECT_FALSE(DecodeDetailOrder(message).ok());
  message.set_for_ns(kDetailForMax_ns + 1);
  EXPECT_FALSE(DecodeDetailOrder(message).ok());
  message.set_for_ns(0);
  message.add_wishes("");
  EXPECT_FALSE(DecodeDetailOrder(message).ok());
  message.clear_wishes();
  for (size_t i = 0; i <= kWishesMax; ++i) message.add_wishes("all");
  EXPECT_FALSE(DecodeDetailOrder(message).ok());
}

}  // namespace
}  // namespace ringside
