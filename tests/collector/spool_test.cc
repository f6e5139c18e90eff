// SPDX-License-Identifier: Apache-2.0
// The agent's spool: what is kept and what is said when it is full.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/grpc_spool.h"
#include "correlate/fold.h"
#include "proto/chunk.h"
#include "tests/collector/scratch.h"
#include "tests/proto/random.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

std::vector<NumberedRecord> Drain(Spool& spool) {
  std::vector<NumberedRecord> records;
  while (const SharedRecord record = spool.NextToSend()) {
    spool.MarkSent(record->number);
    records.push_back(*record);
  }
  return records;
}

TEST(SpoolTest, GivesRecordsInOrderOnceAndAgainAfterABreak) {
  Spool spool(1 << 20);
  ASSERT_TRUE(spool.Put({1, MakeHello("vm1")}).ok());
  for (uint64_t n = 2; n <= 9; ++n) ASSERT_TRUE(spool.Put({n, LogLine{1, 1, "x"}}).ok());
  EXPECT_EQ(Drain(spool).size(), 9u);
  spool.Acknowledge(4);
  EXPECT_EQ(spool.size(), 5u);
  spool.MarkSent(spool.acknowledged());
  EXPECT_EQ(Drain(spool).front().number, 5u);
  spool.Acknowledge(9);
  EXPECT_TRUE(spool.empty());
  EXPECT_EQ(spool.bytes(), 0u);
  EXPECT_NE(spool.first_hello(), nullptr);
}

TEST(SpoolTest, ContextIsTheNewestWordOnEachQueue) {
  Spool spool(1 << 20);
  ASSERT_TRUE(spool.Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(spool.Put({2, MakeQueue(1, "eth0", "rx0")}).ok());
  ASSERT_TRUE(spool.Put({3, MakeQueue(2, "eth0", "rx1")}).ok());
  ASSERT_TRUE(spool.Put({4, MakeQueue(1, "eth1", "rx0")}).ok());
  ASSERT_TRUE(spool.Put({5, MakeQueue(3, "eth0", "rx2")}).ok());
  spool.Acknowledge(4);
  const std::vector<SharedRecord> context = spool.ContextUpTo(4);
  ASSERT_EQ(context.size(), 2u);
  EXPECT_EQ(context[0]->number, 3u);
  EXPECT_EQ(context[1]->number, 4u);
}

// The last value of every count, as a reader would have it from these records.
std::map<Count, uint64_t> LastValues(const std::vector<NumberedRecord>& records) {
  std::map<Count, uint64_t> values;
  for (const NumberedRecord& record : records) {
    const auto* snapshot = std::get_if<Snapshot>(&record.record);
    if (snapshot == nullptr) continue;
    for (const Sample& sample : snapshot->samples) values[sample.count] = sample.lo;
  }
  return values;
}

TEST(SpoolTest, WhenFullItLosesResolutionAndDetailButNoCountAndSaysSo) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  constexpr size_t kBytesMax = 100'000;
  Spool spool(kBytesMax);
  std::vector<NumberedRecord> all = {{1, MakeHello("vm1")}, {2, MakeQueue(1, "eth0", "rx0")}};
  uint64_t sequence = 0;
  while (all.size() < 5000) {
    const uint64_t number = all.size() + 1;
    switch (random.UpTo(6)) {
      case 0: all.push_back({number, LogLine{1, 1, "a line"}}); break;
      case 1:
        all.push_back({number, EncodeChunk({{5, 5, QueueId{1}, 1, 0, 1}}, number).value()});
        break;
      case 2: all.push_back({number, Marks{{Mark{}, Mark{}}}}); break;
      default: {
        ++sequence;
        Snapshot snapshot = MakeSnapshot(sequence, sequence == 1, {});
        snapshot.samples.push_back(
            {QueueId{1}, static_cast<Count>(random.UpTo(9)), HookId{1}, number, number});
        all.push_back({number, snapshot});
      }
    }
  }
  for (const NumberedRecord& record : all) {
    ASSERT_TRUE(spool.Put(record).ok());
    EXPECT_LE(spool.bytes(), kBytesMax);
  }
  const std::vector<NumberedRecord> kept = Drain(spool);
  EXPECT_LT(kept.size(), 1000u);
  EXPECT_EQ(LastValues(kept), LastValues(all));
  EXPECT_TRUE(std::holds_alternative<Hello>(kept[0].record));
  EXPECT_TRUE(std::holds_alternative<QueueInfo>(kept[1].record));
  const auto& gap = std::get<Gap>(kept[2].record);
  EXPECT_THAT(gap.what, HasSubstr("snapshots folded into later ones"));
  uint64_t last_number = 0;
  uint64_t last_sequence = 0;
  for (const NumberedRecord& record : kept) {
    EXPECT_GT(record.number, last_number);
    last_number = record.number;
    if (const auto* snapshot = std::get_if<Snapshot>(&record.record)) {
      EXPECT_EQ(snapshot->sequence - snapshot->folded, last_sequence + 1);  // no hole
      last_sequence = snapshot->sequence;
    }
  }
}

