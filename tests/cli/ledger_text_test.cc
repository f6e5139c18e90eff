// SPDX-License-Identifier: Apache-2.0
#include "cli/ledger_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/format.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

using testing::HasSubstr;

TEST(LedgerTextTest, ShowsBindingCutCountsAndIdentities) {
  PathTruth truth;
  const Ledger ledger = MakeLedger(ModelPath({}, &truth), {});
  const QueueLedger& queue = ledger.queues[0];
  const std::string text = LedgerText(ledger, {.width = 0});
  EXPECT_THAT(text, HasSubstr("vm1/eth0/rx0 <- host1/tap0/rx0   holds"));
  for (const std::string& evidence : queue.binding.evidence) EXPECT_THAT(text, HasSubstr(evidence));
  EXPECT_THAT(text, HasSubstr("by position, " + Thousands(queue.cut.from_pos) + " to "));
  for (const CountCell& cell : queue.counts) {
    EXPECT_THAT(text, HasSubstr(std::string(CountName(cell.count))));
    EXPECT_THAT(text, HasSubstr(CountCellText(&cell)));
  }
  for (const Identity& identity : queue.identities) {
    EXPECT_THAT(text, HasSubstr(identity.id));
    EXPECT_THAT(text, HasSubstr("why: " + identity.why));
    for (const Residual& residual : identity.residuals) {
      EXPECT_THAT(text, HasSubstr(residual.name + " " + RangeText(residual.lo, residual.hi)));
    }
  }
}

TEST(LedgerTextTest, OneSidedQueuesSayWhatIsMissing) {
  Ledger ledger;
  ledger.queues.push_back({.queue = "vm1/eth0/rx0"});
  ledger.queues.push_back({.host_queue = "host1/tap0/rx0"});
  const std::string text = LedgerText(ledger, {.width = 0});
  EXPECT_THAT(text, HasSubstr("only the guest's side was recorded"));
  EXPECT_THAT(text, HasSubstr("only the host's side was recorded"));
  EXPECT_THAT(text, HasSubstr("no count was observed"));
}

TEST(LedgerTextTest, ProvisionalAndByTimeAreSaid) {
  Ledger ledger;
  ledger.queues.push_back({.queue = "vm1/eth0/rx0", .host_queue = "host1/tap0/rx0"});
  ledger.queues[0].binding = {.bound = true, .provisional = true, .evidence = {"one key"}};
  ledger.queues[0].cut.why_not = "fewer than two common marks";
  ledger.queues[0].identities.push_back({.id = "a = b", .by_definition = true});
  const std::string text = LedgerText(ledger, {.width = 0});
  EXPECT_THAT(text, HasSubstr("provisional (never judged as violated): one key"));
  EXPECT_THAT(text, HasSubstr("by time: fewer than two common marks"));
  EXPECT_THAT(text, HasSubstr("a = b   by definition"));
}

}  // namespace
}  // namespace ringside
