// SPDX-License-Identifier: Apache-2.0
#include "correlate/hook_proof.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace ringside {
namespace {

// Cells are read one after the other while the kernel counts on, and some calls are under way: a
// neighbour that leads by less says nothing.
constexpr uint64_t kSlack = 64;
constexpr uint64_t kSilentAfter = 10;
constexpr uint64_t kLossyPercent = 90;

// Each run of `callee` is within, or follows from, a run of `hook`. `exact`: one run each, so a
// clear difference is a loss; else only a hook that is never hit is told.
struct Neighbour {
  std::string_view hook;
  std::string_view callee;
  bool exact;
};
constexpr Neighbour kNeighbours[] = {
    {"irq:irq_handler_entry", "irq:irq_handler_exit", true},
    {"irq:irq_handler_exit", "irq:irq_handler_entry", true},
    {"irq:softirq_entry", "irq:softirq_exit", true},
    {"irq:softirq_exit", "irq:softirq_entry", true},
    // kvm_arch_set_irq_inatomic is called by irqfd_wakeup alone, once per wake-up.
    {"irqfd_wakeup", "kvm_arch_set_irq_inatomic", true},
    {"kvm_arch_set_irq_inatomic", "irqfd_wakeup", false},
    // A message that is delivered ends in an APIC; one that goes by the workqueue does so later.
    {"__apic_accept_irq", "kvm_arch_set_irq_inatomic", false},
    {"kvm:kvm_apic_accept_irq", "kvm:kvm_msi_set_irq", false},
};

// An eventfd is woken by a signal or by a write; writes come from user space and may never come.
constexpr std::string_view kSignals[] = {"eventfd_signal_mask", "eventfd_signal"};

bool Judged(const HookInfo& hook) {
  return hook.state != HookState::kRefused && hook.state != HookState::kUnneeded &&
         hook.state != HookState::kPaused && hook.rung != Rung::kProcfs &&
         hook.rung != Rung::kNone && hook.stage != "gauges";
}

class Prover {
 public:
  Prover(const std::vector<HookSample>& samples, const std::vector<HookInfo>& hooks)
      : hooks_(hooks) {
    for (const HookSample& sample : samples) samples_[sample.hook] = sample;
  }

  HookState StateOf(const HookInfo& hook) const {
    const auto sample = samples_.find(hook.id);
    if (sample == samples_.end()) return hook.state;
    const uint64_t hits = sample->second.hits;
    const uint64_t known = hits + sample->second.misses.value_or(0);
    const uint64_t exact = Expected(hook, true);
    if (hits == 0) {
      return std::max(exact, Expected(hook, false)) >= kSilentAfter ? HookState::kSilent
                                                                    : HookState::kAttached;
    }
    const bool lossy = known + kSlack < exact && known * 100 < exact * kLossyPercent;
    return lossy ? HookState::kLossy : HookState::kProven;
  }

 private:
  uint64_t HitsOf(std::string_view target) const {
    uint64_t most = 0;
    for (const HookInfo& hook : hooks_) {
      const auto sample = samples_.find(hook.id);
      if (hook.target == target && Judged(hook) && sample != samples_.end()) {
        most = std::max(most, sample->second.hits);
      }
    }
    return most;
  }

  // How often it should have been hit, at least.
  uint64_t Expected(const HookInfo& hook, bool exact) const {
    uint64_t expected = exact ? HitsOf(hook.target) : 0;  // other hooks of the same function
    for (const Neighbour& neighbour : kNeighbours) {
      if (neighbour.hook == hook.target && neighbour.exact == exact) {
        expected = std::max(expected, HitsOf(neighbour.callee));
      }
    }
    const bool signals =
        std::find(std::begin(kSignals), std::end(kSignals), hook.target) != std::end(kSignals);
    if (signals && !exact) {
      const uint64_t woken = std::max(HitsOf("irqfd_wakeup"), HitsOf("kvm_arch_set_irq_inatomic"));
      const uint64_t written = HitsOf("eventfd_write");
      expected = std::max(expected, woken - std::min(woken, written));
    }
    return expected;
  }

  const std::vector<HookInfo>& hooks_;
  std::map<HookId, HookSample> samples_;
};

}  // namespace

bool ProveHooks(const std::vector<HookSample>& samples, std::vector<HookInfo>* hooks) {
  const Prover prover(samples, *hooks);
  bool changed = false;
  for (HookInfo& hook : *hooks) {
    if (!Judged(hook)) continue;
    const HookState state = prover.StateOf(hook);
    changed = changed || state != hook.state;
    hook.state = state;
  }
  return changed;
}

bool InUse(HookState state) {
  return state == HookState::kAttached || state == HookState::kProven ||
         state == HookState::kLossy || state == HookState::kPaused;
}

const char* HookStateName(HookState state) {
  switch (state) {
    case HookState::kAttached: return "unproven";
    case HookState::kRefused: return "refused";
    case HookState::kUnneeded: return "unneeded";
    case HookState::kProven: return "proven";
    case HookState::kSilent: return "silent";
    case HookState::kLossy: return "lossy";
    case HookState::kPaused: return "paused";
  }
  return "unproven";
}

}  // namespace ringside
