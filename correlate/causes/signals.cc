// SPDX-License-Identifier: Apache-2.0
// The host's part: what is offered, signalled, written and injected.
#include "correlate/causes/causes.h"
#include "correlate/words.h"

namespace ringside {
namespace {

bool HasKernelBackend(const QueueEvidence& evidence) {
  return evidence.host.Observes(Count::kVhostBatches);
}

// From the first to the last snapshot between which the count has grown.
SnapshotRange Growing(const Side& side, Count count) {
  std::optional<SnapshotRange> run;
  for (size_t i = side.range().first; i < side.range().last; ++i) {
    const auto growth = side.Growth(count, {i, i + 1});
    if (!growth || growth->lo == 0) continue;
    if (!run) run = SnapshotRange{i, i};
    run->last = i + 1;
  }
  return run.value_or(side.range());
}

// Where a VM is stopped everything merges and nothing is late.
bool Runs(const Side& host, const SnapshotRange& part) {
  for (size_t i = part.first; i <= part.last; ++i) {
    if (host.At(Gauge::kVmRunning, i) == 0) return false;
  }
  return true;
}

// More than one in `one_in` of `whole`, for at least three steps: a stop of the VM that no snapshot
// saw, or a change of affinity, is over within two.
std::optional<SnapshotRange> MoreThanOneIn(int one_in, const Side& side, Count part_count,
                                           Count whole_count) {
  const auto run = LongestRun(side, whole_count, [&](const SnapshotRange& part) {
    const auto some = side.Growth(part_count, part);
    const auto all = side.Growth(whole_count, part);
    return some && all && all->hi && ProductExceeds(one_in, some->lo, 1, *all->hi) &&
           Runs(side, part);
  });
  return run && run->last - run->first >= 3 ? run : std::nullopt;
}

}  // namespace

std::optional<Interval> ForeignSignals(const QueueEvidence& evidence, const SnapshotRange& part) {
  if (!evidence.host || !HasKernelBackend(evidence)) return std::nullopt;
  // The part is of the guest's snapshots; the host's that surround it hold at least as much.
  const int64_t from_ns = evidence.guest ? evidence.guest.Begin(part.first).lo_ns : INT64_MIN;
  const int64_t to_ns = evidence.guest ? evidence.guest.End(part.last).hi_ns : INT64_MAX;
  SnapshotRange around = evidence.host.range();
  while (around.first < around.last && evidence.host.End(around.first + 1).hi_ns <= from_ns) {
    ++around.first;
  }
  while (around.last > around.first && evidence.host.Begin(around.last - 1).lo_ns >= to_ns) {
    --around.last;
  }
  const auto written = evidence.host.Growth(Count::kEventfdWritten, around);
  if (!written) return std::nullopt;
  const Interval vmm = Or0(evidence.host.Growth(Count::kEventfdVmm, around));
  Interval foreign = *written + Or0(evidence.host.Growth(Count::kEventfdOther, around));
  foreign.lo = std::max<int64_t>(0, foreign.lo - vmm.hi.value_or(foreign.lo));
  if (foreign.hi) *foreign.hi = std::max<int64_t>(0, *foreign.hi - vmm.lo);
  return foreign;
}

MaybeFinding EmptySignal(const QueueEvidence& evidence) {
  const auto empty = evidence.host.Growth(Count::kVhostEmpty);
  const auto signalled = evidence.host.Growth(Count::kVhostSignalled);
  if (!empty || empty->lo == 0 || !signalled) return std::nullopt;
  Finding finding = evidence.Found(Cause::kEmptySignal, Certainty::kHigh, evidence.host,
                                   Growing(evidence.host, Count::kVhostEmpty));
  finding.title =
      Words(*empty) + " of " + Words(*signalled) + " signals came without a new used entry";
  finding.because = "the backend signals although it has published nothing since its last signal";
  finding.evidence.push_back(
      evidence.Say(finding.title, {Count::kVhostEmpty, Count::kVhostSignalled}));
  finding.would_refute = "the used index moved before each signal";
  finding.next.push_back({evidence.HostNode(),
                          "ringside timeline INCIDENT --queue " + evidence.ledger->host_queue,
                          "shows index and signals side by side"});
  return finding;
}

MaybeFinding ExternalInjector(const QueueEvidence& evidence) {
  if (!evidence.host || !HasKernelBackend(evidence)) return std::nullopt;
  const Side& host = evidence.host;
  const Interval written = Or0(host.Growth(Count::kEventfdWritten));
  const Interval other = Or0(host.Growth(Count::kEventfdOther));
  const auto vmm = host.Growth(Count::kEventfdVmm);
  const Interval by_vmm = Or0(vmm);
  int64_t foreign = other.lo;
  if (vmm) {
    foreign += std::max<int64_t>(0, written.lo - by_vmm.hi.value_or(written.lo));
  } else {
    // Who wrote is not known. A VMM writes once after it had masked the vector, so no more than
    // the signals that were masked, and one for each change of the message.
    const int64_t allowed =
        Or0(host.Growth(Count::kVhostMasked)).hi.value_or(written.lo) + evidence.ledger->cut.epochs;
    foreign += std::max<int64_t>(0, written.lo - allowed);
  }
  if (foreign == 0) return std::nullopt;
  const Count what = written.lo > by_vmm.lo ? Count::kEventfdWritten : Count::kEventfdOther;
  Finding finding =
      evidence.Found(Cause::kExternalInjector, Certainty::kHigh, host, Growing(host, what));
  std::string who;
  for (const auto& [label, writes] : host.Parts(Count::kEventfdWritten, host.range())) {
    if (!label.starts_with("process=")) continue;
    who += (who.empty() ? "" : ", ") + label.substr(8) + " (" + Number(writes) + ")";
  }
  finding.title = Number(foreign) + " signals of its eventfd that its backend did not send";
  finding.because = "somebody else holds the queue's interrupt eventfd and writes to it";
  const auto signalled = host.Growth(Count::kVhostSignalled);
  const auto woken = host.Growth(Count::kIrqfdWoken);
  finding.evidence.push_back(evidence.Say(
      (signalled ? "vhost signalled " + Words(*signalled) + ", " : std::string()) +
          (woken ? "the irqfd woke " + Words(*woken) + ", " : std::string()) + "user space wrote " +
          Words(written) + (vmm ? ", of these the VMM " + Words(by_vmm) : std::string()),
      {Count::kVhostSignalled, Count::kIrqfdWoken, Count::kEventfdWritten}));
  if (!who.empty()) finding.evidence.push_back({"written by " + who, {"eventfd.written"}});
  if (who.empty()) finding.missing.push_back("which process writes");
  finding.danger =
      "these interrupts find nothing; enough of them in a row switch the interrupt off";
  finding.would_refute = "the writer is the queue's own backend";
  finding.next.push_back({evidence.HostNode(), "ls -l /proc/*/fd | grep eventfd",
                          "look for the writer's copy of the eventfd, then ask or stop it"});
  return finding;
}

MaybeFinding InterruptMerging(const QueueEvidence& evidence) {
  const Side& host = evidence.host;
  if (!host) return std::nullopt;
  const auto run = MoreThanOneIn(2, host, Count::kKvmMerged, Count::kKvmInjected);
  if (!run) return std::nullopt;
  // The pending bit is read before it is set; KVM's own count of interrupts taken bounds the error.
  const Interval injected = *host.Growth(Count::kKvmInjected, *run);
  const Interval merged = *host.Growth(Count::kKvmMerged, *run);
  const auto taken = host.Growth(Count::kKvmTaken, *run);
  if (taken && taken->hi && !ProductExceeds(1, injected.lo, 2, *taken->hi)) return std::nullopt;
  Finding finding = evidence.Found(Cause::kInterruptMerging, Certainty::kHigh, host, *run);
  finding.title = Percent(merged.lo, injected.lo) + " of its injections met one still pending";
  finding.because = "the guest takes interrupts more slowly than they are sent";
  finding.evidence.push_back(
      evidence.Say(Words(merged) + " of " + Words(injected) + " were merged" +
                       (taken && taken->hi != 0 ? "; KVM handed " + Words(*taken) + " to the vCPU"
                                                : std::string()),
                   {Count::kKvmMerged, Count::kKvmInjected, Count::kKvmTaken}));
  finding.against.push_back(
      {"merging alone loses no work: one interrupt stands for all entries published", {}});
  finding.would_refute = "the guest's handler runs as often as the host injects";
  if (evidence.guest) {
    const std::string irq = std::to_string(evidence.guest.queue().info.irq);
    finding.next.push_back(
        {evidence.GuestNode(),
         "cat /proc/irq/" + irq + "/effective_affinity_list; top -b -n1 -1 | head",
         "which CPU takes it and how busy that one is; only reads"});
  }
  return finding;
}

MaybeFinding SlowPathInjection(const QueueEvidence& evidence) {
  const Side& host = evidence.host;
  if (!host) return std::nullopt;
  // A change of route sends a few this way; one in ten for so long is none.
  const auto run = MoreThanOneIn(10, host, Count::kKvmSlowpath, Count::kIrqfdWoken);
  if (!run) return std::nullopt;
  const Interval slow = *host.Growth(Count::kKvmSlowpath, *run);
  const Interval woken = *host.Growth(Count::kIrqfdWoken, *run);
  Finding finding = evidence.Found(Cause::kSlowPathInjection, Certainty::kHigh, host, *run);
  finding.title = Percent(slow.lo, woken.lo) + " of its injections go through a workqueue";
  finding.because =
      "KVM could not inject at once (no cached translation, or a destination the fast"
      " map does not know), so a kworker does it, on the signalling thread's own CPU";
  finding.evidence.push_back(evidence.Say(Words(slow) + " of " + Words(woken) + " wake-ups",
                                          {Count::kKvmSlowpath, Count::kIrqfdWoken}));
  for (const auto& [label, writes] : host.Parts(Count::kEventfdWritten, *run)) {
    if (!label.starts_with("thread=")) continue;
    finding.evidence.push_back({"the kworker takes the CPU of " + label.substr(7) +
                                    ", which wrote " + Number(writes) +
                                    " times and polls nothing meanwhile",
                                {host.HookOf(Count::kEventfdWritten)}});
  }
  finding.missing.push_back("what it costs in time (needs events of both sides)");
  finding.danger = "each adds a scheduling delay, for the signalling thread as well";
  finding.would_refute = "kvm_arch_set_irq_inatomic returning success for this route";
  if (evidence.guest) {
    const std::string irq = std::to_string(evidence.guest.queue().info.irq);
    finding.next.push_back({evidence.GuestNode(), "cat /proc/irq/" + irq + "/smp_affinity_list",
                            "an interrupt for one CPU alone can take the fast path; only reads"});
  }
  return finding;
}

MaybeFinding TunRingFull(const QueueEvidence& evidence) {
  const Side& host = evidence.host;
  const auto dropped = host.Growth(Count::kTunDropped);
  if (!dropped || dropped->lo == 0) return std::nullopt;
  int64_t other_reasons = 0;
  int64_t full = 0;
  for (const auto& [label, drops] : host.Parts(Count::kTunDropped, host.range())) {
    (label == "reason=FULL_RING" ? full : other_reasons) += drops;
  }
  if (full == 0 && other_reasons > 0) return std::nullopt;
  bool seen_full = full > 0;
  std::optional<uint64_t> least_size;
  for (size_t i = host.range().first; i <= host.range().last; ++i) {
    const auto ring = host.At(Gauge::kTunRing, i);
    const auto size = host.At(Gauge::kTunRingSize, i);
    seen_full = seen_full || host.At(Gauge::kTunFull, i) == 1 || (ring && size && *ring >= *size);
    if (size && (!least_size || *size < *least_size)) least_size = size;
  }
  Finding finding =
      evidence.Found(Cause::kTunRingFull, seen_full ? Certainty::kHigh : Certainty::kMedium, host,
                     Growing(host, Count::kTunDropped));
  const auto offered = host.Growth(Count::kTunOffered);
  finding.title = Words(*dropped) + (offered ? " of " + Words(*offered) : std::string()) +
                  " packets dropped before the VM: this queue's tap ring is full";
  finding.because = "vhost takes packets from the tap only as fast as the guest gives buffers back";
  finding.evidence.push_back(
      evidence.Say("tun.dropped " + Words(*dropped) +
                       (offered ? " of tun.offered " + Words(*offered) : std::string()),
                   {Count::kTunDropped, Count::kTunOffered}));
  if (full > 0) {
    finding.evidence.push_back({Number(full) + " drops with reason FULL_RING", {"skb:kfree_skb"}});
  } else if (!seen_full) {
    finding.missing.push_back("the reason of the drops (the ring was not seen full)");
  }
  if (least_size) {
    finding.evidence.push_back(
        {"the ring holds " + Number(static_cast<int64_t>(*least_size)) + " packets (txqueuelen)",
         {"tun.ring_size"}});
  }
  finding.danger = "only the connections hashed to this queue suffer";
  finding.would_refute = "drops with another reason than a full ring";
  finding.next.push_back({evidence.HostNode(), "ip -s link show " + host.queue().info.device,
                          "a longer txqueuelen only postpones it while the guest is the limit"});
  return finding;
}

}  // namespace ringside
