// SPDX-License-Identifier: Apache-2.0
#include "cli/queues_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

Recording Model() {
  PathTruth truth;
  return ModelPath({}, &truth);
}

TEST(QueuesTextTest, BothSidesNameEachOther) {
  const Recording recording = Model();
  const auto rows = ListQueues(recording, MakeLedger(recording, {}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].name, "host1/tap0/rx0");
  EXPECT_EQ(rows[0].partner, "vm1/eth0/rx0");
  EXPECT_EQ(rows[1].name, "vm1/eth0/rx0");
  EXPECT_EQ(rows[1].partner, "host1/tap0/rx0");
  EXPECT_FALSE(rows[0].provisional);
  const std::string text = QueuesText(rows, {.width = 0});
  EXPECT_THAT(text, HasSubstr("guest"));
  EXPECT_THAT(text, HasSubstr("host"));
}

TEST(QueuesTextTest, TheLastDescriptionAndStateCount) {
  Recording recording = Model();
  Stream& stream = recording.streams.back();
  QueueInfo later = stream.queues.back();
  later.irq = 99;
  later.vm_name = "db-7";
  stream.queues.push_back(later);
  Snapshot snapshot;
  snapshot.gauges = {{later.id, Gauge::kUsed, 4711}};
  stream.snapshots.push_back(snapshot);
  const auto rows = ListQueues(recording, MakeLedger(recording, {}));
  const std::string text = QueuesText(rows, {.width = 0});
  EXPECT_THAT(text, HasSubstr("99"));
  EXPECT_THAT(text, HasSubstr("db-7"));
  EXPECT_THAT(text, HasSubstr("used 4,711"));
  const Json json = QueuesRows(rows);
  EXPECT_EQ(json[1]["gauges"]["ring.used"], 4711);
  EXPECT_EQ(json[1]["irq"], 99);
}

TEST(QueuesTextTest, UnknownIsADashInTextAndNullInJson) {
  QueueRow row{.name = "vm1/eth0/rx0", .info = {}, .partner = "", .gauges = {}};
  EXPECT_THAT(QueuesText({row}, {.width = 0}), ContainsRegex("guest +- +- +- +- +- +- +-"));
  const Json json = QueuesRows({row});
  for (const char* key : {"irq", "irq_name", "ring_size", "partner", "provisional", "msi"}) {
    EXPECT_TRUE(json[0][key].is_null()) << key;
  }
}

}  // namespace
}  // namespace ringside
