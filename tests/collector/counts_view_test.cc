// SPDX-License-Identifier: Apache-2.0
// The view `counts`: intervals over a whole recording, in SQL.
#include <gtest/gtest.h>

#include "correlate/analysis.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

constexpr char kSql[] = "SELECT node, queue, generation, stage, outcome, lo, hi, hook FROM counts";

Sample Irqs(uint64_t lo, uint64_t hi, HookId hook = HookId{1}) {
  return {QueueId{1}, Count::kGuestIrq, hook, lo, hi};
}

// One queue, vm1/eth0/rx0, whose hook 1 misses what `misses` says at each snapshot.
class CountsView : public testing::Test {
 protected:
  void Write(std::vector<Snapshot> snapshots, std::vector<std::optional<uint64_t>> misses = {}) {
    std::unique_ptr<IncidentWriter> writer = NewWriter(path_);
    std::vector<Record> records = {MakeHello("vm1"), MakeQueue(1, "eth0", "rx0")};
    for (size_t i = 0; i < snapshots.size(); ++i) {
      HookSample hook{HookId{1}, 100, 0, 0, i < misses.size() ? misses[i] : 0};
      snapshots[i].hooks.push_back(hook);
      hook.hook = HookId{2};
      snapshots[i].hooks.push_back(hook);
      records.push_back(snapshots[i]);
    }
    AppendAll(*writer, Key("vm1"), records);
    ASSERT_TRUE(writer->Close().ok());
  }
  std::vector<std::string> Counts(const std::string& sql = kSql) { return Rows(path_, sql); }

  Scratch scratch_;
  std::string path_ = scratch_ / "a.rsi";
};

using Texts = std::vector<std::string>;

TEST_F(CountsView, DifferenceOfFirstAndLastAsAnInterval) {
  Write({MakeSnapshot(1, true, {Irqs(100, 103)}), MakeSnapshot(2, false, {Irqs(150, 150)}),
         MakeSnapshot(3, false, {Irqs(200, 202)}), MakeSnapshot(4, false, {})});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|97|102|tp_btf"});
  EXPECT_EQ(Counts("SELECT t_from - 1700000000000000000, t_to - 1700000000000000000 FROM counts"),
            Texts{"1000000000|4000040000"});
}

// A file that continues a stream: what it shows first late may have been counted long before.
TEST_F(CountsView, ALateCountIsNotNewWhereTheFirstSnapshotIsNotFull) {
  Write({MakeSnapshot(7, false, {}), MakeSnapshot(8, false, {Irqs(1000, 1000)}),
         MakeSnapshot(9, false, {Irqs(1005, 1005)})});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|5|1005|tp_btf"});
  const absl::StatusOr<Recording> recording = ReadIncident(path_);
  ASSERT_TRUE(recording.ok());
  const Analysis analysis = Analyse(*recording, {});
  const CountCell* cell = analysis.ledger.queues.at(0).Find(Count::kGuestIrq);
  ASSERT_NE(cell, nullptr);
  EXPECT_EQ(cell->lo, 5u);
  EXPECT_EQ(cell->hi, 1005u);
}

TEST_F(CountsView, NeverBelowZero) {
  Write({MakeSnapshot(1, true, {Irqs(100, 105)})});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|0|5|tp_btf"});
}

TEST_F(CountsView, UpperEndAllowsForMissesAndIsUnknownWhereTheyCannotBeSeen) {
  Write({MakeSnapshot(1, true, {Irqs(100, 100)}), MakeSnapshot(2, false, {Irqs(150, 150)})},
        {4, 7});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|50|53|tp_btf"});
  path_ = scratch_ / "b.rsi";
  Write({MakeSnapshot(1, true, {Irqs(100, 100)}), MakeSnapshot(2, false, {Irqs(150, 150)})},
        {std::nullopt, std::nullopt});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|50||tp_btf"});
  path_ = scratch_ / "c.rsi";
  Write({MakeSnapshot(1, true, {Irqs(100, 100)}), MakeSnapshot(2, false, {Irqs(150, 150)})},
        {4, 4});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|50|50|tp_btf"});
}

