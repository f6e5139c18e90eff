// SPDX-License-Identifier: Apache-2.0
#include "cli/json.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

std::set<std::string> Keys(const Json& json) {
  std::set<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.insert(key);
  return keys;
}

Ledger ModelLedger(const PathOptions& options) {
  PathTruth truth;
  return MakeLedger(ModelPath(options, &truth), {});
}

// The object as the design documents it; whatever is added later must not move these.
TEST(JsonTest, LedgerHasTheDocumentedShape) {
  const Json json = LedgerJson(ModelLedger({}));
  EXPECT_EQ(Keys(json), (std::set<std::string>{"schema", "window", "queues"}));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(Keys(json["window"]), (std::set<std::string>{"from", "to", "clock", "bound_ns"}));
  EXPECT_TRUE(json["window"]["from"].is_string());
  EXPECT_TRUE(json["window"]["bound_ns"].is_number_integer());
  ASSERT_EQ(json["queues"].size(), 1u);
  const Json& queue = json["queues"][0];
  EXPECT_EQ(Keys(queue), (std::set<std::string>{"queue", "host_queue", "irq_name", "binding",
                                                "counts", "identities"}));
  EXPECT_EQ(queue["queue"], "vm1/eth0/rx0");
  EXPECT_EQ(queue["host_queue"], "host1/tap0/rx0");
  EXPECT_TRUE(queue["irq_name"].is_string());
  EXPECT_EQ(queue["binding"]["bound"], true);
  EXPECT_EQ(queue["binding"]["provisional"], false);
  EXPECT_FALSE(queue["binding"]["evidence"].empty());
  EXPECT_EQ(queue["binding"]["cut"]["by"], "position");
  ASSERT_FALSE(queue["identities"].empty());
  for (const Json& identity : queue["identities"]) {
    EXPECT_EQ(Keys(identity), (std::set<std::string>{"id", "verdict", "residuals", "why"}));
    EXPECT_TRUE(identity["residuals"].is_object());
    for (const Json& residual : identity["residuals"]) {
      EXPECT_EQ(Keys(residual), (std::set<std::string>{"lo", "hi"}));
    }
  }
}

TEST(JsonTest, CountsAreTheLedgersOwn) {
  const Ledger ledger = ModelLedger({});
  const Json json = LedgerJson(ledger);
  const Json& counts = json["queues"][0]["counts"];
  EXPECT_EQ(counts.size(), ledger.queues[0].counts.size());
  for (const CountCell& cell : ledger.queues[0].counts) {
    const Json& entry = counts.at(std::string(CountName(cell.count)));
    EXPECT_EQ(Keys(entry), (std::set<std::string>{"lo", "hi", "hook"}));
    EXPECT_EQ(entry["lo"], cell.lo);
    EXPECT_EQ(entry["hook"], cell.hook);
    if (cell.hi) {
      EXPECT_EQ(entry["hi"], *cell.hi);
    } else {
      EXPECT_TRUE(entry["hi"].is_null());
    }
  }
}

TEST(JsonTest, OneSidedQueuesHaveANullName) {
  PathTruth truth;
  Recording recording = ModelPath({}, &truth);
  recording.streams.erase(recording.streams.begin());
  const Json json = LedgerJson(MakeLedger(recording, {}));
  ASSERT_EQ(json["queues"].size(), 1u);
  const Json& queue = json["queues"][0];
  EXPECT_NE(queue["queue"].is_null(), queue["host_queue"].is_null());
}

TEST(JsonTest, WhatIsUnknownIsNull) {
  Ledger ledger;
  ledger.queues.push_back({.queue = "vm1/eth0/rx0"});
  QueueLedger& queue = ledger.queues.front();
  queue.counts.push_back({.count = Count::kGuestIrq, .lo = 5, .hook = "kprobe"});
  queue.identities.push_back(
      {.id = "a = b", .by_definition = true, .residuals = {{"rest", INT64_MIN, INT64_MAX}}});
  const Json json = LedgerJson(ledger)["queues"][0];
  EXPECT_TRUE(json["counts"]["guest.irq"]["hi"].is_null());
  EXPECT_TRUE(json["identities"][0]["verdict"].is_null()) << "by definition: no verdict";
  EXPECT_TRUE(json["identities"][0]["residuals"]["rest"]["lo"].is_null());
  EXPECT_TRUE(json["identities"][0]["residuals"]["rest"]["hi"].is_null());
}

TEST(JsonTest, TextsOfGuestsCannotBreakTheObject) {
  Ledger ledger;
  ledger.queues.push_back({.queue = "vm\xff\"/eth0/\x1b[2J"});
  const std::string text = JsonText(LedgerJson(ledger));
  EXPECT_TRUE(Json::accept(text));
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(JsonTest, RowsStandInTheCommonFrame) {
  const Json json = RowsJson({.from_ns = 0, .to_ns = 1, .bound_ns = 7, .clock = "c"},
                             Json::array({Json{{"a", 1}}}));
  EXPECT_EQ(Keys(json), (std::set<std::string>{"schema", "window", "rows"}));
  EXPECT_EQ(json["window"]["from"], "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(json["rows"][0]["a"], 1);
}

}  // namespace
}  // namespace ringside
