// SPDX-License-Identifier: Apache-2.0
#include "cli/report_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "cli/format.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

using testing::HasSubstr;
using testing::Not;

Ledger ModelLedger(const PathOptions& options) {
  PathTruth truth;
  return MakeLedger(ModelPath(options, &truth), {});
}

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(ReportTextTest, EveryLineFitsThePageDownToItsLeastWidth) {
  const Ledger ledger = ModelLedger({});
  for (int width = 72; width <= 200; ++width) {
    for (const std::string& line : Lines(ReportTableText(ledger, {.width = width}))) {
      EXPECT_LE(DisplayWidth(line), width) << line;
    }
  }
}

TEST(ReportTextTest, TheTableShowsTheLedgersNumbers) {
  const Ledger ledger = ModelLedger({});
  const std::string text = ReportTableText(ledger, {.width = 0});
  EXPECT_THAT(text, HasSubstr("vm1/eth0/rx0 <- tap0/rx0"));
  for (Count count : {Count::kVhostBatches, Count::kVhostSignalled, Count::kKvmInjected,
                      Count::kGuestIrq, Count::kGuestNone}) {
    EXPECT_THAT(text, HasSubstr(CountCellText(ledger.queues[0].Find(count)))) << CountName(count);
  }
  EXPECT_THAT(text, HasSubstr("holds"));
  EXPECT_THAT(text, Not(HasSubstr("hidden")));
}

TEST(ReportTextTest, WhatWasObservedNowhereIsHiddenFirst) {
  const Ledger ledger = ModelLedger({});
  ASSERT_EQ(ledger.queues[0].Find(Count::kTunOffered), nullptr);
  const std::string wide = ReportTableText(ledger, {.width = 0});
  EXPECT_THAT(Lines(wide)[0], HasSubstr("offered"));
  int width = 0;
  for (const std::string& line : Lines(wide)) width = std::max(width, DisplayWidth(line));
  const std::string narrow = ReportTableText(ledger, {.width = width - 1});
  EXPECT_THAT(Lines(narrow)[0], Not(HasSubstr("offered")));
  EXPECT_THAT(Lines(narrow)[0], HasSubstr("woken"));
  EXPECT_THAT(narrow, HasSubstr("hidden, use --wide"));
}

TEST(ReportTextTest, HeadlineNamesWhatTheNumbersRestOn) {
  setenv("TZ", "UTC", 1);  // NOLINT(concurrency-mt-unsafe): one thread
  tzset();
  Ledger ledger;
  ledger.window = {.from_ns = 1'795'176'131'000'000'000,
                   .to_ns = 1'795'176'133'000'000'000,
                   .bound_ns = 800,
                   .clock = "host1 realtime"};
  ledger.nodes = {
      {.name = "localhost", .alias = "vm1", .kernel = "5.10.0", .rungs = "tracepoint"},
      {.name = "localhost", .alias = "vm1", .kernel = "5.10.0", .rungs = "tracepoint"},
      {.name = "host1", .kernel = "6.1.0", .roles = "host", .rungs = "fentry", .lost = 2}};
  EXPECT_EQ(HeadlineText("slow.rsi", ledger, {.width = 0}),
            "slow.rsi    2026-11-20 12:02:11 to 12:02:13 UTC (2.0 s)    host1 6.1.0 fentry    "
            "localhost (vm1) 5.10.0 tracepoint    clocks +-800 ns (host1 realtime)    lost 2\n");
  for (const std::string& line : Lines(HeadlineText("slow.rsi", ledger, {.width = 60}))) {
    EXPECT_LE(DisplayWidth(line), 60);
  }
}

TEST(ReportTextTest, ViolationsComeFirstWithTheirReason) {
  const Ledger ledger = ModelLedger({.lose_every = 100});
  ASSERT_EQ(ledger.queues[0].verdict, Verdict::kViolated);
  const std::string text = VerdictText("slow.rsi", ledger, {.width = 100});
  EXPECT_THAT(Lines(text)[0], HasSubstr("vm1/eth0/rx0 <- tap0/rx0   violated"));
  EXPECT_THAT(text, HasSubstr("kvm.injected - kvm.merged = guest.irq"));
  EXPECT_THAT(Lines(text).back(), HasSubstr("next: ringside ledger slow.rsi --queue vm1/eth0/rx0"));
}

TEST(ReportTextTest, HealthIsSaidInOneLine) {
  const std::string text = VerdictText("a b.rsi", ModelLedger({}), {.width = 100});
  EXPECT_EQ(text,
            "1 of 1 queues: every identity that could be judged holds\n"
            "next: ringside ledger 'a b.rsi'\n");
}

TEST(ReportTextTest, OneSideAloneIsSaid) {
  PathTruth truth;
  Recording recording = ModelPath({.batches = 3000}, &truth);
  recording.streams.erase(recording.streams.begin());
  EXPECT_THAT(VerdictText("x.rsi", MakeLedger(recording, {}), {.width = 0}),
              HasSubstr("nothing was compared across"));
}

TEST(ReportTextTest, ManyOpenQueuesAreSummedUp) {
  Ledger ledger;
  for (int i = 0; i < 8; ++i) {
    ledger.queues.push_back({.queue = "vm1/eth0/rx" + std::to_string(i)});
  }
  EXPECT_THAT(VerdictText("x.rsi", ledger, {}), HasSubstr("and 5 more inconclusive"));
}

TEST(ReportTextTest, RowsCarryEveryCount) {
  const Ledger ledger = ModelLedger({});
  const Json rows = ReportRows(ledger);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["verdict"], "holds");
  EXPECT_TRUE(rows[0]["finding"].is_null());
  EXPECT_EQ(rows[0]["counts"].size(), ledger.queues[0].counts.size());
}

TEST(ReportTextTest, AnIncidentWithoutQueuesSaysSo) {
  EXPECT_EQ(ReportTableText({}, {}), "no queue was recorded\n");
}

}  // namespace
}  // namespace ringside
