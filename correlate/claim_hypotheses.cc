// SPDX-License-Identifier: Apache-2.0
#include "correlate/claim_hypotheses.h"

#include <algorithm>
#include <set>
#include <utility>

#include "correlate/words.h"

namespace ringside {
namespace {

// A count taken for another one: the sum of `plus` less the sum of `minus` is what was counted.
struct Confusion {
  Count claimed;
  const char* id;
  std::vector<Count> plus;
  std::vector<Count> minus;
  const char* text;
};

using enum Count;

const std::vector<Confusion>& Confusions() {
  static const std::vector<Count> kPolls = {kGuestNapiSoftirq, kGuestNapiBusy, kGuestNapiThread};
  static const std::vector<Confusion> kAll = {
      {kVhostSignalled,
       "calls-for-signals",
       {kVhostBatches},
       {},
       "calls, suppressed ones included"},
      {kVhostSignalled, "index-for-signals", {kVhostUsed}, {}, "the advance of the used index"},
      {kVhostSignalled, "packets-for-signals", {kTunEnqueued}, {}, "packets"},
      {kVhostSignalled, "suppressed-for-signals", {kVhostSuppressed}, {}, "suppressed batches"},
      {kVhostSignalled, "empty-left-out", {kVhostSignalled}, {kVhostEmpty}, "without empty ones"},
      {kVhostSignalled,
       "masked-left-out",
       {kVhostSignalled},
       {kVhostMasked},
       "without masked ones"},
      {kVhostBatches, "signals-for-calls", {kVhostSignalled}, {}, "signals only"},
      {kVhostBatches, "index-for-calls", {kVhostUsed}, {}, "the advance of the used index"},
      {kVhostBatches, "packets-for-calls", {kTunEnqueued}, {}, "packets"},
      {kVhostUsed, "calls-for-index", {kVhostBatches}, {}, "batches"},
      {kVhostUsed, "packets-for-index", {kTunEnqueued}, {}, "packets"},
      {kIrqfdWoken, "calls-for-signals", {kVhostBatches}, {}, "vhost's calls, not wake-ups"},
      {kIrqfdWoken, "index-for-signals", {kVhostUsed}, {}, "the advance of the used index"},
      {kIrqfdWoken, "slow-path-twice", {kIrqfdWoken, kKvmSlowpath}, {}, "the slow path's level 0"},
      {kKvmInjected, "calls-for-signals", {kVhostBatches}, {}, "vhost's calls, not injections"},
      {kKvmInjected, "index-for-signals", {kVhostUsed}, {}, "the advance of the used index"},
      {kKvmInjected, "slow-path-twice", {kKvmInjected, kKvmSlowpath}, {}, "level 1 and level 0"},
      {kKvmInjected, "taken-for-injected", {kKvmTaken}, {}, "what the vCPU took, repeats included"},
      {kKvmInjected, "merged-left-out", {kKvmInjected}, {kKvmMerged}, "without merged ones"},
      {kKvmInjected, "rejected-included", {kKvmInjected, kKvmRejected}, {}, "with rejected ones"},
      {kKvmSlowpath, "slow-path-twice", {kKvmSlowpath, kKvmSlowpath}, {}, "level 1 and level 0"},
      {kGuestIrq, "handled-for-irq", {kGuestHandled}, {}, "only those that found work"},
      {kGuestIrq, "none-for-irq", {kGuestNone}, {}, "only those that found no work"},
      {kGuestIrq, "calls-for-kernel-count", {kGuestProcIrq}, {}, "/proc/interrupts"},
      {kGuestIrq, "packets-for-irq", {kGuestPackets}, {}, "packets"},
      {kGuestIrq, "index-for-irq", {kGuestUsed}, {}, "the advance of last_used_idx"},
      {kGuestIrq, "index-for-irq", {kVhostUsed}, {}, "the advance of the used index"},
      {kGuestIrq, "polls-for-irq", kPolls, {}, "polls, busy ones included"},
      {kGuestIrq, "polls-for-irq", {kGuestNapiSoftirq}, {}, "polls from net_rx_action"},
      {kGuestIrq, "merged-included", {kKvmInjected}, {}, "injections, merged ones included"},
      {kGuestIrq, "calls-for-signals", {kVhostBatches}, {}, "vhost's calls"},
      {kGuestProcIrq, "handled-for-irq", {kGuestHandled}, {}, "only those that found work"},
      {kGuestProcIrq, "packets-for-irq", {kGuestPackets}, {}, "packets"},
      {kGuestProcIrq, "index-for-irq", {kGuestUsed}, {}, "the advance of last_used_idx"},
      {kGuestProcIrq, "calls-for-kernel-count", {kGuestIrq}, {}, "runs of the handler"},
      {kGuestHandled, "empty-included", {kGuestIrq}, {}, "those without work, too"},
      {kGuestHandled, "none-for-handled", {kGuestNone}, {}, "those without work"},
      {kGuestHandled, "polls-for-handled", {kGuestNapiSoftirq}, {}, "polls from net_rx_action"},
      {kGuestHandled, "packets-for-irq", {kGuestPackets}, {}, "packets"},
      {kGuestNone, "handled-for-none", {kGuestHandled}, {}, "those with work"},
      {kGuestNone, "polls-taken-off", {kGuestIrq}, {kGuestNapiSoftirq}, "interrupts less polls"},
      {kGuestNone, "index-taken-off", {kGuestIrq}, {kGuestUsed}, "interrupts less used entries"},
      {kGuestUsed, "packets-for-index", {kGuestPackets}, {}, "packets"},
      {kGuestUsed, "irq-for-index", {kGuestIrq}, {}, "interrupts"},
      {kGuestPackets, "index-for-packets", {kGuestUsed}, {}, "used entries"},
      {kGuestPackets, "busy-left-out", {kGuestPackets}, {kGuestPacketsBusy}, "without busy polls"},
      {kGuestPackets, "irq-for-packets", {kGuestIrq}, {}, "interrupts"},
      {kGuestNapiSoftirq, "busy-included", kPolls, {}, "busy polls, too"},
      {kGuestNapiSoftirq, "irq-for-polls", {kGuestIrq}, {}, "interrupts"},
      {kTunOffered, "dropped-left-out", {kTunEnqueued}, {}, "without those dropped"},
      {kTunEnqueued, "dropped-included", {kTunOffered}, {}, "with those dropped"},
      {kTunEnqueued, "index-for-packets", {kVhostUsed}, {}, "used entries"},
      {kTunDropped, "offered-for-dropped", {kTunOffered}, {}, "all that were offered"},
  };
  return kAll;
}

// Polls of all kinds are claimed as their sum.
const std::vector<Confusion>& PollConfusions() {
  static const std::vector<Confusion> kAll = {
      {kGuestNapiSoftirq, "busy-left-out", {kGuestNapiSoftirq}, {}, "polls from net_rx_action"},
      {kGuestNapiSoftirq, "irq-for-polls", {kGuestHandled}, {}, "interrupts with work"},
      {kGuestNapiSoftirq, "irq-for-polls", {kGuestIrq}, {}, "interrupts"},
      {kGuestNapiSoftirq, "packets-for-polls", {kGuestPackets}, {}, "packets"},
  };
  return kAll;
}

class Maker {
 public:
  Maker(const MeasuredClaim& entry, const std::vector<MeasuredClaim>& claims, ClaimMeasure* measure)
      : entry_(entry),
        claim_(entry.judged->claim),
        counts_(claim_.subject.counts),
        claims_(claims),
        measure_(*measure) {}

