// SPDX-License-Identifier: Apache-2.0
#include "correlate/causes/host_only.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <vector>

#include "correlate/causes/host_stall.h"
#include "correlate/witness.h"
#include "correlate/words.h"

namespace ringside {
namespace {

constexpr HostReach kReach[] = {
    {Cause::kBusyPollSpurious, false, Certainty::kLow, "what a handler returned is in the guest"},
    {Cause::kIrqStormRisk, false, Certainty::kLow, "the kernel's rule counts in the guest"},
    {Cause::kIrqDisabled, false, Certainty::kLow, "shows as vector-masked"},
    {Cause::kIrqDisabledDrained, false, Certainty::kLow, "shows as vector-masked"},
    {Cause::kDeadQueue, true, Certainty::kMedium, "used_event, avail index and the tap's ring"},
    {Cause::kTunRingFull, true, Certainty::kHigh, "drops at the tap, its ring"},
    {Cause::kSuppressedStall, true, Certainty::kMedium, "used_event passed without a signal"},
    {Cause::kEmptySignal, true, Certainty::kHigh, "signals against the used index"},
    {Cause::kDuplicateInjection, false, Certainty::kLow, "what the guest took is in the guest"},
    {Cause::kLostInterrupt, true, Certainty::kHigh, "only up to the injection"},
    {Cause::kExternalInjector, true, Certainty::kHigh, "writes to the eventfd"},
    {Cause::kStaleRoute, false, Certainty::kLow, "the guest's message is in its MSI-X table"},
    {Cause::kNoTxSignal, false, Certainty::kLow, "whether the guest waits is in its driver"},
    {Cause::kLostAcrossPause, false, Certainty::kLow, "whether it arrived is in the guest"},
    {Cause::kInterruptMerging, true, Certainty::kHigh, "pending bits at injection"},
    {Cause::kLateVcpu, true, Certainty::kHigh, "the vCPU threads' run and delay"},
    {Cause::kSlowPathInjection, true, Certainty::kHigh, "the injections' results"},
    {Cause::kSoftirqSqueeze, false, Certainty::kLow, "the guest's softnet_stat"},
    {Cause::kVectorMasked, true, Certainty::kHigh, "no irqfd waits on the queue's eventfd"},
    {Cause::kDataLoss, true, Certainty::kHigh, "this tool's own losses"},
};

void SayState(const QueueEvidence& evidence, const HostStall& stall, Finding* finding) {
  const std::string span = Seconds(stall.to_ns - stall.from_ns);
  if (stall.wanted) {
    finding->evidence.push_back({"for " + span + " used index " + std::to_string(*stall.used) +
                                     ", and the guest still asks for a signal after " +
                                     std::to_string(*stall.wanted) + ": it has taken nothing since",
                                 {"ring.used", "ring.used_event"}});
  }
  if (stall.full) {
    finding->evidence.push_back({"tun.full 1, used and avail index unchanged for " + span,
                                 {"tun.full", "ring.used", "ring.avail"}});
  }
  if (stall.no_buffers) {
    finding->evidence.push_back(
        {"vhost has used every buffer the guest gave and gets no new ones for " + span + "; " +
             (stall.waits ? Number(static_cast<int64_t>(*stall.waits)) : std::string("some")) +
             " packets wait in the tap's ring",
         {"ring.avail", "ring.avail_given", "tun.ring"}});
  }
  const Side& host = evidence.host;
  if (const auto at = host.At(Gauge::kSignalledAt, stall.host.last); at && stall.wanted) {
    finding->evidence.push_back(
        {"the host signalled last at index " + std::to_string(*at), {"vhost.signalled_at"}});
  }
  if (!stall.since_passed) return;
  const auto signalled = host.Growth(Count::kVhostSignalled, *stall.since_passed);
  const auto injected = host.Growth(Count::kKvmInjected, *stall.since_passed);
  const auto taken = host.Growth(Count::kKvmTaken, *stall.since_passed);
  if (!signalled) return;
  finding->evidence.push_back(
      evidence.Say("around that index and since: signalled " + Words(*signalled) +
                       (injected ? ", injected " + Words(*injected) : std::string()) +
                       (taken ? ", taken by the vCPU " + Words(*taken) : std::string()),
                   {Count::kVhostSignalled, Count::kKvmInjected, Count::kKvmTaken}));
}

// What the guest's own kernel counted, by an agent without the ring or by a witness.
void SayGuest(const QueueEvidence& evidence, const HostStall& stall, Finding* finding) {
  const Side& guest = evidence.guest;
  const int64_t to_ns = evidence.host.End(stall.host.last).hi_ns;
  const auto during = guest ? guest.Within(stall.from_ns, to_ns) : std::nullopt;
  if (!during || during->first == during->last) return;
  const Count irqs = guest.Observes(Count::kGuestIrq) ? Count::kGuestIrq : Count::kGuestProcIrq;
  const auto irq = guest.Growth(irqs, *during);
  const auto polls = guest.Growth(Count::kGuestNapiSoftirq, *during);
  if (!irq) return;
  finding->evidence.push_back(
      evidence.Say("the guest counted " + Words(*irq) + " interrupts" +
                       (polls ? " and " + Words(*polls) + " polls" : std::string()) + " then",
                   {irqs, Count::kGuestNapiSoftirq}));
}

// Whether the signal that the guest asked for was sent; nothing if that was not seen.
std::optional<bool> Sent(const QueueEvidence& evidence, const HostStall& stall) {
  const Side& host = evidence.host;
  const auto at = host.At(Gauge::kSignalledAt, stall.host.last);
  if (at) return Passed(static_cast<uint16_t>(*at), *stall.wanted);
  if (!stall.since_passed) return std::nullopt;
  const auto signalled = host.Growth(Count::kVhostSignalled, *stall.since_passed);
  const auto unwired = host.Growth(Count::kVhostUnwired, *stall.since_passed);
  if (!signalled || signalled->hi != 0 || (unwired && unwired->lo > 0)) return std::nullopt;
  return false;
}

struct Task {
  std::string name;
  std::string state;
  int64_t ran_us = 0;
  int64_t waited_us = 0;
};

// "NAME STATE RAN_US WAITED_US"
std::optional<Task> TaskOf(const std::string& value) {
  std::vector<std::string> words(1);
  for (const char c : value) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  if (words.size() != 4) return std::nullopt;
  Task task{.name = words[0], .state = words[1]};
  const auto number = [](const std::string& text, int64_t* out) {
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *out);
    return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && *out >= 0;
  };
  if (!number(words[2], &task.ran_us) || !number(words[3], &task.waited_us)) return std::nullopt;
  return task;
}

// Threads that poll queues and were ready all the time between two readings of a witness without
// being run: they cannot take anything.
void SayStarvedPollers(const QueueEvidence& evidence, const HostStall& stall, Finding* finding) {
  if (!evidence.guest || !evidence.guest.witness()) return;
  const StreamAxis& axis = evidence.guest.node().axis;
  std::map<std::string, std::pair<Task, int64_t>> first;  // and when
  for (const Fact& fact : evidence.guest.stream().facts) {
    if (!fact.name.starts_with(kTaskFact)) continue;
    const auto task = TaskOf(fact.value);
    if (!task) continue;
    const auto [known, added] = first.try_emplace(fact.name, *task, fact.mono_ns);
    if (added) continue;
    const auto& [before, since_ns] = known->second;
    const int64_t span_us = (fact.mono_ns - since_ns) / 1000;
    const int64_t ran_us = task->ran_us - before.ran_us;
    if (task->state != "R" || span_us <= 0 || ran_us * 100 > span_us) continue;
    if (axis.At(since_ns).mid_ns() > stall.to_ns ||
        axis.At(fact.mono_ns).mid_ns() < stall.from_ns) {
      continue;  // of another time
    }
    finding->evidence.push_back({"in the guest " + task->name + " (pid " +
                                     fact.name.substr(kTaskFact.size()) +
                                     ") was ready to run and got " + Seconds(ran_us * 1000) +
                                     " of " + Seconds(span_us * 1000) + " on its CPU",
                                 {"witness"}});
  }
}

}  // namespace

