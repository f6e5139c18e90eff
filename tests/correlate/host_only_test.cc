// SPDX-License-Identifier: Apache-2.0
// What the host says alone: what it names, what it must not, and that the root is never its to say.
#include "correlate/causes/host_only.h"

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

bool Mentions(const std::vector<std::string>& texts, std::string_view words) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const auto& text) { return text.find(words) != std::string::npos; });
}

Builder Host(const std::string& queue = "rx0") {
  Builder builder(queue);
  builder.HostCounts({Count::kVhostBatches, Count::kVhostSignalled, Count::kVhostSuppressed,
                      Count::kVhostUnwired, Count::kVhostMasked, Count::kVhostUsed,
                      Count::kEventfdWritten, Count::kIrqfdWoken, Count::kKvmInjected,
                      Count::kKvmTaken, Count::kTunOffered, Count::kTunDropped});
  builder.HostGauges({{Gauge::kVmRunning, 1}, {Gauge::kBackend, 1}, {Gauge::kIrqfd, 1}});
  return builder;
}

// A queue at `used`, of which the guest wants to hear after `event`.
std::map<Gauge, uint64_t> Ring(uint16_t used, uint16_t event) {
  return {{Gauge::kUsed, used},
          {Gauge::kUsedEvent, event},
          {Gauge::kAvail, static_cast<uint16_t>(used + 100)},
          {Gauge::kAvailGiven, static_cast<uint16_t>(used + 156)},
          {Gauge::kTunFull, 0},
          {Gauge::kTunRing, 0}};
}

std::map<Count, uint64_t> Traffic(uint64_t batches) {
  return {{Count::kVhostBatches, batches}, {Count::kVhostSignalled, batches},
          {Count::kVhostUsed, batches},    {Count::kIrqfdWoken, batches},
          {Count::kKvmInjected, batches},  {Count::kKvmTaken, batches}};
}

// Moves on for a second, then stands at `used` for another, while the guest wants `event`.
Analysis Stands(uint16_t used, uint16_t event, uint64_t signalled_at, bool running = true) {
  Builder builder = Host();
  builder.HostGauges(Ring(1000, 1000)).HostGauges({{Gauge::kSignalledAt, 1000}});
  builder.Steps(5, 100, Traffic(20));
  builder.HostGauges(Ring(used, event));
  builder.HostGauges({{Gauge::kSignalledAt, signalled_at}, {Gauge::kVmRunning, running ? 1 : 0}});
  builder.Steps(1, 100, Traffic(20));
  builder.Steps(6, 100, {});
  return Analyse(builder.HostOnly(), {});
}

TEST(HostOnlyTest, EntriesThatAreNotTakenAreADeadQueueWithoutARoot) {
  const Analysis analysis = Stands(1020, 1000, 1020);
  const Finding* dead = Find(analysis, Cause::kDeadQueue);
  ASSERT_NE(dead, nullptr);
  EXPECT_EQ(dead->queue, "host1/tap0/rx0");
  EXPECT_FALSE(dead->root);
  EXPECT_EQ(dead->certainty, Certainty::kMedium);
  EXPECT_NE(dead->title.find("20 wait"), std::string::npos) << dead->title;
  EXPECT_EQ(dead->missing.front(), "root: not observable from here (no agent in the guest)");
  ASSERT_FALSE(dead->next.empty());
  EXPECT_NE(dead->next.front().command.find("witness.sh"), std::string::npos);
  EXPECT_EQ(Find(analysis, Cause::kSuppressedStall), nullptr);  // its signal was sent
  EXPECT_TRUE(Mentions(analysis.unseen, "busy-poll-spurious"));
  for (const QueueLedger& queue : analysis.ledger.queues) {
    EXPECT_NE(queue.verdict, Verdict::kViolated);
    EXPECT_EQ(queue.Find(Count::kGuestIrq), nullptr);
  }
}

TEST(HostOnlyTest, ASignalThatWasOwedAndNeverSent) {
  const Analysis analysis = Stands(1020, 1000, 999);
  const Finding* stall = Find(analysis, Cause::kSuppressedStall);
  ASSERT_NE(stall, nullptr);
  EXPECT_FALSE(stall->root);
  EXPECT_EQ(stall->certainty, Certainty::kMedium);
  const Finding* dead = Find(analysis, Cause::kDeadQueue);
  ASSERT_NE(dead, nullptr);
  EXPECT_EQ(dead->caused_by, std::vector<std::string>{"suppressed-stall"});
}

TEST(HostOnlyTest, AGuestThatHasTakenAllOrWantsNoSignalIsNotDead) {
  EXPECT_EQ(Find(Stands(1020, 1020, 1020), Cause::kDeadQueue), nullptr);         // armed anew
  EXPECT_EQ(Find(Stands(1020, 0, 1020), Cause::kDeadQueue), nullptr);            // it polls
  EXPECT_EQ(Find(Stands(1020, 1000, 1020, false), Cause::kDeadQueue), nullptr);  // it is stopped
}

TEST(HostOnlyTest, ATransmitQueueMayWaitBeyondItsMark) {
  Builder builder = Host("tx0");
  builder.HostGauges(Ring(1020, 1000)).Steps(8, 100, {});
  EXPECT_EQ(Find(Analyse(builder.HostOnly(), {}), Cause::kDeadQueue), nullptr);
}

