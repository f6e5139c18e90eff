// SPDX-License-Identifier: Apache-2.0
#include "correlate/hook_proof.h"

#include <gtest/gtest.h>

#include <string>

#include "correlate/ledger.h"
#include "tests/correlate/builder.h"

namespace ringside {
namespace {

class Hooks {
 public:
  Hooks& Add(const char* target, uint64_t hits, Rung rung = Rung::kFentry) {
    HookInfo hook{.id = HookId{static_cast<uint32_t>(infos_.size() + 1)}, .stage = "stage"};
    hook.target = target;
    hook.rung = rung;
    hook.state = HookState::kAttached;
    samples_.push_back({.hook = hook.id, .hits = hits, .misses = std::nullopt});
    infos_.push_back(hook);
    return *this;
  }
  HookSample& last() { return samples_.back(); }
  HookState StateOf(size_t place) {
    ProveHooks(samples_, &infos_);
    return infos_[place].state;
  }
  std::vector<HookInfo>& infos() { return infos_; }
  bool Prove() { return ProveHooks(samples_, &infos_); }

 private:
  std::vector<HookInfo> infos_;
  std::vector<HookSample> samples_;
};

TEST(HookProofTest, AttachedAndNeverHitBesideABusyNeighbourIsSilent) {
  Hooks hooks;
  hooks.Add("irqfd_wakeup", 0).Add("irqfd_wakeup", 363, Rung::kKprobe);
  hooks.Add("kvm_arch_set_irq_inatomic", 363);
  EXPECT_EQ(hooks.StateOf(0), HookState::kSilent);
  EXPECT_EQ(hooks.StateOf(1), HookState::kProven);
  EXPECT_EQ(hooks.StateOf(2), HookState::kProven);
}

TEST(HookProofTest, SilentIsSeenWithoutASecondHookOnTheSameFunction) {
  Hooks hooks;
  hooks.Add("irqfd_wakeup", 0).Add("kvm_arch_set_irq_inatomic", 10);
  EXPECT_EQ(hooks.StateOf(0), HookState::kSilent);
  Hooks other;
  other.Add("irqfd_wakeup", 10).Add("kvm_arch_set_irq_inatomic", 0);
  EXPECT_EQ(other.StateOf(1), HookState::kSilent);
}

TEST(HookProofTest, AnIdlePathProvesNothing) {
  Hooks hooks;
  hooks.Add("irqfd_wakeup", 0).Add("kvm_arch_set_irq_inatomic", 0).Add("tun_net_xmit", 0);
  EXPECT_FALSE(hooks.Prove());
  for (const HookInfo& hook : hooks.infos()) EXPECT_EQ(hook.state, HookState::kAttached);
  // A few calls may have been under way while the hooks were attached one after the other.
  Hooks few;
  few.Add("irqfd_wakeup", 0).Add("kvm_arch_set_irq_inatomic", 9);
  EXPECT_EQ(few.StateOf(0), HookState::kAttached);
}

TEST(HookProofTest, NinetyNineOfTwoHundredNinetyIsNoSuccess) {
  Hooks hooks;
  hooks.Add("irq:irq_handler_entry", 99, Rung::kTracepoint).Add("irq:irq_handler_exit", 290);
  EXPECT_EQ(hooks.StateOf(0), HookState::kLossy);
  EXPECT_EQ(hooks.StateOf(1), HookState::kProven);
  // What the kernel owns up to is no hidden loss.
  Hooks known;
  known.Add("irq:irq_handler_exit", 290).Add("irq:irq_handler_entry", 99);
  known.last().misses = 191;
  EXPECT_EQ(known.StateOf(1), HookState::kProven);
}

TEST(HookProofTest, CellsReadAtDifferentTimesAreNoLoss) {
  Hooks hooks;
  hooks.Add("tun_net_xmit", 1'000'000).Add("tun_net_xmit", 1'000'060);
  EXPECT_EQ(hooks.StateOf(0), HookState::kProven);
  // Messages by the workqueue reach an APIC later or not at all: only "never" tells.
  Hooks apic;
  apic.Add("__apic_accept_irq", 5).Add("kvm_arch_set_irq_inatomic", 1000);
  EXPECT_EQ(apic.StateOf(0), HookState::kProven);
}

TEST(HookProofTest, WakeUpsComeFromSignalsOrWrites) {
  Hooks hooks;
  hooks.Add("eventfd_signal_mask", 0).Add("eventfd_write", 5000);
  hooks.Add("irqfd_wakeup", 5000, Rung::kKprobe);
  EXPECT_EQ(hooks.StateOf(0), HookState::kAttached) << "all were writes";
  Hooks vhost;
  vhost.Add("eventfd_signal_mask", 0).Add("eventfd_write", 100).Add("irqfd_wakeup", 5000);
  EXPECT_EQ(vhost.StateOf(0), HookState::kSilent);
}

TEST(HookProofTest, RefusedHooksStayRefusedAndAHitOneRecovers) {
  Hooks hooks;
  hooks.Add("irqfd_wakeup", 0).Add("irqfd_wakeup", 50, Rung::kKprobe);
  hooks.infos()[0].state = HookState::kRefused;
  EXPECT_EQ(hooks.StateOf(0), HookState::kRefused);
  hooks.infos()[0].state = HookState::kSilent;
  hooks.Add("irqfd_wakeup", 0);
  Hooks later;
  later.Add("irqfd_wakeup", 60).Add("irqfd_wakeup", 60, Rung::kKprobe);
  later.infos()[0].state = HookState::kSilent;
  EXPECT_TRUE(later.Prove());
  EXPECT_EQ(later.infos()[0].state, HookState::kProven);
  EXPECT_FALSE(later.Prove()) << "nothing new";
}

// What a silent hook counted was not observed: no cell, never a zero.
TEST(HookProofTest, TheCountOfASilentHookIsNoCount) {
  Builder builder;
  builder.HostCounts({Count::kIrqfdWoken, Count::kKvmInjected})
      .Steps(5, 100, {{Count::kKvmInjected, 100}});
  Recording recording = builder.HostOnly();
  ASSERT_NE(MakeLedger(recording, {}).queues[0].Find(Count::kIrqfdWoken), nullptr);
  recording.streams[0].hello.hooks[0].state = HookState::kSilent;
  EXPECT_EQ(MakeLedger(recording, {}).queues[0].Find(Count::kIrqfdWoken), nullptr);
}

// Hits that found no slot: no count of that hook has an upper end.
TEST(HookProofTest, MoreQueuesThanSlotsLeaveUpperEndsOpen) {
  Builder builder;
  builder.GuestCounts({Count::kGuestIrq}).Steps(5, 100, {{Count::kGuestIrq, 100}});
  Recording recording = builder.GuestOnly();
  const CountCell* exact = nullptr;
  const Ledger before = MakeLedger(recording, {});
  exact = before.queues[0].Find(Count::kGuestIrq);
  ASSERT_NE(exact, nullptr);
  ASSERT_TRUE(exact->hi.has_value());
  for (HookSample& sample : recording.streams[0].snapshots.back().hooks) sample.unplaced = 7;
  const Ledger after = MakeLedger(recording, {});
  EXPECT_EQ(after.queues[0].Find(Count::kGuestIrq)->lo, exact->lo);
  EXPECT_FALSE(after.queues[0].Find(Count::kGuestIrq)->hi.has_value());
  ASSERT_FALSE(after.warnings.empty());
  EXPECT_NE(after.warnings[0].find("had no room for 7 hits"), std::string::npos);
}

}  // namespace
}  // namespace ringside