const HostReach& ReachOf(Cause cause) {
  return *std::find_if(std::begin(kReach), std::end(kReach),
                       [cause](const HostReach& reach) { return reach.cause == cause; });
}

std::string NotObservable(const QueueEvidence& evidence) {
  return std::string(kNotObservable) +
         (evidence.guest ? " (a witness' text, no agent in " + evidence.GuestNode() + ")"
                         : " (no agent in " + evidence.GuestNode() + ")");
}

NextStep AskTheGuest(const QueueEvidence& evidence) {
  if (evidence.guest) {
    return {evidence.GuestNode(), "ringside record --role guest -o guest.rsi",
            "an agent there sees the ring and the interrupts; join it with 'ringside merge'"};
  }
  const std::string name = evidence.GuestNode();
  const bool known = name != "the guest";
  return {name, "sh witness.sh > witness.txt",
          "deploy/witness, only reads; then here: ringside import witness.txt --node " +
              (known ? name : std::string("NAME")) +
              " --merge INCIDENT -o both.rsi. More shows 'ringside record' in it"};
}

MaybeFinding SuppressedFromHost(const QueueEvidence& evidence) {
  const auto stall = FindHostStall(evidence);
  if (!stall || !stall->wanted || Sent(evidence, *stall) != false) return std::nullopt;
  Finding finding =
      evidence.Found(Cause::kSuppressedStall, Certainty::kMedium, evidence.host, stall->host);
  finding.title = "the guest asked for a signal after index " + std::to_string(*stall->wanted) +
                  ", the host is at " + std::to_string(*stall->used) + " and sent none";
  finding.because =
      "guest and host missed each other: the guest armed its interrupt and went to"
      " sleep, the host looked before that and decided not to signal";
  SayState(evidence, *stall, &finding);
  finding.ruled_out.push_back(
      {"a lost interrupt: none was sent for these entries", {"vhost.signalled"}});
  finding.danger = "nothing moves until the guest polls by itself or more entries cross its mark";
  finding.would_refute = "a signal after the index passed used_event";
  finding.next.push_back(AskTheGuest(evidence));
  finding.next.push_back(evidence.DownAndUp());
  return finding;
}