TEST(HostOnlyTest, NoBuffersForWaitingPackets) {
  const auto run = [](uint64_t given, uint64_t waiting) {
    Builder builder = Host();
    builder.HostGauges({{Gauge::kUsed, 500},
                        {Gauge::kAvail, 500},
                        {Gauge::kAvailGiven, given},
                        {Gauge::kTunRing, waiting},
                        {Gauge::kTunFull, 0}});
    builder.Steps(5, 100, {});
    return Analyse(builder.HostOnly(), {});
  };
  const Analysis dead = run(500, 30);
  ASSERT_NE(Find(dead, Cause::kDeadQueue), nullptr);
  EXPECT_FALSE(Find(dead, Cause::kDeadQueue)->root);
  EXPECT_EQ(Find(run(500, 0), Cause::kDeadQueue), nullptr);   // nobody waits
  EXPECT_EQ(Find(run(756, 30), Cause::kDeadQueue), nullptr);  // the guest has given some
}

TEST(HostOnlyTest, AMaskedVectorIsNamed) {
  Builder builder = Host();
  builder.Steps(5, 100, Traffic(20));
  builder.HostGauges({{Gauge::kIrqfd, 0}});
  builder.Steps(1, 100,
                {{Count::kVhostBatches, 1},
                 {Count::kVhostSignalled, 1},
                 {Count::kVhostMasked, 1},
                 {Count::kVhostUsed, 1}});
  builder.Steps(6, 100, {});
  const Analysis analysis = Analyse(builder.HostOnly(), {});
  const Finding* masked = Find(analysis, Cause::kVectorMasked);
  ASSERT_NE(masked, nullptr);
  EXPECT_FALSE(masked->root);
  EXPECT_EQ(masked->certainty, Certainty::kHigh);
  EXPECT_TRUE(masked->missing.front().starts_with(kNotObservable));
  // The same in a guest that has an agent: its own table says so, and nothing else was found.
  Builder both = Host();
  both.GuestCounts({Count::kGuestIrq}).Steps(5, 100, Traffic(20));
  both.HostGauges({{Gauge::kIrqfd, 0}}).GuestGauges({{Gauge::kMsixMasked, 1}}).Steps(6, 100, {});
  const Analysis seen = Analyse(both.Both(), {});
  ASSERT_NE(Find(seen, Cause::kVectorMasked), nullptr);
  EXPECT_TRUE(Find(seen, Cause::kVectorMasked)->root);
}

TEST(HostOnlyTest, AShortMaskAsForAChangeOfAffinityIsNone) {
  Builder builder = Host();
  builder.Steps(5, 100, Traffic(20));
  builder.HostGauges({{Gauge::kIrqfd, 0}}).Steps(2, 100, Traffic(0));
  builder.HostGauges({{Gauge::kIrqfd, 1}}).Steps(5, 100, Traffic(20));
  EXPECT_EQ(Find(Analyse(builder.HostOnly(), {}), Cause::kVectorMasked), nullptr);
}

// A VMM that injects by itself has no irqfd at any time.
TEST(HostOnlyTest, NeverWiredIsNotMasked) {
  Builder builder = Host();
  builder.HostGauges({{Gauge::kIrqfd, 0}}).Steps(8, 100, {{Count::kVhostBatches, 1}});
  EXPECT_EQ(Find(Analyse(builder.HostOnly(), {}), Cause::kVectorMasked), nullptr);
}

// Where the eventfd cannot be looked at, a masked signal that nothing followed says the same.
TEST(HostOnlyTest, MaskedByCountsAlone) {
  const auto run = [](uint64_t written_later) {
    Builder builder("rx0");
    builder.HostCounts({Count::kVhostBatches, Count::kVhostSignalled, Count::kVhostMasked,
                        Count::kEventfdWritten, Count::kIrqfdWoken});
    builder.Steps(
        4, 100, {{Count::kVhostBatches, 5}, {Count::kVhostSignalled, 5}, {Count::kIrqfdWoken, 5}});
    builder.Steps(
        1, 100, {{Count::kVhostBatches, 1}, {Count::kVhostSignalled, 1}, {Count::kVhostMasked, 1}});
    builder.Steps(4, 100, {});
    builder.Steps(1, 100, {{Count::kEventfdWritten, written_later}});
    return Analyse(builder.HostOnly(), {});
  };
  ASSERT_NE(Find(run(0), Cause::kVectorMasked), nullptr);
  EXPECT_EQ(Find(run(0), Cause::kVectorMasked)->certainty, Certainty::kMedium);
  EXPECT_EQ(Find(run(1), Cause::kVectorMasked), nullptr);  // unmasked: the VMM wrote what it kept
}

TEST(HostOnlyTest, EveryCauseSaysWhatItCanReach) {
  for (int i = 0; i < kCauses; ++i) {
    EXPECT_EQ(ReachOf(static_cast<Cause>(i)).cause, static_cast<Cause>(i));
    EXPECT_FALSE(ReachOf(static_cast<Cause>(i)).how.empty());
  }
}

}  // namespace
}  // namespace ringside