  std::vector<Hypothesis> Make() {
    OtherWindows();
    OtherCounts();
    if (entry_.queues.pairs.size() == 1 && !entry_.queues.open) {
      OtherQueues();
      OtherHooks();
      SinceBoot();
    }
    Arithmetic();
    return std::move(made_);
  }

 private:
  void Add(const char* id, std::string text, const Measured& value) {
    const bool open = (value.by_time && !value.by_time->hi) || !value.by_time;
    if (open) return;
    // What cannot be told from the truth explains nothing.
    const auto& truth = entry_.measured.by_time;
    if (truth && *truth == *value.by_time && !value.by_cut) return;
    text += ": " + Words(*value.by_time);
    made_.push_back({id, std::move(text), value});
  }

  Measured Of(const QueueSet& queues) { return measure_.Of(queues, counts_, claim_.window); }

  void OtherWindows() {
    std::set<ClaimWindow> seen = {claim_.window};
    for (const MeasuredClaim& other : claims_) {
      const Claim& claim = other.judged->claim;
      if (claim.source != claim_.source || !seen.insert(claim.window).second) continue;
      Add("other-window",
          "the window that the source states in " + claim.file + ":" + std::to_string(claim.line),
          measure_.Of(entry_.queues, counts_, claim.window));
    }
  }

