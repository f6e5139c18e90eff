// SPDX-License-Identifier: Apache-2.0
#include "correlate/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

const QueueLedger& Only(const Ledger& ledger) {
  EXPECT_EQ(ledger.queues.size(), 1u);
  return ledger.queues.front();
}

const Identity* FindIdentity(const QueueLedger& queue, const std::string& id) {
  const auto found = std::find_if(queue.identities.begin(), queue.identities.end(),
                                  [&](const Identity& identity) { return identity.id == id; });
  return found == queue.identities.end() ? nullptr : &*found;
}

constexpr const char* kDelivery = "kvm.injected - kvm.merged = guest.irq";

std::string Explain(const QueueLedger& queue) {
  std::string text = queue.queue + " <- " + queue.host_queue + "\n";
  for (const Identity& identity : queue.identities) {
    text +=
        std::string(VerdictName(identity.verdict)) + " " + identity.id + ": " + identity.why + "\n";
  }
  for (const std::string& line : queue.binding.evidence) text += line + "\n";
  return text + queue.cut.why_not;
}

void ExpectCount(const QueueLedger& queue, Count count, uint64_t truth) {
  const CountCell* cell = queue.Find(count);
  ASSERT_NE(cell, nullptr) << CountName(count);
  EXPECT_LE(cell->lo, truth) << CountName(count);
  if (cell->hi) {
    EXPECT_GE(*cell->hi, truth) << CountName(count);
  }
}

TEST(LedgerTest, HealthyPathsHoldWithExactCounts) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    PathOptions options{.seed = seed};
    options.suppress = (seed % 5) * 0.2;
    options.busy = (seed % 3) * 0.4;
    PathTruth truth;
    const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
    const QueueLedger& queue = Only(ledger);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + Explain(queue));
    EXPECT_EQ(queue.queue, "vm1/eth0/rx0");
    EXPECT_EQ(queue.host_queue, "host1/tap0/rx0");
    EXPECT_TRUE(queue.binding.bound);
    EXPECT_FALSE(queue.binding.provisional);
    ASSERT_TRUE(queue.cut.by_position);
    EXPECT_EQ(queue.verdict, Verdict::kHolds);
    EXPECT_GE(queue.cut.common_marks, 50u);
    EXPECT_EQ(queue.cut.marks_agreeing, queue.cut.common_marks);
    ExpectCount(queue, Count::kVhostBatches, truth.batches);
    ExpectCount(queue, Count::kVhostSignalled, truth.signalled);
    ExpectCount(queue, Count::kKvmInjected, truth.injected);
    ExpectCount(queue, Count::kKvmMerged, truth.merged);
    ExpectCount(queue, Count::kGuestIrq, truth.irq);
    ExpectCount(queue, Count::kGuestNone, truth.none);
    ExpectCount(queue, Count::kVhostUsed, truth.entries);
    EXPECT_EQ(queue.Find(Count::kGuestIrq)->lo, *queue.Find(Count::kGuestIrq)->hi);
    EXPECT_TRUE(ledger.warnings.empty());
  }
}

TEST(LedgerTest, LostInterruptsViolateDelivery) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    PathTruth truth;
    const PathOptions options{.seed = seed, .lose_every = 300};
    const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
    const QueueLedger& queue = Only(ledger);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + Explain(queue));
    EXPECT_EQ(queue.verdict, Verdict::kViolated);
    EXPECT_EQ(FindIdentity(queue, kDelivery)->verdict, Verdict::kViolated);
    EXPECT_LT(queue.cut.marks_agreeing, queue.cut.common_marks);
  }
}

TEST(LedgerTest, DuplicatedInterruptsViolateDelivery) {
  PathTruth truth;
  const PathOptions options{.seed = 7, .duplicate_every = 500};
  const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
  SCOPED_TRACE(Explain(Only(ledger)));
  EXPECT_EQ(FindIdentity(Only(ledger), kDelivery)->verdict, Verdict::kViolated);
}

TEST(LedgerTest, GuestAgentThatCameTurnsLaterIsPutOnTheSameTurn) {
  PathTruth truth;
  const PathOptions options{.seed = 3, .guest_turns_late = 5};
  const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
  const QueueLedger& queue = Only(ledger);
  SCOPED_TRACE(Explain(queue));
  EXPECT_TRUE(queue.cut.by_position);
  EXPECT_GE(queue.cut.common_marks, 50u);
  EXPECT_EQ(queue.verdict, Verdict::kHolds);
  ExpectCount(queue, Count::kGuestIrq, truth.irq);
}

