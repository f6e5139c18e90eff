// SPDX-License-Identifier: Apache-2.0
// What details of a backend's writes add to findings.
#include <gtest/gtest.h>

#include "correlate/latency_evidence.h"

namespace ringside {
namespace {

TEST(WritersTest, ASlowPathIsToldWithWhatItCostsTheWriter) {
  std::vector<Finding> findings(3);
  findings[0].cause = findings[2].cause = Cause::kSlowPathInjection;
  findings[1].cause = Cause::kInterruptMerging;
  for (Finding& finding : findings) finding.host_queue = "host1/vhu0/rx0";
  findings[2].host_queue = "host1/vhu0/rx1";
  WriterLatency writer{.queue = "host1/vhu0/rx0", .returned = {}, .forwarded = {}};
  for (int i = 0; i < 98; ++i) writer.returned.Add(8'000);
  for (int i = 0; i < 2; ++i) writer.returned.Add(159'000);
  TellWriters({writer}, &findings);
  ASSERT_EQ(findings[0].evidence.size(), 1u);
  EXPECT_EQ(findings[0].evidence[0].text,
            "host1/vhu0/rx0: a write to its eventfd held the thread that made it 8.0 us (median), "
            "157.7 us (99%), in 100 writes: what it polls waited as long");
  EXPECT_TRUE(findings[1].evidence.empty());
  EXPECT_TRUE(findings[2].evidence.empty());
}

}  // namespace
}  // namespace ringside
