// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_log.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

TEST(KernelLogTest, TakesLinesOfOurSubject) {
  const auto line = ParseKernelLogRecord(
      "3,1042,98765432,-;irq 69: nobody cared (try booting with the \"irqpoll\" option)\n"
      " SUBSYSTEM=x\n");
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->level, 3u);
  EXPECT_EQ(line->mono_ns, 98765432000);
  EXPECT_EQ(line->text, "irq 69: nobody cared (try booting with the \"irqpoll\" option)");
}

TEST(KernelLogTest, LeavesOtherLinesAndNonsense) {
  EXPECT_FALSE(ParseKernelLogRecord("6,1,2,-;EXT4-fs (vda1): mounted").has_value());
  EXPECT_FALSE(ParseKernelLogRecord("x,y;virtio").has_value());
  EXPECT_FALSE(ParseKernelLogRecord("").has_value());
  EXPECT_FALSE(ParseKernelLogRecord("no semicolon virtio").has_value());
}

}  // namespace
}  // namespace ringside