TEST(LedgerTest, WithoutALinkWallClocksGiveTheSameCut) {
  PathTruth truth;
  const Ledger with = MakeLedger(ModelPath({.seed = 4}, &truth), {});
  const Ledger without = MakeLedger(ModelPath({.seed = 4, .exchanges = false}, &truth), {});
  const QueueLedger& a = Only(with);
  const QueueLedger& b = Only(without);
  SCOPED_TRACE(Explain(b));
  EXPECT_TRUE(b.cut.by_position);
  EXPECT_EQ(a.cut.from_pos, b.cut.from_pos);
  EXPECT_EQ(a.cut.to_pos, b.cut.to_pos);
  EXPECT_EQ(a.verdict, b.verdict);
  EXPECT_EQ(a.Find(Count::kGuestIrq)->lo, b.Find(Count::kGuestIrq)->lo);
}

TEST(LedgerTest, ChangedMessageStartsANewEpoch) {
  PathTruth truth;
  const PathOptions options{.seed = 5, .affinity_change_at = 9000};
  const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
  const QueueLedger& queue = Only(ledger);
  SCOPED_TRACE(Explain(queue));
  EXPECT_EQ(queue.cut.epochs, 2u);
  EXPECT_EQ(queue.verdict, Verdict::kHolds);
}

TEST(LedgerTest, HookThatNeverFiresGivesWayToTheNextRung) {
  PathTruth truth;
  const PathOptions options{.seed = 6, .fentry_silent = true};
  const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
  const QueueLedger& queue = Only(ledger);
  SCOPED_TRACE(Explain(queue));
  const CountCell* woken = queue.Find(Count::kIrqfdWoken);
  ASSERT_NE(woken, nullptr);
  EXPECT_EQ(woken->hook, "kprobe");
  ExpectCount(queue, Count::kIrqfdWoken, truth.injected);
  EXPECT_EQ(queue.verdict, Verdict::kHolds);
}

TEST(LedgerTest, OneKeyIsProvisionalAndNeverViolated) {
  PathTruth truth;
  PathOptions options{.seed = 8, .lose_every = 100, .msi_known = false};
  options.batches = 200;  // too short for the moving index to speak
  const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
  const QueueLedger& queue = Only(ledger);
  SCOPED_TRACE(Explain(queue));
  EXPECT_TRUE(queue.binding.provisional);
  EXPECT_NE(queue.verdict, Verdict::kViolated);
}

TEST(LedgerTest, OtherVmOrOtherRingIsNotBound) {
  for (const bool other_vm : {true, false}) {
    PathOptions options{.seed = 9};
    if (other_vm) {
      options.host_uuid = "7d9ee1b4-0000-4000-8000-00000000beef";
    } else {
      options.wrong_address = true;
    }
    PathTruth truth;
    const Ledger ledger = MakeLedger(ModelPath(options, &truth), {});
    ASSERT_EQ(ledger.queues.size(), 2u);
    for (const QueueLedger& queue : ledger.queues) {
      EXPECT_FALSE(queue.binding.bound);
      EXPECT_TRUE(queue.queue.empty() || queue.host_queue.empty());
      EXPECT_NE(queue.verdict, Verdict::kViolated);
    }
  }
}

TEST(LedgerTest, MissesWidenAndUnknownMissesLeaveTheEndOpen) {
  PathTruth truth;
  Recording recording = ModelPath({.seed = 10}, &truth);
  Snapshot& last = recording.streams[1].snapshots.back();
  last.hooks[0].misses = 17;
  const Ledger widened = MakeLedger(recording, {});
  EXPECT_EQ(*Only(widened).Find(Count::kGuestIrq)->hi, truth.irq + 17);
  EXPECT_FALSE(widened.warnings.empty());
  for (Snapshot& snapshot : recording.streams[1].snapshots) snapshot.hooks[0].misses.reset();
  const Ledger open = MakeLedger(recording, {});
  EXPECT_FALSE(Only(open).Find(Count::kGuestIrq)->hi.has_value());
  EXPECT_EQ(FindIdentity(Only(open), kDelivery)->verdict, Verdict::kInconclusive);
}

