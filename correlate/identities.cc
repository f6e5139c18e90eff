// SPDX-License-Identifier: Apache-2.0
#include "correlate/identities.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "correlate/interval.h"

namespace ringside {
namespace {

std::optional<Interval> Cell(const QueueLedger& ledger, Count count) {
  const CountCell* cell = ledger.Find(count);
  if (cell == nullptr) return std::nullopt;
  Interval interval{static_cast<int64_t>(cell->lo), std::nullopt};
  if (cell->hi) interval.hi = static_cast<int64_t>(*cell->hi);
  return interval;
}

// A count that adds to one side if it was observed. Where the other counts are cut at positions and
// this one by time, some of its growth may lie outside of the cut.
Interval Optional(const QueueLedger& ledger, Count count) {
  const CountCell* cell = ledger.Find(count);
  if (cell == nullptr) return Interval::Exactly(0);
  Interval interval = *Cell(ledger, count);
  if (ledger.cut.common() && !cell->at_position) interval.lo = 0;
  return interval;
}

std::string Text(const Interval& interval) {
  std::string text = std::to_string(interval.lo);
  if (!interval.hi) return text + " or more";
  return interval.exact() ? text : text + ".." + std::to_string(*interval.hi);
}

struct Claim {
  const char* id;
  const char* residual;   // what left - right is called
  int64_t slack_low = 0;  // the residual may legitimately be as low as -slack_low
  int64_t slack_high = 0;
  bool cross_side = false;
  const char* slack_why = "";
};

Identity Judge(const Claim& claim, const Interval& left, const Interval& right,
               const Binding& binding) {
  Identity identity{.id = claim.id};
  const Difference rest = left - right;
  identity.residuals.push_back(
      {claim.residual, rest.lo.value_or(INT64_MIN), rest.hi.value_or(INT64_MAX)});
  const std::string numbers = Text(left) + " against " + Text(right);
  if (!rest.CanBeWithin(claim.slack_low, claim.slack_high)) {
    identity.verdict = Verdict::kViolated;
    identity.why = numbers + ": cannot meet";
    if (claim.slack_low != 0 || claim.slack_high != 0) {
      identity.why += " even with " + std::to_string(std::max(claim.slack_low, claim.slack_high)) +
                      " " + claim.slack_why;
    }
    if (claim.cross_side && binding.provisional) {
      identity.verdict = Verdict::kInconclusive;
      identity.why += "; but the binding is provisional";
    }
  } else if (!rest.known()) {
    identity.verdict = Verdict::kInconclusive;
    identity.why = numbers + ": a hook's losses cannot be seen on this kernel";
  } else {
    identity.verdict = Verdict::kHolds;
    identity.why = numbers;
  }
  return identity;
}

Identity Missing(const char* id, const char* why) {
  return {.id = id, .verdict = Verdict::kInconclusive, .residuals = {}, .why = why};
}

void JudgeTun(const IdentityContext& context, QueueLedger* ledger) {
  const auto offered = Cell(*ledger, Count::kTunOffered);
  const auto enqueued = Cell(*ledger, Count::kTunEnqueued);
  const auto dropped = Cell(*ledger, Count::kTunDropped);
  if (!offered || !enqueued || !dropped) return;
  Claim claim{"tun.offered = tun.enqueued + tun.dropped", "under way"};
  claim.slack_low = claim.slack_high = context.host_cpus;
  claim.slack_why = "transmits under way, one per CPU";
  ledger->identities.push_back(Judge(claim, *offered, *enqueued + *dropped, ledger->binding));
}

void JudgeVhost(QueueLedger* ledger) {
  const auto batches = Cell(*ledger, Count::kVhostBatches);
  const auto signalled = Cell(*ledger, Count::kVhostSignalled);
  const auto suppressed = Cell(*ledger, Count::kVhostSuppressed);
  const auto unwired = Cell(*ledger, Count::kVhostUnwired);
  if (!batches || !signalled || !suppressed || !unwired) return;
  Claim claim{"vhost.batches = vhost.signalled + vhost.suppressed + vhost.unwired", "under way"};
  claim.slack_low = claim.slack_high = ledger->cut.by_position ? 0 : 1;
  claim.slack_why = "batch under way";
  Identity identity = Judge(claim, *batches, *signalled + *suppressed + *unwired, ledger->binding);
  identity.residuals.push_back({"suppressed", suppressed->lo, suppressed->hi.value_or(INT64_MAX)});
  ledger->identities.push_back(std::move(identity));
}

void JudgeWake(QueueLedger* ledger) {
  const auto signalled = Cell(*ledger, Count::kVhostSignalled);
  const auto woken = Cell(*ledger, Count::kIrqfdWoken);
  if (!woken) return;
  if (!signalled && ledger->Find(Count::kEventfdWritten) == nullptr) return;
  const Interval sent = signalled.value_or(Interval::Exactly(0)) +
                        Optional(*ledger, Count::kEventfdWritten) +
                        Optional(*ledger, Count::kEventfdOther);
  const Interval masked = Optional(*ledger, Count::kVhostMasked);
  Claim claim{kWakeId, "not woken"};
  claim.slack_low = claim.slack_high = ledger->cut.by_position ? 0 : 1;
  claim.slack_why = "signal under way";
  Identity identity = Judge(claim, sent, *woken + masked, ledger->binding);
  if (!signalled && identity.verdict == Verdict::kViolated && identity.residuals.front().hi < 0) {
    // A bare route is known from its first wake-up on; what was sent before was not counted.
    identity.verdict = Verdict::kInconclusive;
    identity.why += "; but who signals it is not all known";
  }
  identity.residuals.push_back({"masked", masked.lo, masked.hi.value_or(INT64_MAX)});
  ledger->identities.push_back(std::move(identity));
}

void JudgeInjection(QueueLedger* ledger) {
  const auto woken = Cell(*ledger, Count::kIrqfdWoken);
  const auto injected = Cell(*ledger, Count::kKvmInjected);
  const auto rejected = Cell(*ledger, Count::kKvmRejected);
  if (!woken || !injected || !rejected) return;
  const Interval slow = Optional(*ledger, Count::kKvmSlowpath);
  // Wake-ups on the slow path may share one injection: each is at most one short. None gives two;
  // only the one work item that was under way at each edge may be one more.
  Claim claim{kInjectionId, "merged work"};
  const int64_t by_time = ledger->cut.by_position ? 0 : 1;
  claim.slack_high = slow.hi.value_or(INT64_MAX / 4) + by_time;
  claim.slack_low = (slow.hi.value_or(1) > 0 ? int64_t{ledger->cut.epochs} : 0) + by_time;
  claim.slack_why = "wake-ups on the slow path or under way";
  Identity identity = Judge(claim, *woken, *injected + *rejected, ledger->binding);
  identity.residuals.push_back({"slow path", slow.lo, slow.hi.value_or(INT64_MAX)});
  ledger->identities.push_back(std::move(identity));
}

// The guest's numbers against the host's are one word against the other, and a guest may say what
// it likes. Where KVM saw what the vCPU took, it is the witness: a host that has lost or doubled as
// much as the guest says must find that much between injected and taken, too.
void AskWitness(const IdentityContext& context, const Cut& cut, Identity* identity) {
  if (identity->verdict != Verdict::kViolated || !context.untaken) return;
  const std::optional<Untaken> untaken = context.untaken();
  if (!untaken) return;
  const Residual& rest = identity->residuals.front();
  const int64_t slack = int64_t{cut.in_flight} * std::max(1u, cut.epochs);
  bool alone = false;
  if (rest.lo > slack) {
    alone = untaken->hi + slack < rest.lo;
  } else if (rest.hi < -slack) {
    alone = untaken->lo - slack > rest.hi;
  } else {  // at marks in between only
    alone = cut.difference_max > slack ? untaken->most + slack < cut.difference_max
                                       : untaken->least - slack > cut.difference_min;
  }
  if (!alone) return;
  identity->verdict = Verdict::kInconclusive;
  identity->why += "; but KVM saw the vCPU take what was injected: the guest's word stands alone";
}

void JudgeDelivery(const IdentityContext& context, QueueLedger* ledger) {
  const auto injected = Cell(*ledger, Count::kKvmInjected);
  const auto irq = Cell(*ledger, Count::kGuestIrq);
  if (!injected || !irq) return;
  const auto merged = Cell(*ledger, Count::kKvmMerged);
  if (!merged) {
    ledger->identities.push_back(
        Missing(kDeliveryId, "how many merged is not observed on this kernel"));
    return;
  }
  // Each piece between two changes of the message has its own two edges.
  const int64_t in_flight = int64_t{ledger->cut.in_flight} * ledger->cut.epochs;
  Claim claim{kDeliveryId, "in flight", in_flight, in_flight, true};
  claim.slack_why = "in flight";
  if (!ledger->cut.common() && !ledger->cut.why_not.empty()) {
    // By time the two sides' edges are not the same instant: traffic between them is no fault.
    Identity identity = Judge(claim, *injected, *merged + *irq, ledger->binding);
    if (identity.verdict == Verdict::kViolated) {
      identity.verdict = Verdict::kInconclusive;
      identity.why += "; but the sides are cut by time (" + ledger->cut.why_not + ")";
    }
    ledger->identities.push_back(std::move(identity));
    return;
  }
  Identity identity = Judge(claim, *injected, *merged + *irq, ledger->binding);
  identity.residuals.push_back({"merged", merged->lo, merged->hi.value_or(INT64_MAX)});
  // Where many merges may have been none, as many duplicates could hide behind them.
  const int64_t least = std::max(identity.residuals.front().lo, -INT64_MAX / 2);
  const int64_t hidden = -least - in_flight - ledger->cut.pending_last;
  if (identity.verdict == Verdict::kHolds && hidden > 0) {
    identity.verdict = Verdict::kInconclusive;
    identity.why += "; up to " + std::to_string(hidden) +
                    " duplicates could hide behind merges seen just before a delivery";
  }
  const Cut& cut = ledger->cut;
  if (cut.common_marks > 0) {
    identity.why += "; " + std::to_string(cut.marks_agreeing) + " of " +
                    std::to_string(cut.common_marks) +
                    (cut.by_quiet ? " quiet moments" : " common marks") + " agree within " +
                    std::to_string(cut.in_flight) + " in flight";
    if (cut.marks_agreeing < cut.common_marks && identity.verdict == Verdict::kHolds) {
      identity.verdict = ledger->binding.provisional ? Verdict::kInconclusive : Verdict::kViolated;
    }
  }
  AskWitness(context, cut, &identity);
  ledger->identities.push_back(std::move(identity));
}

void JudgeGuest(QueueLedger* ledger) {
  const auto irq = Cell(*ledger, Count::kGuestIrq);
  const auto handled = Cell(*ledger, Count::kGuestHandled);
  const auto none = Cell(*ledger, Count::kGuestNone);
  if (irq && handled && none) {
    Claim claim{"guest.irq = guest.handled + guest.none", "under way"};
    claim.slack_low = claim.slack_high = ledger->cut.by_position ? 0 : 1;
    claim.slack_why = "handler under way";
    ledger->identities.push_back(Judge(claim, *irq, *handled + *none, ledger->binding));
  }
  const auto proc = Cell(*ledger, Count::kGuestProcIrq);
  if (!irq || !proc || ledger->Find(Count::kGuestIrq)->at_position) return;
  Claim claim{"guest.irq = guest.proc_irq", "re-runs not in /proc/interrupts"};
  claim.slack_low = claim.slack_high = 1;
  claim.slack_why = "interrupt under way";
  Identity identity = Judge(claim, *irq, *proc, ledger->binding);
  identity.by_definition = ledger->unseen > 0;  // then one bounds the other
  if (identity.verdict == Verdict::kViolated && irq->lo > *proc->hi) {
    identity.verdict = Verdict::kInconclusive;
    identity.why += "; handler re-runs (IRQS_PENDING) are not in /proc/interrupts";
  }
  ledger->identities.push_back(std::move(identity));
}

void JudgeUsed(QueueLedger* ledger, uint32_t ring_size) {
  const auto published = Cell(*ledger, Count::kVhostUsed);
  const auto consumed = Cell(*ledger, Count::kGuestUsed);
  if (!published || !consumed || ledger->cut.by_position) return;
  Claim claim{"vhost.used = guest.used + backlog", "backlog", ring_size, ring_size, true};
  claim.slack_why = "entries the ring can hold";
  Identity identity = Judge(claim, *published, *consumed, ledger->binding);
  if (identity.verdict == Verdict::kViolated) identity.verdict = Verdict::kInconclusive;
  ledger->identities.push_back(std::move(identity));
}

}  // namespace

uint32_t InFlight(bool slow_path) { return slow_path ? 5 : 3; }

void JudgeIdentities(const IdentityContext& context, QueueLedger* ledger) {
  JudgeTun(context, ledger);
  JudgeVhost(ledger);
  JudgeWake(ledger);
  JudgeInjection(ledger);
  JudgeDelivery(context, ledger);
  JudgeGuest(ledger);
  JudgeUsed(ledger, context.ring_size);
  bool judged = false;
  ledger->verdict = Verdict::kHolds;
  for (const Identity& identity : ledger->identities) {
    if (identity.by_definition) continue;
    judged = true;
    if (identity.verdict == Verdict::kViolated) ledger->verdict = Verdict::kViolated;
    if (identity.verdict == Verdict::kInconclusive && ledger->verdict == Verdict::kHolds) {
      ledger->verdict = Verdict::kInconclusive;
    }
  }
  if (!judged) ledger->verdict = Verdict::kInconclusive;
}

}  // namespace ringside
