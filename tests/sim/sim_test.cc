// SPDX-License-Identifier: Apache-2.0
// The model's rules against the kernel's (kernel facts 2 and 3), and what follows from them against
// what was seen in the lab (kernel facts 14, 15).
#include <gtest/gtest.h>

#include "correlate/clocks.h"
#include "tests/sim/faults.h"
#include "tests/sim/judge.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"
#include "tests/sim/spurious.h"
#include "tests/sim/world.h"

namespace ringside::sim {
namespace {

constexpr int64_t kStepNs = 50 * kUsNs;

// True if the rule disables at the end of a window with so many unhandled at its end.
bool DisablesWith(GuestKernel kernel, uint32_t unhandled) {
  SpuriousRule rule(kernel, kSpuriousLimit);
  bool disabled = false;
  int64_t now = kSecNs;
  // The first is unhandled: before it newer kernels do not count at all.
  for (uint32_t i = 0; i < kSpuriousWindow; ++i, now += kStepNs) {
    disabled |= rule.Note(i >= unhandled, now);
  }
  EXPECT_EQ(rule.windows(), 1u);
  return disabled;
}

TEST(SpuriousRule, LimitIsOver99900InAWindow) {
  for (const GuestKernel kernel : {GuestKernel::k510, GuestKernel::k61}) {
    EXPECT_FALSE(DisablesWith(kernel, 99'900));
    EXPECT_TRUE(DisablesWith(kernel, 99'901));
  }
}

TEST(SpuriousRule, GapOfATenthOfASecondBeginsAnew) {
  SpuriousRule rule(GuestKernel::k510, kSpuriousLimit);
  int64_t now = kSecNs;
  for (int i = 0; i < 1000; ++i) rule.Note(false, now += kStepNs);
  EXPECT_EQ(rule.unhandled(), 1000u);
  rule.Note(false, now += kGapJiffies * kJiffyNs);  // not more than HZ/10
  EXPECT_EQ(rule.unhandled(), 1001u);
  rule.Note(false, now += (kGapJiffies + 1) * kJiffyNs);
  EXPECT_EQ(rule.unhandled(), 1u);
}

TEST(SpuriousRule, NewerKernelsCountFromTheFirstUnhandled) {
  SpuriousRule older(GuestKernel::k510, kSpuriousLimit);
  SpuriousRule newer(GuestKernel::k61, kSpuriousLimit);
  for (int i = 0; i < 10; ++i) {
    older.Note(true, kSecNs);
    newer.Note(true, kSecNs);
  }
  EXPECT_EQ(older.count(), 10u);
  EXPECT_EQ(newer.count(), 0u);
  newer.Note(false, kSecNs);
  newer.Note(true, kSecNs);
  EXPECT_EQ(newer.count(), 2u);
}

TEST(SpuriousFollower, HoldsTheRuleBetweenItsEnds) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed, "follower");
    const GuestKernel kernel = seed % 2 == 0 ? GuestKernel::k510 : GuestKernel::k61;
    SpuriousRule rule(kernel, kSpuriousLimit);
    SpuriousFollower follower;
    follower.Start(kernel, rule.count(), rule.unhandled());
    int64_t now = kSecNs;
    for (int i = 0; i < 150'000; ++i) {
      now += random.Chance(0.0002) ? random.Between(95, 110) * kMsNs : random.Between(1, kStepNs);
      const bool handled = random.Chance(0.3);
      rule.Note(handled, now);
      follower.Note(handled, now + 12'345);  // its clock is not the kernel's jiffies
      ASSERT_LE(follower.lo(), rule.unhandled()) << "seed " << seed << " at " << i;
      ASSERT_GE(follower.hi(), rule.unhandled()) << "seed " << seed << " at " << i;
    }
    EXPECT_EQ(follower.windows, rule.windows());
  }
}

TEST(NeedEvent, AsTheKernelDefinesIt) {
  EXPECT_TRUE(NeedEvent(10, 11, 10));   // the entry waited for
  EXPECT_FALSE(NeedEvent(11, 11, 10));  // waits for the next one
  EXPECT_FALSE(NeedEvent(9, 11, 10));   // was signalled before
  EXPECT_TRUE(NeedEvent(65535, 3, 65530));
  EXPECT_TRUE(NeedEvent(1, 3, 65530));
  EXPECT_FALSE(NeedEvent(3, 3, 65530));
  EXPECT_FALSE(NeedEvent(65529, 3, 65530));
}

Vq MakeVq(GuestKernel kernel, bool event_idx) {
  VmSpec spec;
  spec.kernel = kernel;
  spec.event_idx = event_idx;
  Vq vq(spec, Mutation::kNone, true, 0);
  vq.used = vq.last_used = vq.host_used = 1000;
  vq.avail = 1256;
  vq.EnableCb();
  return vq;
}

TEST(DisableCb, OldKernelsWriteNothingWithEventIdx) {
  Vq old = MakeVq(GuestKernel::k510, true);
  old.DisableCb();
  EXPECT_EQ(old.used_event, 1000);
  Vq newer = MakeVq(GuestKernel::k61, true);
  newer.DisableCb();
  EXPECT_EQ(newer.used_event, 0);
  Vq triggered = MakeVq(GuestKernel::k61, true);
  triggered.Interrupted();
  triggered.DisableCb();
  EXPECT_EQ(triggered.used_event, 1000);
  Vq flags = MakeVq(GuestKernel::k510, false);
  flags.DisableCb();
  EXPECT_EQ(flags.flags, 1);
  flags.EnableCb();
  EXPECT_EQ(flags.flags, 0);
}

TEST(Notify, FirstAlwaysThenOnlyWhenTheMarkIsPassed) {
  Vq vq = MakeVq(GuestKernel::k510, true);
  vq.used_event = 1005;
  vq.Fill(2);
  EXPECT_TRUE(vq.Notify(0));  // nothing was judged before
  vq.Fill(3);
  EXPECT_FALSE(vq.Notify(0));
  vq.Fill(1);
  EXPECT_TRUE(vq.Notify(0));
  vq.Fill(1);
  EXPECT_FALSE(vq.Notify(0));
}

RunSpec SpecOf(const char* scenario, uint64_t seed) {
  auto spec = MakeRun(scenario, seed, Mutation::kNone);
  EXPECT_TRUE(spec.has_value());
  return *std::move(spec);
}

TEST(Scenarios, EveryFaultIsOne) { EXPECT_EQ(FaultScenarios().size(), Faults().size()); }

TEST(World, SameSeedSameRecords) {
  const RunSpec spec = SpecOf("many-queues", 7);
  Recording first, second;
  ASSERT_TRUE(World(spec, nullptr).Play(&first).ok());
  ASSERT_TRUE(World(spec, nullptr).Play(&second).ok());
  ASSERT_EQ(first.streams.size(), second.streams.size());
  for (size_t i = 0; i < first.streams.size(); ++i) {
    EXPECT_EQ(first.streams[i].snapshots, second.streams[i].snapshots);
    EXPECT_EQ(first.streams[i].marks, second.streams[i].marks);
    EXPECT_FALSE(first.streams[i].snapshots.empty());
  }
}

// The signature of the defect (kernel facts 14): interrupts about equal to packets although most
// went through busy polls; a kernel without it takes few.
TEST(World, BusyPollingWithAndWithoutTheDefect) {
  for (const GuestKernel kernel : {GuestKernel::k510, GuestKernel::k61}) {
    RunSpec spec = SpecOf("busy-poll", 3);
    spec.vms[0].kernel = kernel;
    const int vcpu = spec.vms[0].pairs[0].flow.poller.vcpu;
    spec.vms[0].pairs[0].flow = PollerFlow(1000, 2 * kMsNs, 10 * kUsNs);
    spec.vms[0].pairs[0].flow.poller.vcpu = vcpu;
    World world(spec, nullptr);
    Recording recording;
    ASSERT_TRUE(world.Play(&recording).ok());
    const QueueTruth& rx = world.guest(0)->rx(0)->truth;
    const uint64_t packets = rx.Get(Count::kGuestPackets);
    ASSERT_GT(packets, 1500u);
    EXPECT_GT(rx.Get(Count::kGuestPacketsBusy) * 10, packets * 9);
    if (kernel == GuestKernel::k510) {
      EXPECT_GT(rx.Get(Count::kGuestIrq) * 10, packets * 9);
      EXPECT_GT(rx.Get(Count::kGuestNone) * 2, rx.Get(Count::kGuestIrq));
    } else {
      EXPECT_LT(rx.Get(Count::kGuestIrq) * 5, packets);
    }
  }
}

// After the interrupt is switched off: its ring fills, then the tap's, then all is dropped; one
// signal reaches the masked notifier (kernel facts 14).
TEST(World, DisabledInterruptEndsInFullRings) {
  RunSpec spec = SpecOf("steady", 3);
  spec.vms[0].event_idx = true;
  spec.vms[0].pairs[0].flow = SteadyFlow(2000);
  spec.events.push_back({.act = Act::kDisabled, .at_ns = 200 * kMsNs});
  World world(spec, nullptr);
  Recording recording;
  ASSERT_TRUE(world.Play(&recording).ok());
  Vq* const rx = world.guest(0)->rx(0);
  EXPECT_EQ(rx->used, rx->avail);  // no buffer left
  EXPECT_GE(rx->used - rx->last_used + 33, rx->size);
  EXPECT_EQ(world.guest(0)->workers[0]->tap_waiting(), spec.vms[0].tap_ring);
  EXPECT_GT(rx->truth.Get(Count::kTunDropped), 500u);
  EXPECT_LE(rx->truth.Get(Count::kVhostMasked), 1u);
}

// A writer without a gap: nearly all of its wake-ups merge (kernel facts 14).
TEST(World, WritesWithoutAGapMerge) {
  RunSpec spec = SpecOf("idle", 3);
  spec.events.push_back({.act = Act::kWrite, .at_ns = 200 * kMsNs, .x = 3e6, .ns = 10 * kMsNs});
  World world(spec, nullptr);
  Recording recording;
  ASSERT_TRUE(world.Play(&recording).ok());
  const QueueTruth& rx = world.guest(0)->rx(0)->truth;
  ASSERT_GT(rx.Get(Count::kKvmInjected), 10'000u);
  EXPECT_EQ(rx.Get(Count::kIrqfdWoken), rx.Get(Count::kKvmInjected));
  EXPECT_GT(rx.Get(Count::kKvmMerged) * 10, rx.Get(Count::kKvmInjected) * 5);
  EXPECT_EQ(rx.Get(Count::kKvmInjected) - rx.Get(Count::kKvmMerged), rx.Get(Count::kGuestIrq));
}

// What the engine is judged by must itself be right: on a run without loss every outcome adds up.
TEST(World, TheTruthAddsUp) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const RunSpec spec = SpecOf("many-vms", seed);
    World world(spec, nullptr);
    Recording recording;
    ASSERT_TRUE(world.Play(&recording).ok());
    for (size_t vm = 0; vm < spec.vms.size(); ++vm) {
      for (const Vq* vq : world.guest(vm)->queues()) {
        const QueueTruth& t = vq->truth;
        const uint64_t delivered = t.Get(Count::kKvmInjected) - t.Get(Count::kKvmMerged);
        EXPECT_GE(delivered, t.Get(Count::kGuestIrq));
        EXPECT_LE(delivered, t.Get(Count::kGuestIrq) + 2);
        EXPECT_LE(t.Get(Count::kGuestHandled) + t.Get(Count::kGuestNone), t.Get(Count::kGuestIrq));
        EXPECT_EQ(t.Get(Count::kTunOffered),
                  t.Get(Count::kTunEnqueued) + t.Get(Count::kTunDropped));
      }
    }
  }
}

// True time at which a clock showed `mono_ns`.
int64_t TrueTime(const NodeClock& clock, int64_t mono_ns) {
  int64_t from = 0, to = 1000 * kSecNs;
  while (from < to) {
    const int64_t middle = from + (to - from) / 2;
    if (clock.Mono(middle) < mono_ns) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

// Marks, gauges and exchanges of whole runs, as evidence: what they are said to prove has to be so.
TEST(ClockEvidence, ContainsTheTruth) {
  uint64_t looked = 0, against_hosts = 0;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const auto spec = MakeRun("random", seed, Mutation::kNone);
    ASSERT_TRUE(spec.has_value());
    SCOPED_TRACE(spec->scenario + " seed " + std::to_string(seed));
    World world(*spec, nullptr);
    Recording recording;
    ASSERT_TRUE(world.Play(&recording).ok());
    const Joined joined(recording);
    for (const ClockRelation& relation : RelateClocks(joined)) {
      if (relation.node != "vm1") continue;
      const bool host = relation.against == "host1";
      if (!host && relation.against != "collector") continue;
      EXPECT_EQ(relation.trust, ClockTrust::kGood) << relation.against;
      EXPECT_EQ(relation.disagreeing, 0u);
      const NodeClock local(spec->guest_clocks[0]);
      const NodeClock reference(host ? spec->host_clock : spec->collector_clock);
      for (const ClockMoment& moment : relation.moments) {
        if (!moment.half_ns) continue;
        const int64_t raw = reference.Read(TrueTime(local, moment.mono_ns)).raw_ns;
        ++(host ? against_hosts : looked);
        ASSERT_LE(moment.reference.lo_ns, raw) << relation.against;
        ASSERT_GE(moment.reference.hi_ns, raw) << relation.against;
      }
    }
  }
  EXPECT_GT(looked, 100u);
  EXPECT_GT(against_hosts, 100u);
}

// All clocks of a stream jump, as a migration makes them: no reading of its own shows it.
void Step(Stream* stream, int64_t at_mono_ns, int64_t by_ns) {
  const auto time = [&](int64_t* ns, int64_t mono_ns) { *ns += mono_ns >= at_mono_ns ? by_ns : 0; };
  const auto reading = [&](ClockReading* clock) {
    clock->counter = 0;  // one that cannot be read shows no step either
    if (clock->mono_ns < at_mono_ns) return;
    for (int64_t* ns : {&clock->mono_ns, &clock->raw_ns, &clock->real_ns}) *ns += by_ns;
  };
  reading(&stream->hello.clock);
  for (Snapshot& snapshot : stream->snapshots) {
    reading(&snapshot.begin);
    reading(&snapshot.end);
  }
  for (ClockExchange& exchange : stream->clocks) reading(&exchange.agent);
  for (Mark& mark : stream->marks) time(&mark.mono_ns, mark.mono_ns);
  if (stream->bye) reading(&stream->bye->clock);
}

TEST(ClockEvidence, AStepThatNoClockShowsIsTold) {
  const auto spec = MakeRun("steady", 1, Mutation::kNone);
  ASSERT_TRUE(spec.has_value());
  World world(*spec, nullptr);
  Recording recording;
  ASSERT_TRUE(world.Play(&recording).ok());
  bool stepped = false;
  for (Stream& stream : recording.streams) {
    if (stream.hello.name != "vm1") continue;
    const size_t middle = stream.snapshots.size() / 2;
    Step(&stream, stream.snapshots[middle].begin.mono_ns, 80 * kMsNs);
    stepped = true;
  }
  ASSERT_TRUE(stepped);
  int told = 0;
  for (const ClockRelation& relation : RelateClocks(Joined(recording))) {
    if (relation.node != "vm1") {
      EXPECT_EQ(relation.trust, ClockTrust::kGood);
      continue;
    }
    EXPECT_EQ(relation.trust, ClockTrust::kStepped) << relation.against;
    told += relation.events.empty() ? 0 : 1;
  }
  EXPECT_GT(told, 0);
}

}  // namespace
}  // namespace ringside::sim