// A hook whose losses are told only while it is quiet: what is told before and after bounds them.
TEST(LedgerTest, LossesToldAtOtherMomentsBoundThoseOfTheWindow) {
  PathTruth truth;
  Recording recording = ModelPath({.seed = 10}, &truth);
  std::vector<Snapshot>& snapshots = recording.streams[1].snapshots;
  for (Snapshot& snapshot : snapshots) snapshot.hooks[0].misses.reset();
  snapshots.back().hooks[0].misses = 17;  // all of them may have been in the window
  EXPECT_EQ(*Only(MakeLedger(recording, {})).Find(Count::kGuestIrq)->hi, truth.irq + 17);
  snapshots.back().hooks[0].misses.reset();
  snapshots[snapshots.size() - 2].hooks[0].misses = 17;  // and since?
  EXPECT_FALSE(Only(MakeLedger(recording, {})).Find(Count::kGuestIrq)->hi.has_value());
}

// Interrupts lost early and others too many later: the totals agree, the marks between do not. The
// guest says so, and it is violated once the host has seen fewer taken meanwhile, too.
TEST(LedgerTest, FaultsThatCancelAreSeenAtTheMarksBetween) {
  PathTruth truth;
  Recording recording = ModelPath({.seed = 13}, &truth);
  std::vector<Mark>& marks = recording.streams[1].marks;
  for (size_t i = marks.size() / 3; i < 2 * marks.size() / 3; ++i) {
    marks[i].counts[0].value -= 20;  // guest.irq
    marks[i].counts[1].value -= 20;  // guest.handled
  }
  const auto verdict = [&] {
    const Ledger ledger = MakeLedger(recording, {});
    const QueueLedger& queue = Only(ledger);
    SCOPED_TRACE(Explain(queue));
    EXPECT_LT(queue.cut.marks_agreeing, queue.cut.common_marks);
    return FindIdentity(queue, kDelivery)->verdict;
  };
  EXPECT_EQ(verdict(), Verdict::kInconclusive);
  std::vector<Snapshot>& snapshots = recording.streams[0].snapshots;
  for (size_t i = snapshots.size() / 3; i < 2 * snapshots.size() / 3; ++i) {
    for (Sample& sample : snapshots[i].samples) {
      if (sample.count == Count::kKvmTaken) sample.lo = sample.hi -= 20;
    }
  }
  EXPECT_EQ(verdict(), Verdict::kViolated);
}

TEST(LedgerTest, MissesWidenCountsThatAreCutByTime) {
  PathTruth truth;
  Recording recording = ModelPath({.seed = 14}, &truth);
  recording.streams.erase(recording.streams.begin());  // the guest alone
  recording.streams[0].snapshots.back().hooks[0].misses = 17;
  const Ledger ledger = MakeLedger(recording, {});
  const CountCell* irq = Only(ledger).Find(Count::kGuestIrq);
  ASSERT_NE(irq, nullptr);
  EXPECT_EQ(irq->lo, truth.irq);
  EXPECT_EQ(*irq->hi, truth.irq + 17);
}

// Seen on 6.18: programs on a tracepoint are not run while certain tasks are current, and
// recursion_misses stays 0.
TEST(LedgerTest, InterruptsTheHookNeverSawAreAllowedFor) {
  PathTruth truth;
  Recording recording = ModelPath({.seed = 12}, &truth);
  constexpr HookId kProc{9};
  Stream& vm = recording.streams[1];
  vm.hello.hooks.push_back({.id = kProc, .stage = "guest.proc_irq", .program = "p"});
  vm.hello.hooks.back().rung = Rung::kProcfs;
  for (size_t i = 0; i < vm.snapshots.size(); ++i) {
    const uint64_t seen = vm.snapshots[i].samples[0].lo;
    const uint64_t kernel = 1000 + seen + (i + 1 == vm.snapshots.size() ? 40 : 0);
    vm.snapshots[i].samples.push_back({QueueId{1}, Count::kGuestProcIrq, kProc, kernel, kernel});
  }
  const Ledger ledger = MakeLedger(recording, {});
  const QueueLedger& queue = Only(ledger);
  EXPECT_EQ(queue.unseen, 40u);
  EXPECT_EQ(*queue.Find(Count::kGuestIrq)->hi, truth.irq + 40);
  EXPECT_NE(queue.verdict, Verdict::kViolated) << Explain(queue);
  ASSERT_EQ(ledger.warnings.size(), 1u);
  EXPECT_NE(ledger.warnings[0].find("without calling the hook"), std::string::npos);
}

