// SPDX-License-Identifier: Apache-2.0
#include "correlate/chain.h"

#include <algorithm>
#include <set>

#include "correlate/causes/causes.h"
#include "correlate/causes/host_only.h"

namespace ringside {
namespace {

struct Mechanism {
  Cause effect;
  Cause cause;
  // False: it acts through another one in the table, which speaks for it where it was not found.
  bool directly = true;
};

// What can cause what, and how: see the files in causes/.
constexpr Mechanism kMechanisms[] = {
    {Cause::kIrqDisabled, Cause::kExternalInjector},
    {Cause::kIrqDisabled, Cause::kEmptySignal},
    {Cause::kIrqDisabled, Cause::kDuplicateInjection},
    {Cause::kIrqDisabled, Cause::kBusyPollSpurious},
    {Cause::kIrqStormRisk, Cause::kExternalInjector},
    {Cause::kIrqStormRisk, Cause::kEmptySignal},
    {Cause::kIrqStormRisk, Cause::kDuplicateInjection},
    {Cause::kIrqStormRisk, Cause::kBusyPollSpurious},
    {Cause::kIrqDisabledDrained, Cause::kExternalInjector},
    {Cause::kIrqDisabledDrained, Cause::kEmptySignal},
    {Cause::kIrqDisabledDrained, Cause::kDuplicateInjection},
    {Cause::kIrqDisabledDrained, Cause::kBusyPollSpurious},
    {Cause::kVectorMasked, Cause::kIrqDisabled},
    {Cause::kVectorMasked, Cause::kIrqDisabledDrained},
    {Cause::kDeadQueue, Cause::kIrqDisabled},
    {Cause::kDeadQueue, Cause::kVectorMasked},
    {Cause::kDeadQueue, Cause::kSuppressedStall},
    {Cause::kDeadQueue, Cause::kLostInterrupt},
    {Cause::kDeadQueue, Cause::kStaleRoute},
    {Cause::kDeadQueue, Cause::kLostAcrossPause},
    {Cause::kDeadQueue, Cause::kNoTxSignal},
    {Cause::kTunRingFull, Cause::kDeadQueue},
    {Cause::kTunRingFull, Cause::kIrqDisabled, false},
    {Cause::kTunRingFull, Cause::kVectorMasked, false},
    {Cause::kTunRingFull, Cause::kStaleRoute, false},
    {Cause::kTunRingFull, Cause::kLostInterrupt, false},
    {Cause::kTunRingFull, Cause::kLostAcrossPause, false},
    {Cause::kTunRingFull, Cause::kSuppressedStall, false},
    {Cause::kTunRingFull, Cause::kSoftirqSqueeze},
    {Cause::kTunRingFull, Cause::kLateVcpu},
    {Cause::kInterruptMerging, Cause::kLateVcpu},
    {Cause::kInterruptMerging, Cause::kExternalInjector},
    {Cause::kSoftirqSqueeze, Cause::kLateVcpu},
};

const QueueEvidence* EvidenceOf(const std::vector<QueueEvidence>& queues, const Finding& finding) {
  const auto found = std::find_if(queues.begin(), queues.end(), [&](const QueueEvidence& queue) {
    return queue.Name() == finding.queue;
  });
  return found == queues.end() ? nullptr : &*found;
}

// Softnet and vCPU findings concern all queues of their node or VM.
bool Concerns(const Finding& cause, const QueueEvidence& queue) {
  const std::string owner = cause.queue.substr(0, cause.queue.find('/'));
  if (cause.cause == Cause::kSoftirqSqueeze) return queue.guest && queue.guest.node().name == owner;
  if (cause.cause != Cause::kLateVcpu || !queue.host) return false;
  for (const LocalQueue& other : queue.joined->others()) {
    if (other.Name() == cause.host_queue) return other.info.vm_id == queue.host.queue().info.vm_id;
  }
  return false;
}

bool SamePlace(const std::vector<QueueEvidence>& queues, const Finding& cause,
               const Finding& effect) {
  if (cause.queue == effect.queue) return true;
  const QueueEvidence* evidence = EvidenceOf(queues, effect);
  if (evidence != nullptr) return Concerns(cause, *evidence);
  // Between two of a VM's own: any queue ties them together.
  return std::any_of(queues.begin(), queues.end(), [&](const QueueEvidence& queue) {
    return Concerns(cause, queue) && Concerns(effect, queue);
  });
}

// Interrupts of the guest that came from `cause` in a stretch, at least and at most.
Interval InterruptsBy(Cause cause, const QueueEvidence& evidence, const SnapshotRange& run) {
  const Interval none = Interval::Exactly(0);
  if (cause == Cause::kExternalInjector) return ForeignSignals(evidence, run).value_or(none);
  if (cause == Cause::kEmptySignal) {
    return evidence.host.Growth(Count::kVhostEmpty).value_or(none);
  }
  return {0, std::nullopt};
}

// Whether the kernel's rule reaches its limit with what `cause` made: where nearly all interrupts
// found nothing, those it made are nearly all of them, or without them it would be no such stretch.
bool ReachesLimit(Cause cause, const QueueEvidence& evidence) {
  const SnapshotRange run = NearlyAllNone(evidence.guest).value_or(evidence.guest.range());
  const auto irq = evidence.guest.Growth(Count::kGuestIrq, run);
  const auto none = evidence.guest.Growth(Count::kGuestNone, run);
  if (!irq || !irq->hi || !none || !none->hi) return false;
  if (cause == Cause::kBusyPollSpurious) {
    const Interval foreign = InterruptsBy(Cause::kExternalInjector, evidence, run);
    const Interval empty = InterruptsBy(Cause::kEmptySignal, evidence, run);
    const int64_t others_lo = foreign.lo + empty.lo;
    const int64_t others_hi = foreign.hi.value_or(irq->lo) + empty.hi.value_or(irq->lo);
    return ProductExceeds(none->lo - others_hi, 1000, 998, *irq->hi - others_lo) &&
           ProductExceeds(2, none->lo - others_hi, 1, none->lo);
  }
  const Interval made = InterruptsBy(cause, evidence, run);
  if (!made.hi || made.lo == 0) return cause == Cause::kDuplicateInjection;
  return !ProductExceeds(999, irq->lo, *made.hi, 1000) ||
         !ProductExceeds(none->lo - *made.hi, 1000, 999, irq->lo - *made.hi);
}

bool Suffices(const std::vector<QueueEvidence>& queues, const Finding& cause,
              const Finding& effect) {
  if (effect.cause != Cause::kIrqDisabled && effect.cause != Cause::kIrqDisabledDrained &&
      effect.cause != Cause::kIrqStormRisk) {
    return true;
  }
  const QueueEvidence* evidence = EvidenceOf(queues, effect);
  return evidence != nullptr && ReachesLimit(cause.cause, *evidence);
}

// Pseudo-queues that belong to a queue's guest or VM.
bool HasOther(const QueueEvidence& queue, QueueKind kind) {
  return std::any_of(queue.joined->others().begin(), queue.joined->others().end(),
                     [&](const LocalQueue& other) {
                       if (other.info.kind != kind) return false;
                       return kind == QueueKind::kCpu
                                  ? queue.guest && other.node->name == queue.guest.node().name
                                  : queue.host && other.info.vm_id == queue.host.queue().info.vm_id;
                     });
}

// What would have to be observed to rule `cause` out for this queue, where it is not; else empty.
std::string Unobserved(Cause cause, const QueueEvidence& queue) {
  const auto guest = [&] { return NoAgent(queue) ? "guest: no agent in it" : ""; };
  switch (cause) {
    case Cause::kExternalInjector:
      return queue.host.Observes(Count::kEventfdWritten) ? "" : "host: writes to the eventfd";
    case Cause::kEmptySignal:
      return queue.host.Observes(Count::kVhostEmpty) ? "" : "host: signals without a new entry";
    case Cause::kBusyPollSpurious:
      return queue.guest.Observes(Count::kGuestPacketsBusy) ? "" : "guest: packets by busy polls";
    case Cause::kSoftirqSqueeze:
      return HasOther(queue, QueueKind::kCpu) ? "" : "softnet: the guest's softnet_stat";
    case Cause::kLateVcpu:
      return HasOther(queue, QueueKind::kVcpu) ? "" : "vcpu: run and delay time of the vCPUs";
    case Cause::kDuplicateInjection:
    case Cause::kLostInterrupt:
      if (NoAgent(queue)) return guest();
      return queue.host.Observes(Count::kKvmMerged) ? "" : "merged: injections that were merged";
    case Cause::kLostAcrossPause:
      return queue.host && queue.host.At(Gauge::kVmRunning, queue.host.range().last)
                 ? ""
                 : "vm.running: whether the VM was stopped";
    default: return guest();
  }
}

// What a load does ends with it; what a lost signal or a dead interrupt does stays.
bool Overlap(const Finding& cause, const Finding& effect) {
  if (cause.cause != Cause::kLateVcpu && cause.cause != Cause::kSoftirqSqueeze) return true;
  const int64_t cause_end_ns = cause.until_ns == 0 ? INT64_MAX : cause.until_ns;
  const int64_t effect_end_ns = effect.until_ns == 0 ? INT64_MAX : effect.until_ns;
  return cause.since_ns <= effect_end_ns && effect.since_ns <= cause_end_ns;
}

std::string Reference(const Finding& cause, const Finding& effect) {
  std::string text(CauseId(cause.cause));
  return cause.queue == effect.queue ? text : text + "@" + cause.queue;
}

void AddMissing(std::string what, Finding* finding) {
  if (what.empty()) return;
  if (std::find(finding->missing.begin(), finding->missing.end(), what) == finding->missing.end()) {
    finding->missing.push_back(std::move(what));
  }
}

void Link(const std::vector<QueueEvidence>& queues, const std::vector<Finding>& all,
          Finding* finding) {
  const QueueEvidence* evidence = EvidenceOf(queues, *finding);
  // Of a node's or a VM's finding, any of its queues tells what was observed there.
  for (const QueueEvidence& queue : queues) {
    if (evidence == nullptr && Concerns(*finding, queue)) evidence = &queue;
  }
  bool undecided = false;
  std::vector<std::string> unknown;
  for (const Mechanism& mechanism : kMechanisms) {
    if (mechanism.effect != finding->cause) continue;
    bool found = false;
    for (const Finding& cause : all) {
      if (cause.cause != mechanism.cause || !SamePlace(queues, cause, *finding)) continue;
      if (!Overlap(cause, *finding)) continue;
      found = true;
      const bool suffices = Suffices(queues, cause, *finding);
      (suffices ? finding->caused_by : finding->contributors).push_back(Reference(cause, *finding));
    }
    if (found || evidence == nullptr || !mechanism.directly) continue;
    std::string what = Unobserved(mechanism.cause, *evidence);
    if (!what.empty()) unknown.push_back(std::move(what));
  }
  if (finding->caused_by.empty()) {
    undecided = !unknown.empty();
    for (std::string& what : unknown) AddMissing(std::move(what), finding);
  }
  finding->root = finding->caused_by.empty() && !undecided;
}

// A guest's interrupts alone do not tell who sent them.
void DoubtWithoutHost(const std::vector<QueueEvidence>& queues, Finding* finding) {
  if (finding->cause != Cause::kBusyPollSpurious) return;
  const QueueEvidence* evidence = EvidenceOf(queues, *finding);
  if (evidence == nullptr) return;
  if (finding->certainty == Certainty::kLow) finding->root = false;
  if (evidence->host.Observes(Count::kEventfdWritten)) return;
  finding->root = false;
  AddMissing("host: writes to the eventfd", finding);
}

// Of what a guest does the host sees the outside: why it does so is not observable from there.
bool InTheGuest(Cause cause) {
  return cause == Cause::kDeadQueue || cause == Cause::kSuppressedStall ||
         cause == Cause::kVectorMasked;
}

void NeedsTheGuest(const std::vector<QueueEvidence>& queues, Finding* finding) {
  const QueueEvidence* evidence = EvidenceOf(queues, *finding);
  if (evidence == nullptr || !NoAgent(*evidence)) return;
  finding->certainty = std::max(finding->certainty, ReachOf(finding->cause).best);
  if (!finding->caused_by.empty()) return;
  if (InTheGuest(finding->cause)) finding->root = false;
  if (finding->root) return;
  finding->missing.insert(finding->missing.begin(), NotObservable(*evidence));
}

// Roots first, each followed by what it causes.
void Sort(std::vector<Finding>* findings) {
  std::vector<Finding> sorted;
  std::set<size_t> done;
  const std::vector<Finding>& all = *findings;
  const auto follow = [&](const auto& self, size_t at) -> void {
    if (!done.insert(at).second) return;
    sorted.push_back(all[at]);
    for (size_t i = 0; i < all.size(); ++i) {
      const std::string reference = Reference(all[at], all[i]);
      const auto& by = all[i].caused_by;
      if (std::find(by.begin(), by.end(), reference) != by.end()) self(self, i);
    }
  };
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].root && all[i].cause != Cause::kDataLoss) follow(follow, i);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].cause != Cause::kDataLoss) follow(follow, i);
  }
  for (size_t i = 0; i < all.size(); ++i) follow(follow, i);
  *findings = std::move(sorted);
}

}  // namespace

void Chain(const std::vector<QueueEvidence>& queues, std::vector<Finding>* findings) {
  const std::vector<Finding> all = *findings;
  for (Finding& finding : *findings) {
    Link(queues, all, &finding);
    NeedsTheGuest(queues, &finding);
    // An undecided stall has causes that were looked for in vain: it names what is missing itself.
    // What only the guest's word says against the host is no root either.
    const bool of_two_words =
        finding.cause == Cause::kLostInterrupt || finding.cause == Cause::kDuplicateInjection;
    if ((finding.cause == Cause::kDeadQueue || of_two_words) &&
        finding.certainty != Certainty::kHigh) {
      finding.root = false;
    }
    DoubtWithoutHost(queues, &finding);
  }
  Sort(findings);
}

}  // namespace ringside