MaybeFinding DeadFromHost(const QueueEvidence& evidence) {
  // A guest's agent that reads the ring would have seen the stall itself.
  const Side& guest = evidence.guest;
  if (guest && guest.At(Gauge::kLastUsed, guest.range().last)) return std::nullopt;
  const auto stall = FindHostStall(evidence);
  if (!stall) return std::nullopt;
  Finding finding =
      evidence.Found(Cause::kDeadQueue, Certainty::kMedium, evidence.host, stall->host);
  finding.title = stall->wanted ? "nobody in the guest takes its entries: " +
                                      Number(static_cast<int64_t>(stall->untaken)) + " wait for " +
                                      Seconds(stall->to_ns - stall->from_ns)
                  : stall->full ? "the tap's ring is full and the guest gives no buffers back"
                                : "the host has no buffers of this queue, and the guest gives none";
  finding.because = "the guest has stopped taking entries of this queue";
  SayState(evidence, *stall, &finding);
  SayGuest(evidence, *stall, &finding);
  SayStarvedPollers(evidence, *stall, &finding);
  if (!guest) finding.missing.push_back("guest: an agent in it would tell why it takes none");
  if (guest) finding.missing.push_back("guest: the state of its ring (ring.last_used)");
  finding.danger = "the tap's ring fills, then the host drops";
  finding.would_refute = "the guest's avail index or its used_event moving";
  if (NoAgent(evidence)) finding.next.push_back(AskTheGuest(evidence));
  return finding;
}

