// SPDX-License-Identifier: Apache-2.0
// Interrupts that find nothing, and what the kernel makes of them.
#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "correlate/causes/causes.h"
#include "correlate/words.h"

namespace ringside {
namespace {

// note_interrupt (kernel/irq/spurious.c): every 100,000 interrupts the count starts over; more than
// 99,900 unhandled among them switch the interrupt off.
constexpr int64_t kRuleWindow = 100'000;
constexpr int64_t kRuleLimit = 99'900;
// A gap of HZ/10 between two unhandled ones starts the count of them over.
constexpr int64_t kRuleGapNs = 100'000'000;

struct BusyShare {
  Interval irq, none, packets, busy;
};

std::optional<BusyShare> ReadBusyShare(const Side& guest, const SnapshotRange& part) {
  const auto irq = guest.Growth(Count::kGuestIrq, part);
  const auto none = guest.Growth(Count::kGuestNone, part);
  const auto packets = guest.Growth(Count::kGuestPackets, part);
  const auto busy = guest.Growth(Count::kGuestPacketsBusy, part);
  if (!irq || !none || !packets || !busy || !packets->hi || !none->hi) return std::nullopt;
  return BusyShare{*irq, *none, *packets, *busy};
}

// The signature of the defect (kernel facts 14): interrupts stay about equal to packets although
// most went through busy polls. Packets that softirq took need an interrupt each at most; what
// comes above that came for packets a busy poller had taken. A guest without the defect gets one
// for about a ninth of those; with it, for nine in ten. More than half decides.
bool IsDefect(const QueueEvidence& evidence, const SnapshotRange& part) {
  const auto share = ReadBusyShare(evidence.guest, part);
  if (!share || share->none.lo == 0 || share->busy.lo < kMaterialEvents) return false;
  const Interval foreign = Or0(ForeignSignals(evidence, part));
  if (!foreign.hi) return false;
  const int64_t softirq_most = *share->packets.hi - share->busy.lo;
  const int64_t excess = share->irq.lo - softirq_most - *foreign.hi;
  return ProductExceeds(2, excess, 1, share->busy.hi.value_or(share->busy.lo));
}

// Where packets by busy polls were not counted, polls and entries hint at the same: an interrupt
// for most entries although most polls were busy ones. A hint only: empty busy polls count, too.
bool LooksLikeDefect(const QueueEvidence& evidence) {
  const Side& guest = evidence.guest;
  if (guest.Observes(Count::kGuestPacketsBusy)) return false;
  const auto irq = guest.Growth(Count::kGuestIrq);
  const auto none = guest.Growth(Count::kGuestNone);
  const auto busy = guest.Growth(Count::kGuestNapiBusy);
  const auto softirq = guest.Growth(Count::kGuestNapiSoftirq);
  auto used = guest.Growth(Count::kGuestUsed);
  if (!used) used = evidence.host.Growth(Count::kVhostUsed);
  if (!irq || !none || !busy || !softirq || !softirq->hi || !used || !used->hi) return false;
  const Interval foreign = Or0(ForeignSignals(evidence, guest.range()));
  return none->lo > 0 && busy->lo >= kMaterialEvents && busy->lo > *softirq->hi && foreign.hi &&
         ProductExceeds(2, irq->lo - *foreign.hi, 1, *used->hi);
}

MaybeFinding BusyPollHint(const QueueEvidence& evidence) {
  if (!LooksLikeDefect(evidence)) return std::nullopt;
  const Side& guest = evidence.guest;
  Finding finding = evidence.Found(Cause::kBusyPollSpurious, Certainty::kLow,
                                   guest.Begin(guest.range().first).mid_ns());
  const Interval irq = *guest.Growth(Count::kGuestIrq);
  const Interval none = *guest.Growth(Count::kGuestNone);
  finding.title = Percent(none.lo, irq.lo) +
                  " of its interrupts find nothing (IRQ_NONE), and busy pollers are at work";
  finding.because = "a busy poller may take packets before their interrupt arrives";
  finding.evidence.push_back(
      evidence.Say(Words(*guest.Growth(Count::kGuestNapiBusy)) + " polls by busy pollers, " +
                       Words(*guest.Growth(Count::kGuestNapiSoftirq)) + " from softirq; none " +
                       Words(none) + " of " + Words(irq) + " interrupts",
                   {Count::kGuestNapiBusy, Count::kGuestNapiSoftirq, Count::kGuestNone}));
  finding.missing.push_back("guest: packets by busy polls (guest.packets.busy)");
  if (!ProductExceeds(none.lo, kRuleWindow, kRuleLimit, irq.lo)) {
    finding.danger = "at " + Percent(none.lo, irq.lo) +
                     " the kernel's limit (over 99,900 none in 100,000) cannot be reached: busy"
                     " polling alone does not switch this interrupt off";
  }
  finding.would_refute = "the share of IRQ_NONE unchanged with busy polling off";
  finding.next.push_back({evidence.GuestNode(),
                          "sysctl -w net.core.busy_read=0 net.core.busy_poll=0",
                          "then restart the polling processes: open sockets keep their value"});
  return finding;
}

void NamePollers(const QueueEvidence& evidence, const SnapshotRange& run, const BusyShare& share,
                 Finding* finding) {
  std::string text = Words(share.busy) + " of " + Words(share.packets) + " packets (" +
                     Percent(share.busy.lo, share.packets.lo) + ") went through busy polls";
  const auto pollers = evidence.guest.Parts(Count::kGuestNapiBusy, run);
  constexpr std::string_view kProcess = "process=";
  int named = 0;
  for (const auto& [label, polls] : pollers) {
    if (!label.starts_with(kProcess) || named == 3) continue;
    text += (named == 0 ? " by " : ", ") + label.substr(kProcess.size());
    ++named;
  }
  finding->evidence.push_back(evidence.Say(text, {Count::kGuestPackets, Count::kGuestPacketsBusy}));
  if (named == 0) finding->missing.push_back("which process polls (guest.napi.busy by process)");
}

// What else makes interrupts find nothing, and is seen not to be there: on the host's side.
void RuleOutTheHost(const QueueEvidence& evidence, Finding* finding) {
  const Side& host = evidence.host;
  const auto rule_out = [&](std::string text, std::initializer_list<Count> counts) {
    finding->ruled_out.push_back(evidence.Say(std::move(text), counts));
  };
  const auto signalled = host.Growth(Count::kVhostSignalled);
  const auto empty = host.Growth(Count::kVhostEmpty);
  if (signalled && empty && empty->hi == 0) {
    rule_out("the host signals without work: 0 of " + Words(*signalled) +
                 " signals came without a new used entry",
             {Count::kVhostEmpty, Count::kVhostSignalled});
  }
  const auto written = host.Growth(Count::kEventfdWritten);
  if (written && written->hi == 0) {
    rule_out("somebody else signals: 0 writes to its eventfd", {Count::kEventfdWritten});
  }
  const auto woken = host.Growth(Count::kIrqfdWoken);
  const auto injected = host.Growth(Count::kKvmInjected);
  if (!woken || !injected || !injected->hi || woken->lo < *injected->hi) return;
  const auto merged = host.Growth(Count::kKvmMerged);
  rule_out("KVM injects twice: woken " + Words(*woken) + ", injected " + Words(*injected) +
               (merged ? ", of these merged " + Words(*merged) : std::string()),
           {Count::kIrqfdWoken, Count::kKvmInjected, Count::kKvmMerged});
}

}  // namespace

MaybeFinding BusyPollSpurious(const QueueEvidence& evidence) {
  if (!evidence.guest || evidence.tx()) return std::nullopt;
  const auto run = LongestRun(evidence.guest, Count::kGuestPacketsBusy,
                              [&](const SnapshotRange& part) { return IsDefect(evidence, part); });
  if (!run) return BusyPollHint(evidence);
  const BusyShare share = *ReadBusyShare(evidence.guest, *run);
  const std::string node = evidence.GuestNode();
  Finding finding =
      evidence.Found(Cause::kBusyPollSpurious, Certainty::kHigh, evidence.guest, *run);
  finding.title = Percent(share.none.lo, share.irq.lo) +
                  " of its interrupts find nothing (IRQ_NONE): a busy poller was there first";
  finding.because =
      "a busy poller takes packets before their interrupt arrives, and this guest's kernel leaves"
      " the interrupt armed while it polls";
  NamePollers(evidence, *run, share, &finding);
  finding.evidence.push_back(evidence.Say(
      "yet " + Words(share.irq) + " interrupts came for " + Words(share.packets) +
          " packets; a kernel without the defect takes about one for each packet not busy-polled",
      {Count::kGuestIrq}));
  const auto handled = evidence.guest.Growth(Count::kGuestHandled, *run);
  if (handled) {
    finding.evidence.push_back(evidence.Say(
        "handled " + Words(*handled) + " + none " + Words(share.none) + " = " + Words(share.irq),
        {Count::kGuestHandled, Count::kGuestNone}));
  }
  if (evidence.host) {
    RuleOutTheHost(evidence, &finding);
  } else {
    finding.certainty = Certainty::kMedium;
    finding.missing.push_back("the host's signals: an external writer would look alike");
  }
  if (share.irq.hi && !ProductExceeds(share.none.lo, kRuleWindow, kRuleLimit, *share.irq.hi)) {
    finding.danger = "none by itself: at " + Percent(share.none.lo, share.irq.lo) +
                     " the kernel's limit (over 99,900 none in 100,000) cannot be reached";
  }
  finding.would_refute = "the share of IRQ_NONE unchanged with busy polling off";
  finding.next.push_back({node, "sysctl -w net.core.busy_read=0 net.core.busy_poll=0",
                          "then restart the polling processes: open sockets keep their value;"
                          " their latency may rise"});
  finding.next.push_back({node, "",
                          "lasting: guest kernel 6.1 or newer, which takes a twelfth of"
                          " these interrupts (measured)"});
  finding.next.push_back(
      {"",
       "ringside record -o after.rsi --duration 10s && ringside explain after.rsi"
       " --against INCIDENT",
       "the proof after the remedy: the same ledger, before and after"});
  return finding;
}

namespace {

// From before the first interrupt that found nothing to after the last.
std::optional<SnapshotRange> WhileNoneGrew(const Side& guest) {
  std::optional<SnapshotRange> grew;
  for (size_t i = guest.range().first; i < guest.range().last; ++i) {
    const auto none = guest.Growth(Count::kGuestNone, {i, i + 1});
    if (!none || none->lo == 0) continue;
    grew = SnapshotRange{grew ? grew->first : i, i + 1};
  }
  return grew;
}

}  // namespace

std::optional<SnapshotRange> NearlyAllNone(const Side& guest) {
  const auto is_so = [&](const SnapshotRange& part) {
    const auto irq = guest.Growth(Count::kGuestIrq, part);
    const auto none = guest.Growth(Count::kGuestNone, part);
    return irq && irq->hi && none && !ProductExceeds(*irq->hi, 999, none->lo, 1000);
  };
  auto run = LongestRun(guest, Count::kGuestIrq, is_so);
  // On a busy machine a snapshot takes long: one step says too little, all of them enough.
  if (!run) run = WhileNoneGrew(guest);
  if (run && !is_so(*run)) run.reset();
  // Fewer cannot show a share of 999 in 1,000: of 7,000, one with 998 shows it once in 1,000 times.
  if (!run || guest.Growth(Count::kGuestIrq, *run)->lo < 10'000) return std::nullopt;
  return run;
}

namespace {

std::optional<int64_t> IrqOfLine(const std::string& text) {
  constexpr std::string_view kWords = "Disabling IRQ #";
  const size_t at = text.find(kWords);
  if (at == std::string::npos) return std::nullopt;
  int64_t irq = -1;
  const char* from = text.data() + at + kWords.size();
  const auto parsed = std::from_chars(from, text.data() + text.size(), irq);
  return parsed.ec == std::errc() ? std::optional(irq) : std::nullopt;
}

struct Disabled {
  int64_t since_ns = 0;
  std::string words;  // what says so
  bool logged = false;
};

// When a queue was first read; a log line from before is another's that had its interrupt number.
int64_t FirstSeenMonoNs(const Side& guest) {
  const StreamSeries& series = guest.node().series;
  size_t first = guest.stream().snapshots.size();
  for (const Count count : {Count::kGuestIrq, Count::kGuestProcIrq}) {
    for (const HookId hook : series.HooksOf(guest.queue().info.id, count)) {
      first = std::min(first,
                       series.FirstSnapshotOf(guest.queue().info.id, count, hook).value_or(first));
    }
  }
  return first < guest.stream().snapshots.size() ? guest.stream().snapshots[first].begin.mono_ns
                                                 : std::numeric_limits<int64_t>::min();
}

// A witness' log tells of before: that still holds if no interrupt came between its readings.
bool StillSilent(const Side& guest) {
  const auto irq = guest.witness() ? guest.Growth(Count::kGuestProcIrq) : std::nullopt;
  return irq && irq->hi == 0 && guest.range().first != guest.range().last;
}

std::optional<Disabled> FindDisabled(const QueueEvidence& evidence) {
  if (!evidence.guest) return std::nullopt;
  const Side& guest = evidence.guest;
  for (const LogLine& line : guest.stream().log) {
    const auto irq = IrqOfLine(line.text);
    if (!irq || *irq != guest.queue().info.irq) continue;
    if (guest.queue().info.generation > 1 && line.mono_ns < FirstSeenMonoNs(guest)) continue;
    const AxisTime time = guest.node().axis.At(line.mono_ns);
    const bool before = time.hi_ns < evidence.window.from_ns;
    if (time.lo_ns > evidence.window.to_ns || (before && !StillSilent(guest))) continue;
    return Disabled{time.mid_ns(), "the kernel's log: \"" + line.text + "\"", true};
  }
  for (size_t i = guest.range().first; i <= guest.range().last; ++i) {
    if (guest.At(Gauge::kIrqDisabled, i) != 1) continue;
    return Disabled{guest.Begin(i).mid_ns(), "irq.disabled is 1"};
  }
  return std::nullopt;
}

}  // namespace

MaybeFinding IrqStormRisk(const QueueEvidence& evidence) {
  if (!evidence.guest || FindDisabled(evidence)) return std::nullopt;
  const auto run = NearlyAllNone(evidence.guest);
  if (!run) return std::nullopt;
  const Side& guest = evidence.guest;
  const Interval irq = *guest.Growth(Count::kGuestIrq, *run);
  const Interval none = *guest.Growth(Count::kGuestNone, *run);
  const int64_t span_ns = guest.End(run->last).mid_ns() - guest.Begin(run->first).mid_ns();
  // Slower than one in HZ/10, the kernel's count of unhandled ones starts over each time.
  if (ProductExceeds(span_ns, 1, irq.lo, kRuleGapNs)) return std::nullopt;
  Finding finding = evidence.Found(Cause::kIrqStormRisk, Certainty::kHigh, guest, *run);
  finding.title = "practically every interrupt finds nothing: the kernel will switch it off";
  finding.because =
      "the kernel switches an interrupt off after more than 99,900 unhandled of"
      " 100,000, if no gap of 100 ms lies between them";
  finding.evidence.push_back(evidence.Say(
      Words(none) + " of " + Words(irq) + " interrupts found nothing in " + Seconds(span_ns),
      {Count::kGuestNone, Count::kGuestIrq}));
  const auto at_least = guest.At(Gauge::kIrqUnhandledLo, run->last);
  const auto own = guest.At(Gauge::kIrqUnhandled, run->last);
  if (own) {
    finding.evidence.push_back(
        {"the kernel's own count stands at " + Number(static_cast<int64_t>(*own)) + " unhandled",
         {"irq.unhandled (procfs)"}});
  } else if (at_least) {
    finding.evidence.push_back({"followed: at least " + Number(static_cast<int64_t>(*at_least)) +
                                    " unhandled in the present 100,000",
                                {"irq.unhandled_lo"}});
  } else {
    finding.missing.push_back("how far the kernel's count is (/proc/irq/N/spurious)");
  }
  const int64_t limit_ns = span_ns / irq.lo * kRuleWindow;
  finding.danger = "the queue goes dead when the limit is reached: within " +
                   Seconds(2 * limit_ns) + " at this rate";
  finding.would_refute = "a share of handled interrupts above 1 in 1,000";
  finding.next.push_back({evidence.GuestNode(),
                          "cat /proc/irq/" + std::to_string(guest.queue().info.irq) + "/spurious",
                          "the kernel's own count; only reads"});
  return finding;
}

namespace {

// Since it was switched off, entries were taken by busy polls and without interrupts.
void SayDrained(const QueueEvidence& evidence, int64_t since_ns, Finding* finding) {
  const Side& guest = evidence.guest;
  const auto after = guest.Within(since_ns, evidence.window.to_ns);
  if (!after || after->last == after->first) return;
  const auto used = guest.Growth(Count::kGuestUsed, *after);
  const auto busy = guest.Growth(Count::kGuestNapiBusy, *after);
  const auto irq = guest.Growth(Count::kGuestIrq, *after);
  if (!used || used->lo == 0 || !busy || busy->lo == 0 || (irq && irq->lo > 0)) return;
  finding->cause = Cause::kIrqDisabledDrained;
  finding->title += "; busy pollers still drain the queue";
  finding->evidence.push_back(evidence.Say(Words(*used) + " entries were taken since, by " +
                                               Words(*busy) + " busy polls and no interrupt",
                                           {Count::kGuestUsed, Count::kGuestNapiBusy}));
  finding->danger =
      "the queue dies when they stop: don't switch busy polling off before the"
      " interrupt is on again";
}

}  // namespace

MaybeFinding IrqDisabled(const QueueEvidence& evidence) {
  const auto disabled = FindDisabled(evidence);
  if (!disabled) return std::nullopt;
  const Side& guest = evidence.guest;
  const std::string irq = std::to_string(guest.queue().info.irq);
  Finding finding = evidence.Found(Cause::kIrqDisabled, Certainty::kHigh, disabled->since_ns);
  finding.title = "the guest's kernel has switched its interrupt off (IRQ " + irq + ")";
  finding.because =
      "more than 99,900 of 100,000 interrupts found nothing; per-queue MSI-X"
      " interrupts are not polled afterwards, so nothing wakes this queue's NAPI";
  finding.evidence.push_back({disabled->words, {disabled->logged ? "kernel log" : "irq.disabled"}});
  if (!disabled->logged) finding.missing.push_back("the kernel's log: what it said, and when");
  if (const auto run = NearlyAllNone(guest)) {
    finding.evidence.push_back(
        evidence.Say("before it " + Words(*guest.Growth(Count::kGuestNone, *run)) + " of " +
                         Words(*guest.Growth(Count::kGuestIrq, *run)) + " found nothing",
                     {Count::kGuestNone, Count::kGuestIrq}));
  } else {
    const auto none = guest.Growth(Count::kGuestNone);
    const auto all = guest.Growth(Count::kGuestIrq);
    finding.missing.push_back("what made nearly all of 100,000 interrupts return IRQ_NONE" +
                              (none && all
                                   ? ": counted here were " + Words(*none) + " of " + Words(*all)
                                   : std::string()));
  }
  SayDrained(evidence, disabled->since_ns, &finding);
  finding.would_refute = "interrupts of this queue counted again without a reset of the device";
  // Taking a device down keeps its interrupts: only the driver's own start asks for them anew.
  const std::string& name = guest.queue().info.irq_name;
  const std::string device = name.substr(0, name.find('-'));
  const std::string driver = "/sys/bus/virtio/drivers/virtio_net/";
  finding.next.push_back(
      {evidence.GuestNode(),
       "echo " + device + " > " + driver + "unbind; echo " + device + " > " + driver + "bind",
       "frees and requests the interrupt again: " + guest.queue().info.device +
           " goes away and comes back without its"
           " addresses; run it from the console"});
  return finding;
}

}  // namespace ringside
