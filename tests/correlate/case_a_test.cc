// SPDX-License-Identifier: Apache-2.0
// The published chain of case A, told from its own counts: what follows from what holds; that busy
// polling switched the interrupt off does not follow from them.
#include "tests/correlate/case_a.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "correlate/analysis.h"

namespace ringside {
namespace {

const Finding* Find(const Analysis& analysis, Cause cause) {
  const auto found = std::find_if(analysis.findings.begin(), analysis.findings.end(),
                                  [&](const Finding& f) { return f.cause == cause; });
  return found == analysis.findings.end() ? nullptr : &*found;
}

TEST(CaseATest, TheChainIsToldAndItsRootIsNotProved) {
  const Recording recording = PublishedCaseA();
  const Analysis analysis = Analyse(recording, {});
  const Finding* disabled = Find(analysis, Cause::kIrqDisabled);
  const Finding* dead = Find(analysis, Cause::kDeadQueue);
  const Finding* full = Find(analysis, Cause::kTunRingFull);
  const Finding* busy = Find(analysis, Cause::kBusyPollSpurious);
  ASSERT_NE(disabled, nullptr);
  ASSERT_NE(dead, nullptr);
  ASSERT_NE(full, nullptr);
  ASSERT_NE(busy, nullptr);
  using Ids = std::vector<std::string>;
  EXPECT_EQ(dead->caused_by, Ids{"irq-disabled"});
  EXPECT_EQ(full->caused_by, (Ids{"dead-queue", "irq-disabled"}));
  // 878 of 8,567 cannot be more than 99,900 of 100,000.
  EXPECT_EQ(disabled->contributors, Ids{"busy-poll-spurious"});
  EXPECT_TRUE(disabled->caused_by.empty());
  EXPECT_FALSE(disabled->missing.empty());
  EXPECT_FALSE(busy->root);
  EXPECT_EQ(analysis.ledger.queues.front().queue, "vm1/eth0/rx2");
}

}  // namespace
}  // namespace ringside
