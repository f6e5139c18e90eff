// SPDX-License-Identifier: Apache-2.0
#include "agent/proc_counts.h"

#include <gtest/gtest.h>

#include <string>

#include "agent/kernel_files.h"

namespace ringside {
namespace {

TEST(SpuriousFileTest, TakesTheKernelsThreeNumbers) {
  const auto numbers = ParseSpurious("count 18460\nunhandled 24\nlast_unhandled 10299000 ms");
  ASSERT_TRUE(numbers);
  EXPECT_EQ(*numbers, (SpuriousNumbers{18460, 24, 10299000}));
}

TEST(SpuriousFileTest, WhatIsCutIsNothingAndNoTrap) {
  const std::string text = "count 18460\nunhandled 24\nlast_unhandled 10299000 ms";
  for (size_t n = 0; n <= text.size(); ++n) {
    const bool whole = ParseSpurious(text.substr(0, n)).has_value();
    EXPECT_TRUE(!whole || n > text.find("last_unhandled ") + 14) << n;
  }
  EXPECT_FALSE(ParseSpurious("count 99999999999\nunhandled 1\nlast_unhandled 1 ms"));
  EXPECT_FALSE(ParseSpurious("count -1\nunhandled 1\nlast_unhandled 1 ms"));
}

TEST(SpuriousFileTest, ReadsThisKernels) {
  int files = 0;
  for (const std::string& irq : ListDirectory("/proc/irq")) {
    const std::string text = ReadText("/proc/irq/" + irq + "/spurious");
    if (text.empty()) continue;
    EXPECT_TRUE(ParseSpurious(text)) << text;
    ++files;
  }
  if (files == 0) GTEST_SKIP() << "no /proc/irq/N/spurious here";
}

TEST(SoftnetTest, TakesProcessedAndSqueezedOfEachCpu) {
  const auto cpus = ParseSoftnet(
      "00000973 00000000 00000004 00000000 00000000\n0005bc64 00000007 0000000a 00000000\n");
  ASSERT_EQ(cpus.size(), 2u);
  EXPECT_EQ(cpus[0].processed, 0x973u);
  EXPECT_EQ(cpus[0].squeezed, 4u);
  EXPECT_EQ(cpus[1].processed, 0x5bc64u);
  EXPECT_EQ(cpus[1].squeezed, 10u);
  EXPECT_TRUE(ParseSoftnet("").empty());
  EXPECT_TRUE(ParseSoftnet("00000973 0000\nnonsense\n").empty());
}

TEST(SoftnetTest, SumsGoOnAcrossTurnsAndLostCpus) {
  SoftnetTotals totals;
  EXPECT_FALSE(totals.Add({}));
  EXPECT_TRUE(totals.Add({{0xfffffff0, 1}, {100, 0}}));
  EXPECT_EQ(totals.processed(), 0xfffffff0ull + 100);
  totals.Add({{0x10, 2}, {130, 0}});
  EXPECT_EQ(totals.processed(), 0x100000010ull + 130);
  EXPECT_EQ(totals.squeezed(), 2u);
  totals.Add({{140, 5}});  // one CPU went: nobody knows which line is whose
  EXPECT_EQ(totals.processed(), 0x100000010ull + 130);
  totals.Add({{150, 6}});
  EXPECT_EQ(totals.processed(), 0x100000010ull + 140);
  EXPECT_EQ(totals.squeezed(), 3u);
}

TEST(SchedstatTest, TakesThreeNumbers) {
  const auto numbers = ParseSchedstat("123456789 4242 17\n");
  ASSERT_TRUE(numbers.has_value());
  EXPECT_EQ(numbers->run_ns, 123456789u);
  EXPECT_EQ(numbers->delay_ns, 4242u);
  EXPECT_EQ(numbers->runs, 17u);
  EXPECT_FALSE(ParseSchedstat("123456789 4242"));
  EXPECT_FALSE(ParseSchedstat(""));
}

TEST(DisabledIrqTest, IsTheNumberOfTheKernelsLine) {
  EXPECT_EQ(ParseDisabledIrq("Disabling IRQ #25"), 25);
  EXPECT_EQ(ParseDisabledIrq("irq 25: nobody cared (try booting with the \"irqpoll\" option)"),
            std::nullopt);
  EXPECT_EQ(ParseDisabledIrq("Disabling IRQ #"), std::nullopt);
}

}  // namespace
}  // namespace ringside
