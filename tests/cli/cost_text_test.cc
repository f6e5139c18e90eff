// SPDX-License-Identifier: Apache-2.0
#include "cli/cost_text.h"

#include <gmock/gmock.h>

namespace ringside {
namespace {

using ::testing::HasSubstr;

HookReport Report() {
  HookReport report{.watched_ns = 2'000'000'000, .measured = true};
  report.costs = {{.group = "napi", .rung = Rung::kTpBtf, .target = "napi:napi_poll", .hits = 4},
                  {.group = "irq",
                   .rung = Rung::kTpBtf,
                   .target = "irq:irq_handler_entry",
                   .hits = 20'000,
                   .runs = 20'000,
                   .run_ns = 2'000'000},
                  {.group = "signals",
                   .rung = Rung::kKprobe,
                   .target = "irqfd_wakeup",
                   .hits = 20'000,
                   .runs = 20'000,
                   .run_ns = 4'000'000}};
  return report;
}

TEST(CostText, CostliestFirstAndKprobesPayTheirEntry) {
  const HookReport report = Report();
  const std::vector<CostRow> rows = CostRows(report);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].cost->target, "irqfd_wakeup");
  EXPECT_DOUBLE_EQ(*rows[0].hit_ns, 300) << "200 measured, 100 before its program runs";
  EXPECT_DOUBLE_EQ(*rows[0].percent, 0.3);
  EXPECT_DOUBLE_EQ(*rows[1].hit_ns, 100);
  EXPECT_FALSE(rows[2].hit_ns.has_value()) << "four hits are no measurement";
  const std::string text = CostText(report, 4, {.width = 0});
  EXPECT_THAT(text, HasSubstr("at least 0.400% of one CPU, 0.1000% of this machine's 4"));
}

TEST(CostText, NotMeasuredIsSaidAndNothingInvented) {
  HookReport report = Report();
  report.measured = false;
  EXPECT_THAT(CostText(report, 4, {.width = 0}), HasSubstr("did not measure"));
  const Json json = CostJson(report, 4);
  EXPECT_EQ(json["hooks"][0]["hit_ns"], nullptr);
  EXPECT_EQ(json["complete"], false);
}

}  // namespace
}  // namespace ringside