// A poll that was missed may have taken any number of packets.
TEST_F(CountsView, UpperEndIsUnknownWhereALostHitMayCountForMany) {
  const auto packets = [](uint64_t n) {
    return Sample{QueueId{1}, Count::kGuestPackets, HookId{1}, n, n};
  };
  Write({MakeSnapshot(1, true, {packets(100)}), MakeSnapshot(2, false, {packets(150)})}, {4, 7});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|packets|50||tp_btf"});
  path_ = scratch_ / "b.rsi";
  Write({MakeSnapshot(1, true, {packets(100)}), MakeSnapshot(2, false, {packets(150)})}, {4, 4});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|packets|50|50|tp_btf"});
}

TEST_F(CountsView, AHookThatNeverFiredIsNotPreferred) {
  const HookId tracepoint{2};
  Write({MakeSnapshot(1, true, {Irqs(0, 0), Irqs(10, 10, tracepoint)}),
         MakeSnapshot(2, false, {Irqs(17, 17, tracepoint)})});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|7|7|tracepoint"});
  path_ = scratch_ / "b.rsi";
  Write({MakeSnapshot(1, true, {Irqs(0, 0), Irqs(10, 10, tracepoint)}),
         MakeSnapshot(2, false, {Irqs(7, 7), Irqs(17, 17, tracepoint)})});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest|irq|7|7|tp_btf"});
}

TEST_F(CountsView, AValueHoldsUntilChangesWereLost) {
  // 3 was lost and 4 is not full: what changed in 3 and not in 4 is unknown from there on.
  Write({MakeSnapshot(1, true, {Irqs(100, 100)}), MakeSnapshot(2, false, {Irqs(150, 150)}),
         MakeSnapshot(4, false, {}), MakeSnapshot(5, false, {})});
  EXPECT_EQ(Counts("SELECT (t_to - 1700000000000000000) / 1000000000 FROM counts"), Texts{"2"});
  path_ = scratch_ / "b.rsi";
  Snapshot folded = MakeSnapshot(4, false, {});
  folded.folded = 1;  // the agent's spool put 3 into 4
  Write({MakeSnapshot(1, true, {Irqs(100, 100)}), MakeSnapshot(2, false, {Irqs(150, 150)}), folded,
         MakeSnapshot(5, false, {})});
  EXPECT_EQ(Counts("SELECT (t_to - 1700000000000000000) / 1000000000 FROM counts"), Texts{"5"});
}

TEST_F(CountsView, GenerationsAreNeverJoined) {
  std::unique_ptr<IncidentWriter> writer = NewWriter(path_);
  QueueInfo second = MakeQueue(1, "eth0", "rx0");
  second.generation = 2;
  AppendAll(*writer, Key("vm1"),
            {MakeHello("vm1"), MakeQueue(1, "eth0", "rx0"), MakeSnapshot(1, true, {Irqs(100, 100)}),
             MakeSnapshot(2, false, {Irqs(150, 150)}), second, MakeSnapshot(3, false, {Irqs(3, 3)}),
             MakeSnapshot(4, false, {Irqs(8, 8)})});
  ASSERT_TRUE(writer->Close().ok());
  // The second is a new object, whose counters began at zero after the stream's first snapshot.
  EXPECT_EQ(Counts("SELECT generation, lo, hi FROM counts"), (Texts{"1|50|", "2|8|"}));
}

TEST_F(CountsView, NamesSplitAtTheLastDotAndNothingObservedIsNoRow) {
  Write({MakeSnapshot(1, true, {{QueueId{1}, Count::kGuestNapiBusy, HookId{2}, 1, 1}}),
         MakeSnapshot(2, false, {{QueueId{1}, Count::kGuestNapiBusy, HookId{2}, 4, 4}})});
  EXPECT_EQ(Counts(), Texts{"vm1|eth0/rx0|1|guest.napi|busy|3|3|tracepoint"});
}

TEST_F(CountsView, AQueueThatWasNeverAnnouncedHasItsNumberForAName) {
  std::unique_ptr<IncidentWriter> writer = NewWriter(path_);
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1"), MakeSnapshot(1, true, {Irqs(1, 1)})});
  ASSERT_TRUE(writer->Close().ok());
  EXPECT_EQ(Counts("SELECT queue, lo FROM counts"), Texts{"#1|0"});
}

}  // namespace
}  // namespace ringside