  void OtherCounts() {
    const bool polls = counts_.size() > 1 && counts_.front() == kGuestNapiSoftirq;
    if (counts_.size() != 1 && !polls) return;
    for (const Confusion& confusion : polls ? PollConfusions() : Confusions()) {
      if (confusion.claimed != counts_.front()) continue;
      Measured value = measure_.Of(entry_.queues, confusion.plus, claim_.window);
      if (!confusion.minus.empty()) {
        value = Sum(value, measure_.Of(entry_.queues, confusion.minus, claim_.window), -1);
      }
      Add(confusion.id,
          "counted " + std::string(confusion.text) + " (" + SubjectName({confusion.plus, {}}) +
              (confusion.minus.empty() ? "" : " - " + SubjectName({confusion.minus, {}})) + ")",
          value);
    }
  }

  // Queues of the same device: the pair's other direction, sums, and each of the others.
  void OtherQueues() {
    const size_t own = entry_.queues.pairs.front();
    const std::string name = measure_.ShortName(own);
    const bool rx = name.starts_with("rx");
    if (!rx && !name.starts_with("tx")) return;
    const auto other = measure_.Sibling(own, (rx ? "tx" : "rx") + name.substr(2));
    if (other) {
      Add("tx-for-rx", "counted the other direction, " + measure_.NameOf(*other), Of({{*other}}));
      Add("queues-summed", "rx and tx added up", Of({{own, *other}}));
    }
    QueueSet same, all;
    for (const size_t queue : measure_.SameDevice(own)) {
      all.pairs.push_back(queue);
      if (measure_.ShortName(queue).starts_with(rx ? "rx" : "tx")) same.pairs.push_back(queue);
    }
    if (same.pairs.size() > 1) {
      Add("queues-summed", std::string("all ") + (rx ? "rx" : "tx") + " queues of the device",
          Of(same));
      if (all.pairs.size() > same.pairs.size()) {
        Add("queues-summed", "all queues of the device", Of(all));
      }
    }
    for (const size_t queue : same.pairs) {
      if (queue != own) Add("other-queue", "counted " + measure_.NameOf(queue), Of({{queue}}));
    }
  }

  void OtherHooks() {
    if (counts_.size() != 1) return;
    const size_t pair = entry_.queues.pairs.front();
    for (const auto& [rung, growth] : measure_.ByOtherHooks(pair, counts_.front(), claim_.window)) {
      Add("hook-misses", "what a " + rung + " hook saw here", {growth, {}, rung});
    }
  }

  void SinceBoot() {
    if (counts_ != std::vector{kGuestIrq} && counts_ != std::vector{kGuestProcIrq}) return;
    const auto total = measure_.AtEnd(entry_.queues.pairs.front(), kGuestProcIrq, claim_.window);
    if (total) Add("since-boot", "the kernel's count since it booted", {*total, {}, "procfs"});
  }

  void Arithmetic() {
    const Measured& own = entry_.measured;
    Add("twice", "counted at entry and at exit", Scaled(own, 2));
    const int64_t ms = measure_.LengthMs(claim_.window);
    if (ms > 1000) Add("per-second", "a rate per second", Scaled(own, 1000, ms));
    const bool index = counts_ == std::vector{kVhostUsed} || counts_ == std::vector{kGuestUsed};
    if (!index || !own.by_time || !own.by_time->hi || own.by_time->lo < 65'536) return;
    const Interval low{own.by_time->lo % 65'536, *own.by_time->hi % 65'536};
    if (low.lo <= *low.hi) Add("index-wrapped", "the 16-bit index's difference", {low, {}, {}});
  }

  const MeasuredClaim& entry_;
  const Claim& claim_;
  const std::vector<Count>& counts_;
  const std::vector<MeasuredClaim>& claims_;
  ClaimMeasure& measure_;
  std::vector<Hypothesis> made_;
};

}  // namespace

std::vector<Hypothesis> KnownMistakes(const MeasuredClaim& entry,
                                      const std::vector<MeasuredClaim>& claims,
                                      ClaimMeasure* measure) {
  return Maker(entry, claims, measure).Make();
}

}  // namespace ringside
