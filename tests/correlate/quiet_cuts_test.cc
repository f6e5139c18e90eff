// SPDX-License-Identifier: Apache-2.0
#include "correlate/quiet_cuts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "correlate/ledger.h"
#include "tests/correlate/builder.h"

namespace ringside {
namespace {

const std::vector<Count> kHost = {Count::kEventfdWritten, Count::kIrqfdWoken, Count::kKvmInjected,
                                  Count::kKvmMerged, Count::kKvmRejected};
const std::vector<Count> kGuest = {Count::kGuestIrq, Count::kGuestHandled, Count::kGuestNone};

// Writes of a backend, some merged, and as many interrupts less `lost`.
std::map<Count, uint64_t> Burst(uint64_t written, uint64_t merged, uint64_t lost = 0) {
  const uint64_t irq = written - merged - lost;
  return {{Count::kEventfdWritten, written}, {Count::kIrqfdWoken, written},
          {Count::kKvmInjected, written},    {Count::kKvmMerged, merged},
          {Count::kGuestIrq, irq},           {Count::kGuestHandled, irq}};
}

Builder Bursts(int n, const std::map<Count, uint64_t>& burst) {
  Builder builder("rx1", "vhu0");
  builder.HostCounts(kHost).GuestCounts(kGuest).Steps(3, 500, {});
  for (int i = 0; i < n; ++i) builder.Steps(2, 500, burst).Steps(3, 500, {});
  return builder;
}

// The recording with a host that knows no ring: `kind` kHost with a name of its backend's, or a
// bare route.
Recording OfProgram(const Builder& builder, QueueKind kind, const char* queue = "rx1") {
  Recording recording = builder.Both();
  QueueInfo& info = recording.streams[0].queues[0];
  info.kind = kind;
  info.ring_size = 0;
  info.ring_address = 0;
  info.queue = queue;
  return recording;
}

QueueLedger LedgerOf(const Recording& recording) {
  const Ledger ledger = MakeLedger(recording, {});
  const auto found = std::find_if(ledger.queues.begin(), ledger.queues.end(),
                                  [](const QueueLedger& q) { return !q.host_queue.empty(); });
  EXPECT_NE(found, ledger.queues.end());
  return found == ledger.queues.end() ? QueueLedger{} : *found;
}

Verdict Delivery(const QueueLedger& ledger) {
  for (const Identity& identity : ledger.identities) {
    if (identity.id == "kvm.injected - kvm.merged = guest.irq") return identity.verdict;
  }
  ADD_FAILURE() << "not judged";
  return Verdict::kInconclusive;
}

TEST(QuietCutsTest, CountsOfAllMomentsAreExact) {
  const QueueLedger ledger = LedgerOf(OfProgram(Bursts(5, Burst(40, 7)), QueueKind::kHost));
  EXPECT_EQ(ledger.queue, "vm1/eth0/rx1");
  EXPECT_EQ(ledger.host_queue, "host1/vhu0/rx1");
  EXPECT_FALSE(ledger.binding.provisional) << ledger.binding.evidence.back();
  ASSERT_TRUE(ledger.cut.by_quiet);
  EXPECT_FALSE(ledger.cut.by_position);
  EXPECT_EQ(ledger.cut.common_marks, 6u);
  EXPECT_EQ(ledger.cut.marks_agreeing, 6u);
  for (const auto& [count, value] : std::map<Count, uint64_t>{
           {Count::kEventfdWritten, 400}, {Count::kIrqfdWoken, 400}, {Count::kGuestIrq, 330}}) {
    const CountCell* cell = ledger.Find(count);
    ASSERT_NE(cell, nullptr);
    EXPECT_TRUE(cell->at_position);
    EXPECT_EQ(cell->lo, value) << CountName(count);
  }
  EXPECT_EQ(ledger.verdict, Verdict::kHolds);
}

TEST(QuietCutsTest, LostInterruptsAreViolatedOnABoundQueue) {
  const QueueLedger ledger = LedgerOf(OfProgram(Bursts(5, Burst(40, 7, 1)), QueueKind::kHost));
  EXPECT_FALSE(ledger.binding.provisional) << "message and ring";
  EXPECT_EQ(Delivery(ledger), Verdict::kViolated);
}

TEST(QuietCutsTest, ABareRouteIsBoundOnceCountsGrewAlikeOftenEnough) {
  QueueLedger ledger = LedgerOf(OfProgram(Bursts(3, Burst(40, 7)), QueueKind::kRoute, "gsi5"));
  EXPECT_TRUE(ledger.binding.provisional) << "by its message alone";
  EXPECT_EQ(ledger.queue, "vm1/eth0/rx1");
  ledger = LedgerOf(OfProgram(Bursts(4, Burst(40, 7)), QueueKind::kRoute, "gsi5"));
  EXPECT_FALSE(ledger.binding.provisional);
}

TEST(QuietCutsTest, WithOneKeyNothingIsViolated) {
  const QueueLedger ledger =
      LedgerOf(OfProgram(Bursts(5, Burst(40, 7, 5)), QueueKind::kRoute, "gsi5"));
  EXPECT_TRUE(ledger.binding.provisional) << "counts that differ are no key";
  EXPECT_EQ(Delivery(ledger), Verdict::kInconclusive);
}

TEST(QuietCutsTest, ABackendThatCallsItAnotherRingSpeaksAgainst) {
  const QueueLedger ledger = LedgerOf(OfProgram(Bursts(5, Burst(40, 7)), QueueKind::kHost, "rx0"));
  EXPECT_TRUE(ledger.binding.provisional);
}

TEST(QuietCutsTest, WithoutQuietMomentsItIsByTimeAndNotViolated) {
  Builder builder("rx1", "vhu0");
  builder.HostCounts(kHost).GuestCounts(kGuest).Steps(20, 500, Burst(40, 7, 3));
  const QueueLedger ledger = LedgerOf(OfProgram(builder, QueueKind::kHost));
  EXPECT_FALSE(ledger.cut.common());
  EXPECT_EQ(ledger.cut.why_not, "the ring has no positions");
  EXPECT_EQ(Delivery(ledger), Verdict::kInconclusive);
}

TEST(QuietCutsTest, AChangedMessageBeginsAnotherPiece) {
  Builder builder = Bursts(2, Burst(40, 7));
  builder.HostGauges({{Gauge::kEpoch, 1}}).Steps(1, 500, {{Count::kEventfdWritten, 3}});
  builder.Steps(3, 500, {}).Steps(2, 500, Burst(10, 0)).Steps(3, 500, {});
  const QueueLedger ledger = LedgerOf(OfProgram(builder, QueueKind::kHost));
  EXPECT_EQ(ledger.cut.epochs, 2u);
  EXPECT_EQ(ledger.Find(Count::kEventfdWritten)->lo, 180u) << "what was written while it changed"
                                                              " is in neither piece";
}

}  // namespace
}  // namespace ringside