TEST(SpoolTest, AGapDoesNotClaimWhatWasSent) {
  Spool spool(40'000);
  ASSERT_TRUE(spool.Put({1, MakeHello("vm1")}).ok());
  uint64_t number = 1;
  while (number < 20) ASSERT_TRUE(spool.Put({++number, LogLine{1, 1, "sent"}}).ok());
  Drain(spool);
  const uint64_t sent = number;
  while (number < 400) ASSERT_TRUE(spool.Put({++number, LogLine{1, 1, "not sent"}}).ok());
  const std::vector<NumberedRecord> rest = Drain(spool);
  EXPECT_GT(rest.front().number, sent);
  ASSERT_TRUE(std::holds_alternative<Gap>(rest.front().record));
  // It stands for exactly the lines between what was sent and what is still there.
  const std::string lines = std::to_string(rest.front().number - sent) + " log lines";
  EXPECT_THAT(std::get<Gap>(rest.front().record).what, HasSubstr(" " + lines));
}

// Dropped records that were sent may have arrived; the collector's next word tells which.
TEST(SpoolTest, AGapDoesNotClaimWhatTurnsOutToHaveArrived) {
  Spool spool(20'000);
  ASSERT_TRUE(spool.Put({1, MakeHello("vm1")}).ok());
  uint64_t number = 1;
  const auto put = [&](uint64_t lines) {
    for (; lines > 0; --lines) {
      ASSERT_TRUE(spool.Put({++number, LogLine{9, 6, std::string(200, 'x')}}).ok());
    }
  };
  put(10);
  EXPECT_EQ(Drain(spool).size(), 11u);
  spool.MarkSent(spool.acknowledged());  // the connection breaks
  put(90);
  spool.Acknowledge(1);
  spool.MarkSent(1);
  const auto lines_told = [&] {
    const auto* gap = std::get_if<Gap>(&spool.NextToSend()->record);
    if (gap == nullptr) return uint64_t{0};
    uint64_t lines = 0;
    EXPECT_EQ(sscanf(gap->what.c_str(),
                     "the agent's spool of 19 KiB was full: 0 snapshots folded into later ones; 0 "
                     "marks, 0 events, %lu log lines dropped",
                     &lines),
              1)
        << gap->what;
    return lines;
  };
  const uint64_t first = spool.NextToSend()->number;
  EXPECT_EQ(lines_told(), first - 1);  // all from 2 on
  spool.Acknowledge(7);                // six of them had arrived
  EXPECT_EQ(spool.NextToSend()->number, first);
  EXPECT_EQ(lines_told(), first - 7);
  // The Gap is sent, the connection breaks, and it is dropped into a larger one.
  Drain(spool);
  spool.MarkSent(7);
  put(60);
  const uint64_t second = spool.NextToSend()->number;
  ASSERT_GT(second, first);
  EXPECT_EQ(lines_told(), second - 7);
  spool.Acknowledge(first);  // it had arrived
  EXPECT_EQ(lines_told(), second - first);
}

TEST(SpoolTest, ACollectorMustHaveWhatWasPut) {
  Spool spool(1 << 20);
  ASSERT_TRUE(spool.Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(spool.Put({2, LogLine{1, 1, "x"}}).ok());
  EXPECT_TRUE(spool.CouldHaveSent(2, Fingerprint({2, LogLine{1, 1, "x"}})));
  EXPECT_FALSE(spool.CouldHaveSent(2, Fingerprint({2, LogLine{1, 1, "y"}})));
  EXPECT_TRUE(spool.CouldHaveSent(2, 0));
  EXPECT_FALSE(spool.CouldHaveSent(3, 0));
  spool.Acknowledge(2);
  EXPECT_TRUE(spool.CouldHaveSent(1, 77));  // long safe: not here any more
}

TEST(SpoolTest, FullOfWhatMustStayIsSaid) {
  Spool spool(10'000);
  absl::Status status = spool.Put({1, MakeHello("vm1")});
  for (uint32_t n = 2; status.ok() && n < 1000; ++n) {
    status = spool.Put({n, MakeQueue(n, "eth0", "rx0")});
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), HasSubstr("must not be dropped"));
}

TEST(SpoolTest, FoldingKeepsTheNewestOfEachPart) {
  Snapshot older = MakeSnapshot(1, true, {});
  older.parts = {{QueueId{1}, Count::kTunOffered, "process=a", 3},
                 {QueueId{1}, Count::kTunOffered, "process=b", 4}};
  Snapshot newer = MakeSnapshot(2, false, {});
  newer.parts = {{QueueId{1}, Count::kTunOffered, "process=b", 9},
                 {QueueId{2}, Count::kTunOffered, "process=b", 1}};
  const std::vector<Part> expected = {older.parts[0], newer.parts[0], newer.parts[1]};
  EXPECT_EQ(FoldSnapshot(older, newer).parts, expected);
}

TEST(SpoolTest, FoldedFullSnapshotsStayFull) {
  const Snapshot full = MakeSnapshot(1, true, {{QueueId{1}, Count::kGuestIrq, HookId{1}, 5, 6}});
  const Snapshot later = MakeSnapshot(2, false, {{QueueId{2}, Count::kGuestIrq, HookId{1}, 7, 7}});
  const Snapshot folded = FoldSnapshot(full, later);
  EXPECT_TRUE(folded.full);
  EXPECT_EQ(folded.folded, 1u);
  EXPECT_EQ(folded.begin, later.begin);
  EXPECT_EQ(folded.samples.size(), 2u);
  EXPECT_EQ(FoldSnapshot(later, MakeSnapshot(3, true, {})).samples.size(), 0u);
}

}  // namespace
}  // namespace ringside
