// SPDX-License-Identifier: Apache-2.0
// What concerns a VM or a node, not one queue.
#include <algorithm>
#include <charconv>
#include <map>

#include "correlate/causes/causes.h"
#include "correlate/words.h"

namespace ringside {
namespace {

// The longest stretch of at least three steps in which the vCPU waited longer than it ran, and for
// a tenth of the time at least: an idle vCPU waits for nothing.
std::optional<SnapshotRange> LateRun(const Side& vcpu) {
  return LongestStretch(vcpu.range(), 3, [&](size_t i) {
    const auto ran = vcpu.Growth(Count::kVcpuRunUs, {i, i + 1});
    const auto waited = vcpu.Growth(Count::kVcpuDelayUs, {i, i + 1});
    const int64_t step_us = (vcpu.End(i + 1).mid_ns() - vcpu.Begin(i).mid_ns()) / 1000;
    return ran && ran->hi && waited && waited->lo > *ran->hi &&
           ProductExceeds(waited->lo, 10, step_us, 1);
  });
}

int64_t Budget(const Stream& stream) {
  int64_t budget = 300;  // the kernel's default of net.core.netdev_budget
  for (const Fact& fact : stream.facts) {
    if (fact.name != "net.core.netdev_budget") continue;
    std::from_chars(fact.value.data(), fact.value.data() + fact.value.size(), budget);
  }
  return std::clamp<int64_t>(budget, 1, 1'000'000);
}

std::string Micros(int64_t us) { return Seconds(std::min(us, INT64_MAX / 1000) * 1000); }

Finding OfNode(Cause cause, std::string name, int64_t since_ns) {
  Finding finding{.cause = cause, .queue = std::move(name)};
  finding.certainty = Certainty::kHigh;
  finding.since_ns = since_ns;
  return finding;
}

// What one stream says it lost in the window, one sentence each.
std::vector<Statement> Losses(const NodeStream& node, const Window& window) {
  const Stream& stream = *node.stream;
  std::vector<Statement> losses;
  if (stream.missing_numbers > 0) {
    losses.push_back(
        {Number(static_cast<int64_t>(stream.missing_numbers)) + " records never arrived", {}});
  }
  for (const Gap& gap : stream.gaps) losses.push_back({gap.what, {}});
  int64_t holes = 0;
  for (size_t i = 1; i < stream.snapshots.size(); ++i) {
    const Snapshot& snapshot = stream.snapshots[i];
    const uint64_t expected = stream.snapshots[i - 1].sequence + 1 + snapshot.folded;
    if (snapshot.sequence > expected) holes += static_cast<int64_t>(snapshot.sequence - expected);
  }
  if (holes > 0) losses.push_back({Number(holes) + " snapshots never arrived", {}});
  const auto range = RangeOf(node, window.from_ns, window.to_ns);
  if (!range) return losses;
  for (const HookInfo& hook : stream.hello.hooks) {
    const auto sample = node.series.HookAt(hook.id, range->last);
    if (!sample) continue;
    // An agent's first snapshot has everything since it came.
    HookSample before;
    if (stream.snapshots[range->first].sequence > 1) {
      before = node.series.HookAt(hook.id, range->first).value_or(*sample);
    }
    const auto say = [&](uint64_t now, uint64_t then, const char* what) {
      if (now <= then) return;
      losses.push_back({hook.program + ": " + Number(static_cast<int64_t>(now - then)) + " " + what,
                        {hook.program}});
    };
    say(sample->dropped, before.dropped, "marks or details found the ring full");
    say(sample->unplaced, before.unplaced, "hits found no room for their queue");
    say(sample->misses.value_or(0), before.misses.value_or(0), "hits the kernel skipped");
  }
  return losses;
}

// What people call the VM: its guest's node where one is bound to it, else the host's device.
std::string VmName(const Joined& joined, const LocalQueue& vcpu) {
  for (const QueuePair& pair : joined.pairs()) {
    if (pair.host == nullptr || pair.guest == nullptr) continue;
    if (!vcpu.info.vm_id.empty() && pair.host->info.vm_id == vcpu.info.vm_id) {
      return pair.guest->node->name;
    }
  }
  return vcpu.node->name + "/" + vcpu.info.device;
}

// The finding of a VM with one late vCPU; further ones add their evidence to it.
Finding LateVm(const LocalQueue& queue, const Side& vcpu, const SnapshotRange& run,
               const std::string& vm) {
  Finding finding =
      OfNode(Cause::kLateVcpu, vm + "/" + queue.info.queue, vcpu.Begin(run.first).mid_ns());
  finding.host_queue = queue.Name();
  finding.until_ns = vcpu.UntilNs(run);
  const int64_t span_us = (vcpu.End(run.last).mid_ns() - vcpu.Begin(run.first).mid_ns()) / 1000;
  finding.title =
      "a vCPU waited for a CPU " + Percent(vcpu.Growth(Count::kVcpuDelayUs, run)->lo, span_us) +
      " of the time, and ran " + Percent(vcpu.Growth(Count::kVcpuRunUs, run)->lo, span_us);
  finding.because =
      "other work on the host takes its CPU; interrupts reach the guest late,"
      " though every count may look healthy";
  finding.missing.push_back("how late single interrupts were (needs events of both sides)");
  finding.would_refute = "the same latency with the vCPU alone on its CPU";
  finding.next.push_back({vcpu.node().name, "ps -eLo psr,pcpu,comm --sort=-pcpu | head",
                          "shows who runs on the vCPU's CPU"});
  finding.next.push_back({vcpu.node().name,
                          "taskset -cap CPUS " + std::to_string(queue.info.owner_pid),
                          "gives the VMM's threads CPUs of their own"});
  return finding;
}

}  // namespace

std::vector<Finding> LateVcpus(const Joined& joined, const Window& window) {
  std::map<std::string, Finding> by_vm;
  for (const LocalQueue& queue : joined.others()) {
    const Side vcpu(queue.info.kind == QueueKind::kVcpu ? &queue : nullptr, window.from_ns,
                    window.to_ns);
    const auto run = vcpu ? LateRun(vcpu) : std::nullopt;
    if (!run) continue;
    const std::string vm = VmName(joined, queue);
    const auto known = by_vm.find(vm);
    Finding& finding =
        known != by_vm.end() ? known->second : by_vm[vm] = LateVm(queue, vcpu, *run, vm);
    const int64_t span_ns = vcpu.End(run->last).mid_ns() - vcpu.Begin(run->first).mid_ns();
    finding.evidence.push_back(
        {queue.info.queue + ": run delay " + Micros(vcpu.Growth(Count::kVcpuDelayUs, *run)->lo) +
             ", run time " + Micros(vcpu.Growth(Count::kVcpuRunUs, *run)->lo) + " in " +
             Seconds(span_ns),
         {vcpu.HookOf(Count::kVcpuDelayUs)}});
  }
  std::vector<Finding> findings;
  for (auto& [vm, finding] : by_vm) findings.push_back(std::move(finding));
  return findings;
}

namespace {

// The longest stretch of at least three steps, each with squeezes, ten at least (fewer are an
// accident of one moment), that may have held one packet in twenty: each squeeze ends a run of at
// most `budget` packets.
std::optional<SnapshotRange> SqueezedRun(const Side& cpu, int64_t budget) {
  constexpr int64_t kFew = 10;
  const auto best = LongestStretch(cpu.range(), 3, [&](size_t i) {
    return Or0(cpu.Growth(Count::kSoftnetSqueezed, {i, i + 1})).lo > 0;
  });
  if (!best) return std::nullopt;
  const auto squeezed = cpu.Growth(Count::kSoftnetSqueezed, *best);
  const auto processed = cpu.Growth(Count::kSoftnetProcessed, *best);
  if (squeezed->lo < kFew || !processed || !processed->hi) return std::nullopt;
  if (!ProductExceeds(squeezed->lo, 20 * budget, *processed->hi, 1)) return std::nullopt;
  return best;
}

// Receive queues of the squeezed guest in which, at one reading in ten or more of the stretch, the
// backend had put something into every buffer that the guest had given: to it the ring is full.
std::vector<Statement> FullRings(const Joined& joined, const Side& cpu, const SnapshotRange& run) {
  std::vector<Statement> rings;
  const AxisTime from = cpu.Begin(run.first), to = cpu.End(run.last);
  for (const QueuePair& pair : joined.pairs()) {
    if (pair.guest == nullptr || pair.guest->node != &cpu.node()) continue;
    if (!pair.guest->info.queue.starts_with("rx")) continue;
    const Side guest(pair.guest, from.lo_ns, to.hi_ns);
    if (!guest) continue;
    int64_t readings = 0, full = 0;
    for (size_t i = guest.range().first; i <= guest.range().last; ++i) {
      const auto given = guest.At(Gauge::kAvail, i);
      const auto used = guest.At(Gauge::kUsed, i);
      if (!given || !used) continue;
      ++readings;
      full += static_cast<uint16_t>(*given) == static_cast<uint16_t>(*used) && *used != 0 ? 1 : 0;
    }
    if (full == 0 || full * 10 < readings) continue;
    const std::string host = pair.host == nullptr ? "its backend" : pair.host->Name();
    rings.push_back({pair.guest->Name() + ": at " + Number(full) + " of " + Number(readings) +
                         " readings every buffer given was used: " + host +
                         " found its ring full and had to drop or wait",
                     {"ring.avail", "ring.used"}});
  }
  return rings;
}

}  // namespace

std::vector<Finding> SoftirqSqueezes(const Joined& joined, const Window& window) {
  std::vector<Finding> findings;
  for (const LocalQueue& queue : joined.others()) {
    const Side cpu(queue.info.kind == QueueKind::kCpu ? &queue : nullptr, window.from_ns,
                   window.to_ns);
    if (!cpu) continue;
    const int64_t budget = Budget(cpu.stream());
    const auto run = SqueezedRun(cpu, budget);
    if (!run) continue;
    Finding finding = OfNode(Cause::kSoftirqSqueeze, queue.Name(), cpu.Begin(run->first).mid_ns());
    finding.until_ns = cpu.UntilNs(*run);
    const Interval squeezed = *cpu.Growth(Count::kSoftnetSqueezed, *run);
    const Interval processed = *cpu.Growth(Count::kSoftnetProcessed, *run);
    finding.title = "net_rx_action ran out of its budget " + Words(squeezed) + " times";
    finding.because = "more packets wait than one softirq may take, or each takes too long";
    finding.evidence.push_back(
        {Words(squeezed) + " squeezes for " + Words(processed) + " packets; budget " +
             Number(budget),
         {cpu.HookOf(Count::kSoftnetSqueezed), cpu.HookOf(Count::kSoftnetProcessed)}});
    for (Statement& ring : FullRings(joined, cpu, *run)) {
      finding.evidence.push_back(std::move(ring));
    }
    finding.missing.push_back("how long net_rx_action runs (needs its duration histogram)");
    finding.danger = "the guest takes packets more slowly than they come; the host's ring fills";
    finding.would_refute = "the same drops without squeezes";
    finding.next.push_back({cpu.node().name, "sysctl -w net.core.netdev_budget=600",
                            "longer softirqs: other work on that CPU waits longer"});
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<Finding> DataLosses(const Joined& joined, const Window& window) {
  std::vector<Finding> findings;
  for (const NodeStream& node : joined.nodes()) {
    std::vector<Statement> losses = Losses(node, window);
    if (losses.empty()) continue;
    Finding finding = OfNode(Cause::kDataLoss, node.name, window.from_ns);
    finding.title = "this tool lost data of " + node.name;
    finding.because =
        "counters are cumulative, so counts stay right and their intervals allow for"
        " what was lost; what happened between is not known";
    finding.evidence = std::move(losses);
    finding.would_refute = "the same counts from a recording without losses";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace ringside