TEST(LedgerTest, CutOffAgentAndRecorderAreSaid) {
  PathTruth truth;
  Recording recording = ModelPath({.seed = 11}, &truth);
  recording.closed = false;
  recording.streams[1].bye.reset();
  const Ledger ledger = MakeLedger(recording, {});
  ASSERT_EQ(ledger.warnings.size(), 2u);
  EXPECT_NE(ledger.warnings[0].find("vm1: the agent was cut off"), std::string::npos);
}

TEST(LedgerTest, AbsurdNumbersAreNotBelievedAndEnd) {
  PathTruth truth;
  Recording recording = ModelPath({.seed = 15}, &truth);
  for (Stream& stream : recording.streams) {
    stream.marks[3].pos = UINT64_MAX;
    stream.marks[5].pos = uint64_t{1} << 61;
    stream.marks[7].counts[0].value = UINT64_MAX;
    stream.snapshots[2].gauges[0].value = uint64_t{1} << 63;
    stream.snapshots[2].samples[0].lo = INT64_MAX;
    stream.snapshots[2].samples[0].hi = INT64_MAX;
  }
  const Ledger ledger = MakeLedger(recording, {});
  SCOPED_TRACE(Explain(Only(ledger)));
  EXPECT_NE(Only(ledger).verdict, Verdict::kViolated);
}

TEST(LedgerTest, EmptyRecordingGivesAnEmptyLedger) {
  const Ledger ledger = MakeLedger(Recording{}, {});
  EXPECT_TRUE(ledger.queues.empty());
  EXPECT_EQ(ledger.window.from_ns, 0);
}

// The guest's agent doubles its counts. Where KVM saw what was taken, that is no violation of the
// host's; where it did not, the accounts disagree and nobody can say whose is wrong.
TEST(LedgerTest, AGuestsWordAgainstTheHostsWitness) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    PathTruth truth;
    Recording recording = ModelPath({.seed = seed}, &truth);
    const auto lie = [](Count count, uint64_t* value) {
      if (count >= Count::kGuestIrq && count <= Count::kGuestNone) *value *= 2;
    };
    for (Stream& stream : recording.streams) {
      for (Snapshot& snapshot : stream.snapshots) {
        for (Sample& sample : snapshot.samples) {
          lie(sample.count, &sample.lo);
          lie(sample.count, &sample.hi);
        }
      }
      for (Mark& mark : stream.marks) {
        for (MarkCount& count : mark.counts) lie(count.count, &count.value);
      }
    }
    const auto verdict = [&] {
      const Ledger ledger = MakeLedger(recording, {});
      const Identity* identity = FindIdentity(Only(ledger), kDelivery);
      return identity == nullptr ? Verdict::kHolds : identity->verdict;
    };
    EXPECT_EQ(verdict(), Verdict::kInconclusive);
    for (Stream& stream : recording.streams) {
      for (Snapshot& snapshot : stream.snapshots) {
        std::erase_if(snapshot.samples,
                      [](const Sample& sample) { return sample.count == Count::kKvmTaken; });
      }
    }
    EXPECT_EQ(verdict(), Verdict::kViolated);
  }
}

// Drops are told by a tracepoint on every host; its functions say what the host's counts are worth.
TEST(LedgerTest, AHostsRungIsThatOfItsFunctions) {
  Hello hello{.roles = kRoleHost};
  const auto rung_of = [&](std::vector<Rung> rungs) {
    hello.hooks.clear();
    for (const Rung rung : rungs) {
      HookInfo hook{.id = HookId{static_cast<uint32_t>(hello.hooks.size() + 1)}, .stage = "x"};
      hook.rung = rung;
      hook.state = HookState::kAttached;
      hello.hooks.push_back(hook);
    }
    Recording recording;
    recording.streams.emplace_back().hello = hello;
    return MakeLedger(recording, {}).nodes.at(0).rungs;
  };
  EXPECT_EQ(rung_of({Rung::kTpBtf, Rung::kKprobe}), "kprobe");
  EXPECT_EQ(rung_of({Rung::kKprobe, Rung::kFentry, Rung::kTpBtf}), "fentry");
  EXPECT_EQ(rung_of({Rung::kTpBtf, Rung::kProcfs}), "tp_btf");  // KVM's tracepoints are all it has
  hello.roles = kRoleGuest;
  EXPECT_EQ(rung_of({Rung::kTpBtf, Rung::kKprobe}), "tp_btf");
}

}  // namespace
}  // namespace ringside
