// SPDX-License-Identifier: Apache-2.0
// Queues that stand still, and who waits for whom.
#include "correlate/causes/causes.h"
#include "correlate/causes/host_only.h"
#include "correlate/words.h"

namespace ringside {
namespace {

Statement RingState(const Stall& stall) {
  std::string text = Number(static_cast<int64_t>(stall.waiting)) + " entries wait: used index " +
                     std::to_string(stall.used) + ", the guest has taken up to " +
                     std::to_string(stall.last_used);
  if (stall.used_event) text += ", used_event " + std::to_string(*stall.used_event);
  return {text, {"ring.used", "ring.last_used", "ring.used_event"}};
}

// Everything that was signalled has arrived: what the guest waits for was never sent.
bool NeverSent(const std::optional<Stall>& stall) {
  return stall && stall->armed == true && stall->owed && stall->told != true && stall->lost &&
         stall->lost->hi == 0 && (!stall->interrupts || stall->interrupts->hi == 0);
}

bool NoSignalAtAll(const QueueEvidence& evidence) {
  const auto signalled = evidence.host.Growth(Count::kVhostSignalled);
  const auto batches = evidence.host.Growth(Count::kVhostBatches);
  return signalled && signalled->hi == 0 && batches && batches->lo > 0;
}

// Snapshots at which the guest waited for a signal that its used_event asks for; one alone may have
// been taken while the signal was on its way.
std::vector<size_t> OwedAt(const Side& guest) {
  std::vector<size_t> owed;
  if (!guest) return owed;
  for (size_t i = guest.range().first; i <= guest.range().last; ++i) {
    const auto used = guest.At(Gauge::kUsed, i);
    const auto last = guest.At(Gauge::kLastUsed, i);
    const auto event = guest.At(Gauge::kUsedEvent, i);
    const auto shadow = guest.At(Gauge::kFlagsShadow, i);
    if (!used || !last || !event || !shadow || *used == *last || (*shadow & 1) != 0) continue;
    if (static_cast<uint16_t>(*used - *event - 1) < 0x8000) owed.push_back(i);
  }
  return owed;
}

}  // namespace

MaybeFinding SuppressedStall(const QueueEvidence& evidence, const std::optional<Stall>& stall) {
  if (NoAgent(evidence)) return SuppressedFromHost(evidence);
  if (!NeverSent(stall) || (evidence.tx() && NoSignalAtAll(evidence))) return std::nullopt;
  Finding finding =
      evidence.Found(Cause::kSuppressedStall, Certainty::kHigh, evidence.guest, stall->guest);
  finding.title = "the guest waits for a signal that the host never sent: " +
                  Number(static_cast<int64_t>(stall->waiting)) + " entries wait";
  finding.because =
      "guest and host missed each other: the guest armed its interrupt and went to"
      " sleep, the host looked before that and decided not to signal";
  finding.evidence.push_back(RingState(*stall));
  const auto suppressed = evidence.Cell(Count::kVhostSuppressed);
  const auto signalled = evidence.Cell(Count::kVhostSignalled);
  if (suppressed && signalled) {
    finding.evidence.push_back(evidence.Say(
        "the host signalled " + Words(*signalled) + " times and withheld " + Words(*suppressed),
        {Count::kVhostSignalled, Count::kVhostSuppressed}));
  }
  finding.ruled_out.push_back(
      {"a lost interrupt: everything delivered was handled up to this index",
       {"kvm.injected", "kvm.merged", "guest.irq"}});
  finding.danger = "nothing moves until the guest polls by itself or more entries cross its mark";
  finding.would_refute = "a signal after the index passed used_event";
  finding.next.push_back(evidence.DownAndUp());
  return finding;
}

MaybeFinding NoTxSignal(const QueueEvidence& evidence, const std::optional<Stall>& stall) {
  if (!evidence.host || !evidence.tx() || !NoSignalAtAll(evidence)) return std::nullopt;
  const std::vector<size_t> owed = OwedAt(evidence.guest);
  if (owed.size() < 2) return std::nullopt;
  Finding finding = evidence.Found(Cause::kNoTxSignal, Certainty::kHigh, evidence.guest,
                                   {owed.front(), owed.back()});
  const auto batches = evidence.host.Growth(Count::kVhostBatches);
  finding.title = "the backend never signals used transmit entries: 0 signals for " +
                  Words(*batches) + " batches";
  finding.because =
      "the guest waits for room in its transmit ring, and only receive traffic makes"
      " it look";
  finding.evidence.push_back(
      evidence.Say(finding.title, {Count::kVhostSignalled, Count::kVhostBatches}));
  finding.evidence.push_back({"the guest waited for one at " +
                                  Number(static_cast<int64_t>(owed.size())) +
                                  " snapshots: armed, index beyond used_event",
                              {"ring.used", "ring.used_event", "ring.flags_shadow"}});
  if (stall) finding.evidence.push_back(RingState(*stall));
  const auto unwired = evidence.host.Growth(Count::kVhostUnwired);
  if (unwired && unwired->lo > 0) {
    finding.evidence.push_back(evidence.Say(Words(*unwired) + " batches had no eventfd to signal",
                                            {Count::kVhostUnwired}));
  }
  finding.next.push_back({evidence.GuestNode(),
                          "echo options virtio_net napi_tx=0 > /etc/modprobe.d/virtio-net.conf",
                          "from the next boot on entries are freed when sending, without"
                          " interrupts; a fix belongs into the backend (not tried in the lab)"});
  finding.danger = "transmission stalls whenever no packet comes in";
  finding.would_refute = "a signal of this queue after its index passed used_event";
  return finding;
}

MaybeFinding DeadQueue(const QueueEvidence& evidence, const std::optional<Stall>& stall) {
  if (!stall) return DeadFromHost(evidence);
  Finding finding =
      evidence.Found(Cause::kDeadQueue, Certainty::kHigh, evidence.guest, stall->guest);
  finding.title = "nobody takes its entries: " + Number(static_cast<int64_t>(stall->waiting)) +
                  " wait, no poll for " + Seconds(stall->to_ns - stall->from_ns);
  finding.because = "the guest does not poll this queue";
  finding.evidence.push_back(RingState(*stall));
  const auto interrupts = stall->interrupts;
  if (interrupts) {
    finding.evidence.push_back(
        evidence.Say(Words(*interrupts) + " interrupts and no poll meanwhile", {Count::kGuestIrq}));
  }
  const bool came = stall->told == true || (interrupts && interrupts->lo > 0);
  if (stall->armed == false || came) {
    finding.because =
        came ? "the guest was interrupted for entries that still wait, and does not poll"
             : "the guest's driver has asked for silence, as one that polls does, and"
               " does not poll";
    finding.ruled_out.push_back({"a missed or lost signal: the guest waits for none", {}});
  } else if (!stall->lost) {
    finding.certainty = Certainty::kMedium;
    finding.missing.push_back(
        "whether the signal was sent: merged, injected and taken interrupts at this index");
  }
  const std::string device = evidence.guest.queue().info.device;
  finding.next.push_back({evidence.GuestNode(),
                          "cat /sys/class/net/" + device +
                              "/threaded; ps -eo pid,comm,cls,psr,stat | grep -E 'napi|ksoftirqd'",
                          "who should poll it, and whether that task gets to run; only reads"});
  const bool program = evidence.host && evidence.host.Observes(Count::kEventfdWritten) &&
                       !evidence.host.Observes(Count::kVhostBatches);
  finding.danger = program ? "its ring fills, then its backend drops"
                           : "the tap's ring fills, then the host drops";
  finding.would_refute = "last_used_idx of the guest moving";
  return finding;
}

}  // namespace ringside
