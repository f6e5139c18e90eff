// SPDX-License-Identifier: Apache-2.0
#include "correlate/series.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

constexpr QueueId kQueue{1};
constexpr HookId kHook{1};

Snapshot At(uint64_t sequence, bool full, std::vector<Sample> samples) {
  Snapshot snapshot{.sequence = sequence, .full = full};
  snapshot.samples = std::move(samples);
  return snapshot;
}

TEST(SeriesTest, CarriesValuesForwardButNotOverAHole) {
  Stream stream;
  stream.snapshots = {At(1, true, {{kQueue, Count::kGuestIrq, kHook, 5, 6}}), At(2, false, {}),
                      At(4, false, {}),  // 3 is lost
                      At(5, true, {{kQueue, Count::kGuestIrq, kHook, 9, 9}})};
  const StreamSeries series(stream);
  EXPECT_EQ(series.CountAt(kQueue, Count::kGuestIrq, kHook, 0)->hi, 6u);
  EXPECT_EQ(series.CountAt(kQueue, Count::kGuestIrq, kHook, 1)->lo, 5u);
  EXPECT_FALSE(series.CountAt(kQueue, Count::kGuestIrq, kHook, 2).has_value());
  EXPECT_EQ(series.CountAt(kQueue, Count::kGuestIrq, kHook, 3)->lo, 9u);
  EXPECT_FALSE(series.CountAt(kQueue, Count::kGuestNone, kHook, 3).has_value());
}

TEST(SeriesTest, FoldedSnapshotsAreNoHole) {
  Stream stream;
  stream.snapshots = {At(1, true, {{kQueue, Count::kGuestIrq, kHook, 5, 5}}), At(4, false, {})};
  stream.snapshots[1].folded = 2;
  const StreamSeries series(stream);
  EXPECT_TRUE(series.CountAt(kQueue, Count::kGuestIrq, kHook, 1).has_value());
}

// A queue that stood still before it went: it lived up to the full snapshot that has it no more.
TEST(SeriesTest, AQueueEndsBeforeTheFullSnapshotThatLacksIt) {
  const Sample other{QueueId{2}, Count::kGuestIrq, kHook, 1, 1};
  Stream stream;
  stream.snapshots = {At(1, true, {{kQueue, Count::kGuestIrq, kHook, 5, 5}, other}),
                      At(2, false, {}), At(3, false, {}), At(4, true, {other}), At(5, false, {})};
  const StreamSeries series(stream);
  EXPECT_EQ(series.EndOf(kQueue, 4), 2u);
  EXPECT_TRUE(series.CountAt(kQueue, Count::kGuestIrq, kHook, 2).has_value());
  EXPECT_FALSE(series.CountAt(kQueue, Count::kGuestIrq, kHook, 3).has_value());
  EXPECT_FALSE(series.EndOf(kQueue, 2).has_value()) << "it lives up to there";
  EXPECT_FALSE(series.EndOf(QueueId{2}, 4).has_value());
  stream.snapshots[3].sequence = 5;  // 4 was lost, and with it when the queue went
  stream.snapshots[3].full = false;
  stream.snapshots[4] = At(6, true, {other});
  const StreamSeries holed(stream);
  EXPECT_FALSE(holed.EndOf(kQueue, 4).has_value());
}

}  // namespace
}  // namespace ringside
