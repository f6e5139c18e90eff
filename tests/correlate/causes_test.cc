// SPDX-License-Identifier: Apache-2.0
// Each rule of correlate/causes by itself: where it speaks, and where it must be silent. How often
// all of them together are right is the simulator's matter (tests/sim).
#include <gtest/gtest.h>

#include <algorithm>

#include "correlate/analysis.h"
#include "tests/correlate/builder.h"

namespace ringside {
namespace {

const Finding* Find(const Analysis& analysis, Cause cause) {
  const auto found = std::find_if(analysis.findings.begin(), analysis.findings.end(),
                                  [&](const Finding& f) { return f.cause == cause; });
  return found == analysis.findings.end() ? nullptr : &*found;
}

std::vector<Count> HostPath() {
  return {Count::kVhostBatches,   Count::kVhostSignalled, Count::kVhostSuppressed,
          Count::kVhostUnwired,   Count::kVhostMasked,    Count::kVhostEmpty,
          Count::kEventfdWritten, Count::kEventfdVmm,     Count::kIrqfdWoken,
          Count::kKvmInjected,    Count::kKvmMerged,      Count::kKvmRejected,
          Count::kKvmSlowpath,    Count::kTunOffered,     Count::kTunEnqueued,
          Count::kTunDropped,     Count::kVhostUsed};
}

std::vector<Count> GuestPath() {
  return {Count::kGuestIrq,      Count::kGuestHandled,     Count::kGuestNone,
          Count::kGuestPackets,  Count::kGuestPacketsBusy, Count::kGuestNapiSoftirq,
          Count::kGuestNapiBusy, Count::kGuestUsed};
}

Builder Path(const std::string& queue = "rx0") {
  Builder builder(queue);
  builder.HostCounts(HostPath()).GuestCounts(GuestPath());
  builder.HostGauges({{Gauge::kVmRunning, 1}});
  return builder;
}

// Kernel facts 14, rows one and three: UDP one way, busy_read 2000.
TEST(BusyPollSpuriousTest, TheDefectAndAHealthyGuest) {
  const auto run = [](uint64_t packets, uint64_t irqs, uint64_t none, uint64_t busy) {
    Builder builder = Path();
    builder.Parts(Count::kGuestNapiBusy, "process=rx-worker (812)", busy);
    builder.Steps(2, 500,
                  {{Count::kGuestPackets, packets},
                   {Count::kGuestPacketsBusy, busy},
                   {Count::kGuestIrq, irqs},
                   {Count::kGuestNone, none},
                   {Count::kGuestHandled, irqs - none},
                   {Count::kGuestNapiBusy, busy},
                   {Count::kVhostBatches, packets},
                   {Count::kVhostSignalled, irqs},
                   {Count::kVhostSuppressed, packets - irqs},
                   {Count::kIrqfdWoken, irqs},
                   {Count::kKvmInjected, irqs}});
    return Analyse(builder.Both(), {});
  };
  const Analysis defect = run(1426, 1339, 1098, 1326);
  const Finding* finding = Find(defect, Cause::kBusyPollSpurious);
  ASSERT_NE(finding, nullptr);
  EXPECT_TRUE(finding->root);
  EXPECT_EQ(finding->queue, "vm1/eth0/rx0");
  EXPECT_NE(finding->evidence.front().text.find("rx-worker (812)"), std::string::npos);
  EXPECT_EQ(Find(run(1427, 108, 16, 1327), Cause::kBusyPollSpurious), nullptr);
  EXPECT_EQ(Find(run(3653, 1579, 200, 2338), Cause::kBusyPollSpurious), nullptr);
}

TEST(BusyPollSpuriousTest, AnExternalWritersInterruptsAreNotItsOwn) {
  Builder builder = Path();
  builder.Steps(2, 500,
                {{Count::kGuestPackets, 1000},
                 {Count::kGuestPacketsBusy, 900},
                 {Count::kGuestIrq, 1000},
                 {Count::kGuestNone, 900},
                 {Count::kGuestHandled, 100},
                 {Count::kVhostSignalled, 100},
                 {Count::kVhostBatches, 100},
                 {Count::kEventfdWritten, 900},
                 {Count::kIrqfdWoken, 1000},
                 {Count::kKvmInjected, 1000}});
  const Analysis analysis = Analyse(builder.Both(), {});
  EXPECT_EQ(Find(analysis, Cause::kBusyPollSpurious), nullptr);
  ASSERT_NE(Find(analysis, Cause::kExternalInjector), nullptr);
  EXPECT_TRUE(Find(analysis, Cause::kExternalInjector)->root);
}

// Both sides stand at one index before and after the writer's burst: an index does not say which of
// its signals it is after, so no cut there may mix the host's count of before with the guest's of
// after.
TEST(ExternalInjectorTest, WhatItSignalsAtAStandingIndexIsNoDuplicate) {
  Builder builder = Path();
  const auto at = [&](uint64_t position) {
    builder.HostGauges({{Gauge::kPosition, position}, {Gauge::kUsed, position}});
    builder.GuestGauges(
        {{Gauge::kPosition, position}, {Gauge::kUsed, position}, {Gauge::kLastUsed, position}});
  };
  const auto traffic = [&] {
    builder.Steps(1, 500,
                  {{Count::kVhostBatches, 50},
                   {Count::kVhostSignalled, 50},
                   {Count::kVhostUsed, 50},
                   {Count::kIrqfdWoken, 50},
                   {Count::kKvmInjected, 50},
                   {Count::kGuestIrq, 50},
                   {Count::kGuestHandled, 50}});
  };
  at(100);
  builder.Steps(4, 500, {});
  at(150);
  traffic();
  builder.Steps(4, 500, {});
  builder.Steps(2, 500,
                {{Count::kEventfdWritten, 48},
                 {Count::kIrqfdWoken, 48},
                 {Count::kKvmInjected, 48},
                 {Count::kGuestIrq, 48},
                 {Count::kGuestNone, 48}});
  const Analysis analysis = Analyse(builder.Both(), {});
  ASSERT_NE(Find(analysis, Cause::kExternalInjector), nullptr);
  EXPECT_EQ(Find(analysis, Cause::kDuplicateInjection), nullptr);
  EXPECT_EQ(Find(analysis, Cause::kLostInterrupt), nullptr);
  for (const QueueLedger& queue : analysis.ledger.queues) {
    EXPECT_NE(queue.verdict, Verdict::kViolated) << queue.queue;
  }
}

TEST(ExternalInjectorTest, TheVmmsOwnWritesAreNone) {
  Builder builder = Path();
  builder.Steps(2, 500, {{Count::kEventfdWritten, 3}, {Count::kEventfdVmm, 3}});
  EXPECT_EQ(Find(Analyse(builder.Both(), {}), Cause::kExternalInjector), nullptr);
}

// The kernel's limit: a writer that makes 999 of 1,000 interrupts is the root of what follows; one
// that makes a tenth is not, and nothing else was found: contributors only.
TEST(IrqDisabledTest, TheRootIsWhatReachesTheLimit) {
  const auto run = [](uint64_t written, uint64_t none, uint64_t handled) {
    Builder builder = Path();
    const uint64_t irqs = none + handled;
    builder.Steps(10, 1000,
                  {{Count::kGuestIrq, irqs},
                   {Count::kGuestNone, none},
                   {Count::kGuestHandled, handled},
                   {Count::kEventfdWritten, written},
                   {Count::kIrqfdWoken, irqs},
                   {Count::kKvmInjected, irqs},
                   {Count::kVhostSignalled, irqs - written},
                   {Count::kVhostBatches, irqs - written}});
    builder.GuestLog("Disabling IRQ #69");
    builder.Steps(3, 1000, {});
    return Analyse(builder.Both(), {});
  };
  const Analysis storm = run(19'995, 19'995, 5);
  ASSERT_NE(Find(storm, Cause::kIrqDisabled), nullptr);
  EXPECT_FALSE(Find(storm, Cause::kIrqDisabled)->root);
  EXPECT_EQ(Find(storm, Cause::kIrqDisabled)->caused_by,
            std::vector<std::string>{"external-injector"});
  EXPECT_EQ(storm.findings.front().cause, Cause::kExternalInjector);
  const Analysis other = run(2'000, 19'995, 5);
  EXPECT_TRUE(Find(other, Cause::kIrqDisabled)->caused_by.empty());
  EXPECT_EQ(Find(other, Cause::kIrqDisabled)->contributors,
            std::vector<std::string>{"external-injector"});
}

TEST(IrqDisabledTest, AnotherInterruptsLineIsNotIts) {
  Builder builder = Path();
  builder.Steps(3, 500, {}).GuestLog("Disabling IRQ #6").Steps(3, 500, {});
  EXPECT_EQ(Find(Analyse(builder.Both(), {}), Cause::kIrqDisabled), nullptr);
}

TEST(EmptySignalTest, OneIsEnough) {
  Builder builder = Path();
  builder.Steps(3, 500, {{Count::kVhostSignalled, 100}, {Count::kVhostBatches, 100}});
  EXPECT_EQ(Find(Analyse(builder.Both(), {}), Cause::kEmptySignal), nullptr);
  builder.Steps(3, 500, {{Count::kVhostSignalled, 100}, {Count::kVhostEmpty, 7}});
  EXPECT_NE(Find(Analyse(builder.Both(), {}), Cause::kEmptySignal), nullptr);
}

TEST(StaleRouteTest, InjectionsGoWhereTheGuestDoesNotListen) {
  Builder builder = Path();
  const std::map<Count, uint64_t> sent = {{Count::kKvmInjected, 50},
                                          {Count::kIrqfdWoken, 50},
                                          {Count::kVhostSignalled, 50},
                                          {Count::kVhostBatches, 50}};
  std::map<Count, uint64_t> heard = sent;
  heard.insert({{Count::kGuestIrq, 50}, {Count::kGuestHandled, 50}, {Count::kGuestNone, 0}});
  builder.Steps(4, 500, heard).GuestMessage(0xfee02000, 40).Steps(6, 500, sent);
  const Analysis analysis = Analyse(builder.Both(), {});
  ASSERT_NE(Find(analysis, Cause::kStaleRoute), nullptr);
  EXPECT_EQ(Find(analysis, Cause::kLostInterrupt), nullptr);
  // The guest goes on hearing: whatever the messages say, nothing is stale.
  Builder fine = Path();
  fine.Steps(4, 500, heard).GuestMessage(0xfee02000, 40).Steps(6, 500, heard);
  EXPECT_EQ(Find(Analyse(fine.Both(), {}), Cause::kStaleRoute), nullptr);
}

// Ring gauges of a guest that stands still at index 100 with 20 entries waiting.
std::map<Gauge, uint64_t> Standing(uint64_t used_event, uint64_t shadow) {
  return {{Gauge::kUsed, 120},           {Gauge::kLastUsed, 100}, {Gauge::kUsedEvent, used_event},
          {Gauge::kFlagsShadow, shadow}, {Gauge::kPosition, 120}, {Gauge::kNumFree, 3}};
}

TEST(DeadQueueTest, AGuestThatAskedForSilenceAndDoesNotPoll) {
  Builder builder = Path();
  builder.GuestGauges({{Gauge::kUsed, 100}, {Gauge::kLastUsed, 100}, {Gauge::kPosition, 100}});
  builder.Steps(3, 500, {{Count::kGuestNapiSoftirq, 10}});
  builder.GuestGauges(Standing(90, 1)).Steps(5, 500, {});
  const Analysis analysis = Analyse(builder.Both(), {});
  ASSERT_NE(Find(analysis, Cause::kDeadQueue), nullptr);
  EXPECT_TRUE(Find(analysis, Cause::kDeadQueue)->root);
}

TEST(DeadQueueTest, NotWhileItPollsNorForOneInterval) {
  Builder polls = Path();
  polls.GuestGauges(Standing(100, 0)).Steps(5, 500, {{Count::kGuestNapiSoftirq, 1}});
  EXPECT_EQ(Find(Analyse(polls.Both(), {}), Cause::kDeadQueue), nullptr);
  Builder shortly = Path();
  shortly.Steps(3, 500, {{Count::kGuestNapiSoftirq, 1}});
  shortly.GuestGauges(Standing(100, 0)).Steps(1, 500, {});
  EXPECT_EQ(Find(Analyse(shortly.Both(), {}), Cause::kDeadQueue), nullptr);
}

TEST(NoTxSignalTest, AFullTransmitRingThatNobodySignals) {
  Builder builder = Path("tx0");
  builder.Steps(3, 500, {{Count::kVhostBatches, 60}, {Count::kVhostSuppressed, 60}});
  builder.GuestGauges(Standing(110, 0)).Steps(5, 500, {});
  const Analysis analysis = Analyse(builder.Both(), {});
  ASSERT_NE(Find(analysis, Cause::kNoTxSignal), nullptr);
  EXPECT_TRUE(Find(analysis, Cause::kNoTxSignal)->root);
  EXPECT_FALSE(Find(analysis, Cause::kDeadQueue)->root);
  Builder signals = Path("tx0");
  signals.Steps(3, 500, {{Count::kVhostBatches, 60}, {Count::kVhostSignalled, 60}});
  signals.GuestGauges(Standing(110, 0)).Steps(5, 500, {});
  EXPECT_EQ(Find(Analyse(signals.Both(), {}), Cause::kNoTxSignal), nullptr);
}

// Case D: the backend finds the vring full while the guest's softirq has no time.
TEST(SoftirqSqueezeTest, SaysWhoseRingWasFullMeanwhile) {
  Builder builder = Path();
  builder.Softnet(3'000, 100).GuestGauges({{Gauge::kAvail, 700}, {Gauge::kUsed, 700}});
  builder.Steps(8, 500, {});
  const Analysis analysis = Analyse(builder.Both(), {});
  const Finding* finding = Find(analysis, Cause::kSoftirqSqueeze);
  ASSERT_NE(finding, nullptr);
  ASSERT_EQ(finding->evidence.size(), 2u);
  EXPECT_NE(finding->evidence[1].text.find("every buffer given was used: host1/tap0/rx0"),
            std::string::npos)
      << finding->evidence[1].text;
  Builder room = Path();
  room.Softnet(3'000, 100).GuestGauges({{Gauge::kAvail, 700}, {Gauge::kUsed, 600}});
  room.Steps(8, 500, {});
  const Analysis fine = Analyse(room.Both(), {});
  ASSERT_NE(Find(fine, Cause::kSoftirqSqueeze), nullptr);
  EXPECT_EQ(Find(fine, Cause::kSoftirqSqueeze)->evidence.size(), 1u);
}

// Case C: who signals pays for the detour, too.
TEST(SlowPathInjectionTest, NamesTheThreadsThatWait) {
  Builder builder("rx0", "vhu0");
  builder.HostCounts({Count::kEventfdWritten, Count::kIrqfdWoken, Count::kKvmInjected,
                      Count::kKvmMerged, Count::kKvmRejected, Count::kKvmSlowpath});
  builder.GuestCounts({Count::kGuestIrq})
      .Parts(Count::kEventfdWritten, "thread=pmd-c00/id:8 (99)", 200);
  builder.Steps(6, 500,
                {{Count::kEventfdWritten, 200},
                 {Count::kIrqfdWoken, 200},
                 {Count::kKvmInjected, 200},
                 {Count::kKvmSlowpath, 190},
                 {Count::kGuestIrq, 200}});
  const Analysis analysis = Analyse(builder.HostOnly(), {});
  const Finding* finding = Find(analysis, Cause::kSlowPathInjection);
  ASSERT_NE(finding, nullptr);
  ASSERT_EQ(finding->evidence.size(), 2u);
  EXPECT_NE(finding->evidence[1].text.find("pmd-c00/id:8 (99)"), std::string::npos);
}

TEST(LateVcpuTest, WaitingLongerThanRunning) {
  Builder builder = Path();
  builder.Vcpu(100'000, 300'000).Steps(6, 500, {});
  EXPECT_NE(Find(Analyse(builder.Both(), {}), Cause::kLateVcpu), nullptr);
  Builder fine = Path();
  fine.Vcpu(300'000, 100'000).Steps(6, 500, {});
  EXPECT_EQ(Find(Analyse(fine.Both(), {}), Cause::kLateVcpu), nullptr);
  Builder idle = Path();
  idle.Vcpu(100, 300).Steps(6, 500, {});
  EXPECT_EQ(Find(Analyse(idle.Both(), {}), Cause::kLateVcpu), nullptr);
}

// What the kernel has counted since the vCPU's thread began is no growth of the window in which it
// was first read.
TEST(LateVcpuTest, FirstReadLater) {
  Builder builder = Path();
  builder.Steps(2, 500, {});
  builder.Vcpu(100'000, 300'000, 50'000'000).Steps(6, 500, {});
  const Analysis analysis = Analyse(builder.Both(), {});
  const Finding* finding = Find(analysis, Cause::kLateVcpu);
  ASSERT_NE(finding, nullptr);
  EXPECT_NE(finding->title.find(" 60% "), std::string::npos) << finding->title;
}

TEST(TunRingFullTest, TheRootNeedsEverythingElseRuledOut) {
  Builder builder = Path();
  builder.Vcpu(100'000, 100).Softnet(10'000, 0);
  builder.Parts(Count::kTunDropped, "reason=FULL_RING", 40);
  builder.Steps(4, 500,
                {{Count::kTunOffered, 100}, {Count::kTunEnqueued, 60}, {Count::kTunDropped, 40}});
  const Analysis analysis = Analyse(builder.Both(), {});
  ASSERT_NE(Find(analysis, Cause::kTunRingFull), nullptr);
  EXPECT_TRUE(Find(analysis, Cause::kTunRingFull)->root);
  const Analysis host_only = Analyse(builder.HostOnly(), {});
  ASSERT_NE(Find(host_only, Cause::kTunRingFull), nullptr);
  EXPECT_FALSE(Find(host_only, Cause::kTunRingFull)->root);
  EXPECT_FALSE(Find(host_only, Cause::kTunRingFull)->missing.empty());
}

TEST(SoftirqSqueezeTest, MostPacketsInRunsThatRanOut) {
  Builder builder = Path();
  builder.Softnet(10'000, 30).Steps(4, 500, {});
  EXPECT_NE(Find(Analyse(builder.Both(), {}), Cause::kSoftirqSqueeze), nullptr);
  Builder fine = Path();
  fine.Softnet(100'000, 3).Steps(4, 500, {});
  EXPECT_EQ(Find(Analyse(fine.Both(), {}), Cause::kSoftirqSqueeze), nullptr);
}

TEST(MergingAndSlowPathTest, MostOfThem) {
  Builder builder = Path();
  builder.Steps(4, 500,
                {{Count::kKvmInjected, 100},
                 {Count::kIrqfdWoken, 100},
                 {Count::kKvmMerged, 70},
                 {Count::kKvmSlowpath, 60}});
  const Analysis analysis = Analyse(builder.Both(), {});
  EXPECT_NE(Find(analysis, Cause::kInterruptMerging), nullptr);
  EXPECT_NE(Find(analysis, Cause::kSlowPathInjection), nullptr);
  Builder fine = Path();
  fine.Steps(4, 500,
             {{Count::kKvmInjected, 100},
              {Count::kIrqfdWoken, 100},
              {Count::kKvmMerged, 30},
              {Count::kKvmSlowpath, 10}});
  EXPECT_TRUE(Analyse(fine.Both(), {}).findings.empty());
}

}  // namespace
}  // namespace ringside
