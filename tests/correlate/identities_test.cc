// SPDX-License-Identifier: Apache-2.0
#include "correlate/identities.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ringside {
namespace {

Verdict OfWakeUps(uint64_t woken, uint64_t injected, uint64_t slow) {
  QueueLedger ledger;
  ledger.counts = {{.count = Count::kIrqfdWoken, .lo = woken, .hi = woken},
                   {.count = Count::kKvmInjected, .lo = injected, .hi = injected},
                   {.count = Count::kKvmRejected, .lo = 0, .hi = 0},
                   {.count = Count::kKvmSlowpath, .lo = slow, .hi = slow}};
  JudgeIdentities({}, &ledger);
  const auto identity = std::find_if(
      ledger.identities.begin(), ledger.identities.end(),
      [](const Identity& i) { return i.id == "irqfd.woken = kvm.injected + kvm.rejected"; });
  EXPECT_NE(identity, ledger.identities.end());
  return identity == ledger.identities.end() ? Verdict::kInconclusive : identity->verdict;
}

TEST(Identities, WorkOfTheSlowPathMergesAndNeverDoubles) {
  EXPECT_EQ(OfWakeUps(100, 100, 60), Verdict::kHolds);
  EXPECT_EQ(OfWakeUps(100, 40, 60), Verdict::kHolds);     // all of it merged
  EXPECT_EQ(OfWakeUps(100, 38, 60), Verdict::kViolated);  // the fast path's are short, too
  EXPECT_EQ(OfWakeUps(100, 102, 60), Verdict::kHolds);    // one under way at each kind of edge
  EXPECT_EQ(OfWakeUps(100, 103, 60), Verdict::kViolated);
  EXPECT_EQ(OfWakeUps(100, 102, 0), Verdict::kViolated);
}

// A route without a queue (vsock's, before it was known): more wake-ups than signals that were
// counted say nothing; fewer do.
TEST(Identities, WakeUpsByWhoIsNotKnown) {
  const auto judge = [](uint64_t other, uint64_t woken) {
    QueueLedger ledger;
    ledger.counts = {{.count = Count::kEventfdWritten, .lo = 0, .hi = 0},
                     {.count = Count::kEventfdOther, .lo = other, .hi = other},
                     {.count = Count::kIrqfdWoken, .lo = woken, .hi = woken}};
    JudgeIdentities({}, &ledger);
    return ledger.identities.front().verdict;
  };
  EXPECT_EQ(judge(443, 443), Verdict::kHolds);
  EXPECT_EQ(judge(441, 443), Verdict::kInconclusive);
  EXPECT_EQ(judge(443, 441), Verdict::kViolated);
}

}  // namespace
}  // namespace ringside