namespace {

// No irqfd waits on the queue's eventfd, although one did: the VMM has put its own notifier there,
// which is what it does for a masked vector.
std::optional<SnapshotRange> Unwired(const Side& host) {
  bool wired = host.queue().info.irq >= 0;  // its route was known, be it before this window
  for (size_t at = host.range().first; at <= host.range().last; ++at) {
    wired |= host.At(Gauge::kIrqfd, at) == 1;
  }
  const auto woken = host.Growth(Count::kIrqfdWoken);
  if (!wired && (!woken || woken->lo == 0)) return std::nullopt;
  const auto off = [&](size_t at) {
    return host.At(Gauge::kIrqfd, at) == 0 && host.At(Gauge::kBackend, at) != 0 &&
           host.At(Gauge::kVmRunning, at) != 0;
  };
  // Interrupts that move are masked for moments: wake-ups in between tell them.
  return LongestStretch(host.range(), 2, [&](size_t i) {
    const auto step = host.Growth(Count::kIrqfdWoken, {i, i + 1});
    return off(i) && off(i + 1) && (!step || step->lo == 0);
  });
}

// Where the eventfd cannot be looked at: a signal went to a notifier without irqfd, and neither a
// wake-up nor the write that unmasking brings has come since.
std::optional<SnapshotRange> NoneSinceMasked(const Side& host) {
  if (!host.Observes(Count::kVhostMasked) || !host.Observes(Count::kEventfdWritten) ||
      !host.Observes(Count::kIrqfdWoken)) {
    return std::nullopt;
  }
  std::optional<size_t> since;
  for (size_t i = host.range().first; i < host.range().last; ++i) {
    const SnapshotRange step{i, i + 1};
    const auto woken = host.Growth(Count::kIrqfdWoken, step);
    const auto written = host.Growth(Count::kEventfdWritten, step);
    const auto masked = host.Growth(Count::kVhostMasked, step);
    const bool silent = woken && woken->hi == 0 && written && written->hi == 0;
    if (!silent || host.At(Gauge::kVmRunning, i) == 0) since.reset();
    if (silent && !since && masked && masked->lo > 0) since = i;
  }
  if (!since || host.range().last - *since < 3) return std::nullopt;
  return SnapshotRange{*since, host.range().last};
}

}  // namespace

MaybeFinding VectorMasked(const QueueEvidence& evidence) {
  const Side& host = evidence.host;
  if (!host) return std::nullopt;
  const bool looked = host.At(Gauge::kIrqfd, host.range().last).has_value();
  const auto run = looked ? Unwired(host) : NoneSinceMasked(host);
  if (!run) return std::nullopt;
  Finding finding = evidence.Found(Cause::kVectorMasked,
                                   looked ? Certainty::kHigh : Certainty::kMedium, host, *run);
  finding.title = "its interrupt vector is masked: signals reach no interrupt";
  finding.because =
      "the guest has masked the vector in its MSI-X table (its kernel does so when it switches an"
      " interrupt off), so the VMM keeps the signals to itself";
  if (looked) {
    finding.evidence.push_back(
        {"no irqfd waits on the queue's eventfd for " +
             Seconds(host.End(run->last).mid_ns() - host.Begin(run->first).mid_ns()) +
             "; one did before",
         {"route.irqfd"}});
  }
  const SnapshotRange around{run->first > host.range().first ? run->first - 1 : run->first,
                             run->last};
  const auto masked = host.Growth(Count::kVhostMasked, around);
  const auto signalled = host.Growth(Count::kVhostSignalled, around);
  const auto woken = host.Growth(Count::kIrqfdWoken, *run);
  if (masked && signalled && woken) {
    finding.evidence.push_back(evidence.Say(
        "signalled " + Words(*signalled) + ", of these into a notifier without irqfd " +
            Words(*masked) + "; the irqfd woke " + Words(*woken),
        {Count::kVhostSignalled, Count::kVhostMasked, Count::kIrqfdWoken}));
  }
  const Side& guest = evidence.guest;
  if (const auto own = guest ? guest.At(Gauge::kMsixMasked, guest.range().last) : std::nullopt) {
    const Statement says{"the guest's own table says: masked " + std::to_string(*own),
                         {"msix.masked"}};
    (*own == 1 ? finding.evidence : finding.against).push_back(says);
  }
  finding.danger = "the queue is dead unless somebody polls it";
  finding.would_refute = "an interrupt of this queue taken by the guest meanwhile";
  if (NoAgent(evidence)) finding.next.push_back(AskTheGuest(evidence));
  return finding;
}

}  // namespace ringside
