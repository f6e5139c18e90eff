// SPDX-License-Identifier: Apache-2.0
// Interrupts that came more often than they were sent, or were sent and never came.
#include <algorithm>

#include "correlate/causes/causes.h"
#include "correlate/identities.h"
#include "correlate/words.h"

namespace ringside {
namespace {

bool Violated(const Identity* identity) {
  return identity != nullptr && identity->verdict == Verdict::kViolated;
}

// Of a violated identity left = right: positive if the left side is the larger one.
int Sign(const QueueEvidence& evidence, const Identity& identity) {
  const Residual& rest = identity.residuals.front();
  const int64_t slack = evidence.ledger->cut.in_flight;
  if (rest.lo > 0 && rest.lo != INT64_MIN) return 1;
  if (rest.hi < 0) return -1;
  return evidence.ledger->cut.difference_max > slack ? 1 : -1;
}

int64_t Since(const QueueEvidence& evidence) {
  if (evidence.ledger->cut.disagree_since_ns) return *evidence.ledger->cut.disagree_since_ns;
  return evidence.host.Begin(evidence.host.range().first).mid_ns();
}

void SayDelivery(const QueueEvidence& evidence, const Identity& identity, Finding* finding) {
  finding->evidence.push_back(
      evidence.Say("delivered against taken: " + identity.why,
                   {Count::kKvmInjected, Count::kKvmMerged, Count::kGuestIrq}));
}

// A host is blamed by a witness of its own, not by what its guest says alone.
void DoubtTheGuest(const QueueEvidence& evidence, Finding* finding) {
  const auto taken = evidence.host.Growth(Count::kKvmTaken);
  if (taken && taken->lo > 0) return;
  finding->certainty = Certainty::kMedium;
  finding->missing.push_back(
      "kvm.taken: the host does not see interrupts taken; the guest's word"
      " stands alone");
}

void RuleOutUpstream(const QueueEvidence& evidence, Finding* finding) {
  for (const std::string_view id : {kWakeId, kInjectionId}) {
    const Identity* identity = evidence.FindIdentity(id);
    if (identity == nullptr || identity->verdict != Verdict::kHolds) continue;
    finding->ruled_out.push_back({std::string(id) + " holds: " + identity->why, {}});
  }
}

// Stretches of host snapshots at which the VM did not run.
std::optional<SnapshotRange> FindPause(const Side& host) {
  std::optional<SnapshotRange> pause;
  for (size_t i = host.range().first; i <= host.range().last; ++i) {
    if (host.At(Gauge::kVmRunning, i) != 0) continue;
    if (!pause) pause = SnapshotRange{i, i};
    pause->last = i;
  }
  return pause;
}

// Signals went to the VMM's own notifier (the vector was masked), and the VMM has written to the
// queue's eventfd neither then nor later: it forgot them.
bool MaskedAndForgotten(const QueueEvidence& evidence) {
  const Side& host = evidence.host;
  if (!host || !host.Observes(Count::kVhostMasked) || !host.Observes(Count::kEventfdWritten)) {
    return false;
  }
  bool forgotten = false;
  for (size_t i = host.range().first; i < host.range().last; ++i) {
    const auto masked = host.Growth(Count::kVhostMasked, {i, i + 1});
    const auto written = host.Growth(Count::kEventfdWritten, {i, i + 1});
    if (masked && masked->lo > 0) forgotten = true;
    if (written && written->hi.value_or(1) > 0) forgotten = false;
  }
  return forgotten;
}

bool StallShowsLoss(const QueueEvidence& evidence, const std::optional<Stall>& stall) {
  if (!stall) return false;
  if (stall->lost && stall->lost->lo > 0) return true;
  return stall->armed == true && stall->owed && MaskedAndForgotten(evidence);
}

// The newest message each side knows, and since when both were known.
struct Messages {
  MsiMessage host, guest;
  int64_t since_ns = 0;
};

std::optional<Messages> NewestMessages(const QueueEvidence& evidence) {
  Messages messages;
  for (const Side* side : {&evidence.host, &evidence.guest}) {
    MsiMessage& message = side == &evidence.host ? messages.host : messages.guest;
    for (const QueueInfo& info : side->stream().queues) {
      if (info.id != side->queue().info.id || !info.msi.known) continue;
      // Sent again with the same message: known for longer.
      if (message.known && message == info.msi) continue;
      message = info.msi;
      const AxisTime time = side->node().axis.At(info.mono_ns);
      if (time.hi_ns <= evidence.window.to_ns) {
        messages.since_ns = std::max(messages.since_ns, time.hi_ns);
      }
    }
    if (!message.known) return std::nullopt;
  }
  return messages;
}

std::string Text(const MsiMessage& message) {
  char text[64];
  std::snprintf(text, sizeof(text), "(0x%llx, 0x%x)",
                static_cast<unsigned long long>(message.address), message.data);
  return text;
}

}  // namespace

MaybeFinding DuplicateInjection(const QueueEvidence& evidence) {
  if (!evidence.host) return std::nullopt;
  const Identity* delivery = evidence.FindIdentity(kDeliveryId);
  const Identity* injection = evidence.FindIdentity(kInjectionId);
  const bool upstream = Violated(injection) && Sign(evidence, *injection) < 0;
  const bool downstream = Violated(delivery) && Sign(evidence, *delivery) < 0;
  if (!upstream && !downstream) return std::nullopt;
  const Identity& identity = upstream ? *injection : *delivery;
  const int64_t extra = std::max<int64_t>(1, -identity.residuals.front().hi);
  Finding finding = evidence.Found(Cause::kDuplicateInjection, Certainty::kHigh, Since(evidence));
  finding.title = upstream ? "at least " + Number(extra) + " injections that nothing woke"
                           : "at least " + Number(extra) + " interrupts more than were delivered";
  finding.because = upstream ? "the irqfd was woken once and injected more than once"
                             : "an interrupt that was delivered once reached the guest twice, or"
                               " came by a path that is not hooked";
  if (upstream) {
    finding.evidence.push_back(
        evidence.Say(identity.why, {Count::kIrqfdWoken, Count::kKvmInjected, Count::kKvmRejected}));
  } else {
    SayDelivery(evidence, identity, &finding);
    RuleOutUpstream(evidence, &finding);
    DoubtTheGuest(evidence, &finding);
  }
  finding.next.push_back({"", "ringside ledger INCIDENT --queue " + evidence.Name(),
                          "shows at which stage the account changes"});
  finding.danger = "each of them finds nothing (IRQ_NONE) unless work came meanwhile";
  finding.would_refute = "a second injector on the same message that was not observed";
  return finding;
}

MaybeFinding StaleRoute(const QueueEvidence& evidence, const std::optional<Stall>& stall) {
  if (!evidence.host || !evidence.guest) return std::nullopt;
  const auto messages = NewestMessages(evidence);
  if (!messages || messages->host == messages->guest) return std::nullopt;
  if (evidence.ledger->binding.provisional) return std::nullopt;  // another queue's, perhaps
  const auto host = evidence.host.Within(messages->since_ns, evidence.window.to_ns);
  const auto guest = evidence.guest.Within(messages->since_ns, evidence.window.to_ns);
  if (!host || !guest || host->last < host->first + 2 || guest->last < guest->first + 1) {
    return std::nullopt;
  }
  // Injections that nobody hears while the messages differ; or that nobody heard before the guest's
  // agent looked into its table again, when the queue stood still already.
  const auto injected = evidence.host.Growth(Count::kKvmInjected, *host);
  const auto irq = evidence.guest.Growth(Count::kGuestIrq, *guest);
  if (!injected || !irq || irq->hi != 0) return std::nullopt;
  const Identity* delivery = evidence.FindIdentity(kDeliveryId);
  const bool unheard = Violated(delivery) && Sign(evidence, *delivery) > 0;
  if (injected->lo == 0 && !unheard && !StallShowsLoss(evidence, stall)) return std::nullopt;
  const int64_t since_ns = stall && injected->lo == 0 ? stall->from_ns : messages->since_ns;
  Finding finding = evidence.Found(Cause::kStaleRoute, Certainty::kHigh, since_ns);
  finding.title = "interrupts go to " + Text(messages->host) + ", the guest listens at " +
                  Text(messages->guest);
  finding.because =
      "the guest has changed the queue's MSI message, and the VMM has not given KVM"
      " the new route";
  finding.evidence.push_back(
      evidence.Say(Words(*injected) + " injections since, " + Words(*irq) + " interrupts",
                   {Count::kKvmInjected, Count::kGuestIrq}));
  finding.evidence.push_back(
      {"KVM's route says " + Text(messages->host) + ", the guest's table " + Text(messages->guest),
       {"route", "msi-x table"}});
  finding.danger = "the queue is dead until somebody polls it";
  finding.would_refute = "the same message on both sides";
  const std::string irq_number = std::to_string(evidence.guest.queue().info.irq);
  finding.next.push_back({evidence.GuestNode(),
                          "echo 1 > /proc/irq/" + irq_number + "/smp_affinity",
                          "makes the guest write the message again; choose a CPU other than the"
                          " present one"});
  return finding;
}

MaybeFinding LostAcrossPause(const QueueEvidence& evidence, const std::optional<Stall>& stall) {
  if (!evidence.host) return std::nullopt;
  const auto pause = FindPause(evidence.host);
  if (!pause) return std::nullopt;
  const Identity* delivery = evidence.FindIdentity(kDeliveryId);
  const bool lost = Violated(delivery) && Sign(evidence, *delivery) > 0;
  const int64_t paused_ns = evidence.host.Begin(pause->first).lo_ns;
  const bool stalled = StallShowsLoss(evidence, stall) && stall->to_ns > paused_ns;
  if (!lost && !stalled) return std::nullopt;
  Finding finding = evidence.Found(Cause::kLostAcrossPause, Certainty::kHigh,
                                   evidence.host.Begin(pause->first).mid_ns());
  finding.title = "signals sent while the VM was stopped never reached the guest";
  finding.because =
      "the VMM dropped what was pending when it stopped or resumed the VM; backend"
      " and guest wait for each other since";
  const SnapshotRange around{
      pause->first > evidence.host.range().first ? pause->first - 1 : pause->first,
      std::min(pause->last + 1, evidence.host.range().last)};
  finding.evidence.push_back({"the VM was stopped at " +
                                  Number(static_cast<int64_t>(pause->last - pause->first + 1)) +
                                  " snapshots",
                              {"vm.running"}});
  const auto signalled = evidence.host.Growth(Count::kVhostSignalled, around);
  if (signalled) {
    finding.evidence.push_back(
        evidence.Say("around that time the host signalled " + Words(*signalled) + " times",
                     {Count::kVhostSignalled}));
  }
  if (stall && stall->lost) {
    finding.evidence.push_back(
        evidence.Say(Words(*stall->lost) + " delivered and never handled, " +
                         Number(static_cast<int64_t>(stall->waiting)) + " entries wait",
                     {Count::kKvmInjected, Count::kKvmMerged, Count::kGuestIrq}));
  }
  if (lost) SayDelivery(evidence, *delivery, &finding);
  finding.would_refute = "an interrupt of this queue handled after the VM resumed";
  finding.next.push_back(evidence.DownAndUp());
  return finding;
}

MaybeFinding LostInterrupt(const QueueEvidence& evidence, const std::optional<Stall>& stall) {
  if (!evidence.host) return std::nullopt;
  const Side& host = evidence.host;
  const Identity* delivery = evidence.FindIdentity(kDeliveryId);
  const Identity* injection = evidence.FindIdentity(kInjectionId);
  const Identity* wake = evidence.FindIdentity(kWakeId);
  std::string where;
  const Identity* identity = nullptr;
  for (const auto& [candidate, text] :
       {std::pair(wake, "signals that woke no irqfd"),
        std::pair(injection, "wake-ups that injected nothing"),
        std::pair(delivery, "interrupts delivered that the guest never handled")}) {
    if (identity != nullptr || !Violated(candidate) || Sign(evidence, *candidate) < 0) continue;
    identity = candidate;
    where = text;
  }
  std::optional<SnapshotRange> both = host.range();
  if (evidence.guest) {
    both = host.Within(evidence.guest.Begin(evidence.guest.range().first).lo_ns,
                       evidence.guest.End(evidence.guest.range().last).hi_ns);
  }
  std::optional<Interval> rejected, unwoken;
  if (both) rejected = host.Growth(Count::kKvmRejected, *both);
  if (both) unwoken = host.Growth(Count::kVhostUnwoken, *both);
  const bool refused = rejected && rejected->lo > 0;
  const bool asleep = unwoken && unwoken->lo > 0;
  const bool stalled = StallShowsLoss(evidence, stall);
  if (identity == nullptr && !refused && !asleep && !stalled) return std::nullopt;
  Finding finding =
      evidence.Found(Cause::kLostInterrupt, Certainty::kHigh,
                     identity == nullptr && stalled ? stall->from_ns : Since(evidence));
  if (identity != nullptr) {
    finding.title =
        "at least " + Number(std::max<int64_t>(1, identity->residuals.front().lo)) + " " + where;
    finding.evidence.push_back({identity->why, {}});
  }
  if (asleep) {
    if (finding.title.empty()) finding.title = Words(*unwoken) + " signals woke no irqfd";
    finding.evidence.push_back(
        evidence.Say(Words(*unwoken) + " signals found an irqfd waiting and did not wake it",
                     {Count::kVhostUnwoken}));
  }
  if (refused) {
    if (finding.title.empty()) finding.title = Words(*rejected) + " injections no vCPU accepted";
    finding.evidence.push_back(evidence.Say(
        Words(*rejected) + " messages had no vCPU that accepted them", {Count::kKvmRejected}));
  }
  if (stalled) {
    if (finding.title.empty()) finding.title = "the interrupt the guest waits for was lost";
    finding.evidence.push_back(
        {Number(static_cast<int64_t>(stall->waiting)) + " entries wait at index " +
             std::to_string(stall->last_used) + ", the guest is armed and idle" +
             (stall->lost ? "; " + Words(*stall->lost) + " delivered and never handled"
                          : "; signals to a masked vector were not followed by a write"),
         {"ring.used", "ring.last_used", "ring.used_event"}});
  }
  finding.because = "an interrupt was sent and did not arrive";
  if (identity != nullptr && identity == delivery) {
    RuleOutUpstream(evidence, &finding);
    if (!refused && !asleep) DoubtTheGuest(evidence, &finding);
  }
  if (evidence.guest) finding.next.push_back(evidence.DownAndUp());
  finding.danger = "one is enough to stop a queue whose guest waits for it";
  finding.would_refute = "a second path by which these interrupts reached the guest";
  return finding;
}

}  // namespace ringside
