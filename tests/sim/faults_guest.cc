// SPDX-License-Identifier: Apache-2.0
// Faults of the guest: its kernel, its driver, its CPUs.
#include "tests/sim/faults.h"

#include <algorithm>

#include "tests/sim/scenario.h"

namespace ringside::sim {
namespace {

// Packets come slower than the poller's patience: nearly all go through busy polls, and each is
// followed by an interrupt that finds nothing.
void BusyPollSpurious(Random& random, const Site& site, RunSpec* spec) {
  VmSpec& vm = VmAt(site, spec);
  vm.kernel = GuestKernel::k510;
  vm.event_idx = true;
  const double rate = random.Real(600, 6000);
  Flow& flow = FlowAt(site, spec);
  const int other = flow.poller.vcpu;
  const int64_t gap_ns = static_cast<int64_t>(1e9 / rate);
  flow = PollerFlow(rate, std::max<int64_t>(2 * kMsNs, 3 * gap_ns), 5000);
  flow.poller.app_ns = random.Between(2, 15) * kUsNs;
  flow.answer = random.Chance(0.4) ? 1 : 0;
  flow.poller.vcpu = other;
}

// A poller that never leaves the device alone takes every packet before its interrupt.
void DedicatedPoller(const Site& site, double rate, GuestKernel kernel, RunSpec* spec) {
  VmSpec& vm = VmAt(site, spec);
  vm.kernel = kernel;
  vm.event_idx = true;
  Flow& flow = FlowAt(site, spec);
  const int other = flow.poller.vcpu;
  flow = PollerFlow(rate, 2 * kMsNs, 3000);
  flow.poller.dedicated = true;
  flow.poller.vcpu = other;
}

// More than 99,900 of 100,000 find nothing: the kernel's limit is reached within the run.
void DisabledByPolling(Random& random, const Site& site, RunSpec* spec) {
  DedicatedPoller(site, random.Real(18'000, 24'000), GuestKernel::k510, spec);
  spec->duration_ns = 8 * kSecNs;
}

// Interrupts enough for the rule's window, a good part of them with work: the limit is far, and the
// kernel leaves the interrupt alone.
void BusyPollHard(Random& random, const Site& site, RunSpec* spec) {
  VmAt(site, spec).kernel = GuestKernel::k510;
  VmAt(site, spec).event_idx = true;
  Flow& flow = FlowAt(site, spec);
  const int other = flow.poller.vcpu;
  flow = PollerFlow(random.Real(19'000, 24'000), 2 * kMsNs, random.Between(8, 14) * kUsNs);
  flow.poller.vcpu = other;
  spec->duration_ns = 7 * kSecNs;
}

// The same on its way: 50 to 90% of the limit at the end, every interrupt of it without work.
void StormRisk(Random& random, const Site& site, RunSpec* spec) {
  DedicatedPoller(site, random.Real(18'000, 24'000), GuestKernel::k510, spec);
  spec->duration_ns = 3500 * kMsNs;
}

// It happened before anybody looked: no interrupts at all while packets come.
void Disabled(Random& random, const Site& site, RunSpec* spec) {
  FlowAt(site, spec) = SteadyFlow(random.Real(300, 5000));
  AddAct(site, Act::kDisabled, 0, 0, 0, spec);
}

void DisabledDrained(Random& random, const Site& site, RunSpec* spec) {
  DedicatedPoller(site, random.Real(500, 8000),
                  random.Chance(0.5) ? GuestKernel::k510 : GuestKernel::k61, spec);
  AddAct(site, Act::kDisabled, 0, 0, 0, spec);
}

// The driver stops polling while nothing comes; when packets come again their interrupt is taken
// and nobody polls. (Without the silence nobody could tell it from a signal that was never sent.)
void DeadQueue(Random& random, const Site& site, RunSpec* spec) {
  Flow flow = SteadyFlow(random.Real(500, 8000));
  const int64_t stop_ns = random.Between(500, 1000) * kMsNs;
  flow.silent_from_ns = stop_ns - 250 * kMsNs;
  flow.silent_to_ns = stop_ns + 50 * kMsNs;
  FlowAt(site, spec) = flow;
  AddAct(site, Act::kStopPolling, stop_ns, 0, 0, spec);
}

// The look after arming misses entries often enough to stop within a fraction of a second: with
// EVENT_IDX nothing ever wakes the queue again.
void StaleRecheck(Random& random, const Site& site, RunSpec* spec) {
  VmAt(site, spec).event_idx = true;
  VmAt(site, spec).delays.empty_ns = random.Between(600, 1500);
  FlowAt(site, spec) = {.pattern = Pattern::kBursts, .rate_hz = random.Real(20'000, 40'000)};
  AddAct(site, Act::kStaleRecheck, random.Between(200, 800) * kMsNs, random.Real(0.5, 1), 0, spec);
}

// Interrupts are off for longer than several packet gaps, again and again, and the host has to
// signal each batch (event_idx off): most injections find one pending.
void Merging(Random& random, const Site& site, RunSpec* spec) {
  VmAt(site, spec).event_idx = false;
  FlowAt(site, spec) = SteadyFlow(random.Real(10'000, 25'000));
  const int64_t hold_ns = random.Between(300, 900) * kUsNs;
  AddAct(site, Act::kIrqOff, 0, 1.1e-9 * static_cast<double>(hold_ns), hold_ns, spec);
}

// Bursts longer than the budget, and packets that take long: every burst ends in a squeeze.
void Squeeze(Random& random, const Site& site, RunSpec* spec) {
  VmSpec& vm = VmAt(site, spec);
  Flow flow{.pattern = Pattern::kBursts, .rate_hz = random.Real(20'000, 30'000)};
  flow.burst = static_cast<int>(random.Between(600, 800));
  FlowAt(site, spec) = flow;
  vm.delays.packet_ns = random.Between(10, 20) * kUsNs;
  vm.delays.copy_ns = 400;
  vm.tap_ring = 4000;
}

constexpr Fault kGuestFaults[] = {
    {"busy-poll-spurious", "a busy poller takes what interrupts come for (5.10, EVENT_IDX)",
     "busy-poll-spurious", false, true, "guest", BusyPollSpurious},
    {"irq-disabled-by-polling", "busy polling alone drives the kernel's rule over its limit",
     "busy-poll-spurious", false, true, "guest", DisabledByPolling},
    {"busy-poll-hard", "the same over more than a window of the kernel's rule",
     "busy-poll-spurious", false, true, "guest", BusyPollHard},
    {"irq-storm-risk", "busy polling on its way to the limit", "busy-poll-spurious", false, true,
     "guest", StormRisk},
    {"irq-disabled", "the interrupt was switched off before the recording", "irq-disabled", false,
     false, "guest", Disabled},
    {"irq-disabled-drained", "the same, and busy polling still drains the queue",
     "irq-disabled-drained", false, true, "guest", DisabledDrained},
    {"dead-queue", "the guest's driver stops polling", "dead-queue", false, false, "guest",
     DeadQueue},
    {"missed-wakeup", "the guest's look after arming misses entries", "suppressed-stall", false,
     true, "guest", StaleRecheck},
    {"interrupt-merging", "interrupts off for long stretches", "interrupt-merging", false, true,
     "guest merged kvm", Merging},
    {"softirq-squeeze", "bursts beyond the softirq budget", "softirq-squeeze", false, true,
     "softnet", Squeeze},
};

}  // namespace

std::span<const Fault> GuestFaults() { return kGuestFaults; }

}  // namespace ringside::sim
