// SPDX-License-Identifier: Apache-2.0
#include "cli/incident_args.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command.h"

namespace ringside {
namespace {

using testing::HasSubstr;

Ledger TwoQueues() {
  Ledger ledger;
  ledger.queues.push_back({.queue = "vm1/eth0/rx1", .host_queue = "host1/tap0/rx1"});
  ledger.queues.push_back({.queue = "vm2/eth0/rx1", .host_queue = "host1/tap1/rx1"});
  return ledger;
}

TEST(IncidentArgsTest, EitherSidesNameWorks) {
  EXPECT_EQ(*FindQueue(TwoQueues(), "vm2/eth0/rx1", "x.rsi"), 1u);
  EXPECT_EQ(*FindQueue(TwoQueues(), "host1/tap0/rx1", "x.rsi"), 0u);
}

TEST(IncidentArgsTest, TheEndOfANameIsEnoughWhereItIsOne) {
  EXPECT_EQ(*FindQueue(TwoQueues(), "tap1/rx1", "x.rsi"), 1u);
  EXPECT_THAT(Message(FindQueue(TwoQueues(), "eth0/rx1", "x.rsi").status()),
              HasSubstr("ambiguous in x.rsi: vm1/eth0/rx1 and vm2/eth0/rx1"));
  EXPECT_FALSE(FindQueue(TwoQueues(), "x1", "x.rsi").ok()) << "only whole parts of a name";
}

TEST(IncidentArgsTest, AnUnknownQueueNamesTheKnownOnes) {
  EXPECT_THAT(Message(FindQueue(TwoQueues(), "vm1/eth0/rx9", "x.rsi").status()),
              HasSubstr("it has vm1/eth0/rx1 and vm2/eth0/rx1"));
}

TEST(IncidentArgsTest, UsageErrorsAreTold) {
  EXPECT_TRUE(IsUsageError(UsageError("x")));
  EXPECT_FALSE(IsUsageError(absl::InvalidArgumentError("x")));
}

}  // namespace
}  // namespace ringside
