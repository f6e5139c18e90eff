// SPDX-License-Identifier: Apache-2.0
// Faults of the host: backend, eventfd, KVM, VMM, scheduler.
#include "tests/sim/faults.h"

#include <algorithm>

#include "tests/sim/scenario.h"

namespace ringside::sim {
namespace {

// The worker takes longer per packet than packets come: the tap's ring overflows, the guest keeps
// up with all it gets.
void SlowWorker(Random& random, const Site& site, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kBursts, .rate_hz = random.Real(40'000, 80'000)};
  flow.burst = 32;
  FlowAt(site, spec) = flow;
  AddAct(site, Act::kSlowCopy, random.Between(100, 500) * kMsNs, random.Real(60, 120), 0, spec);
}

// A short ring (txqueuelen) and bursts longer than it.
void ShortRing(Random& random, const Site& site, RunSpec* spec) {
  VmAt(site, spec).pairs[site.pair].tap_ring = static_cast<uint32_t>(random.Between(8, 30));
  Flow flow{.pattern = Pattern::kBursts, .rate_hz = random.Real(5000, 40'000)};
  flow.burst = static_cast<int>(random.Between(64, 128));
  FlowAt(site, spec) = flow;
}

// The backend reads the guest's wish before it publishes: within some thousand batches one arming
// falls in between, and with EVENT_IDX the queue stands still.
void Reordered(Random& random, const Site& site, RunSpec* spec) {
  VmAt(site, spec).event_idx = true;
  FlowAt(site, spec) = {.pattern = Pattern::kBursts, .rate_hz = random.Real(15'000, 30'000)};
  AddAct(site, Act::kReorder, random.Between(200, 800) * kMsNs, 0, random.Between(3000, 8000),
         spec);
}

void EmptySignals(Random& random, const Site& site, RunSpec* spec) {
  FlowAt(site, spec) = SteadyFlow(random.Real(1000, 10'000));
  AddAct(site, Act::kEmptySignals, random.Between(0, 600) * kMsNs, random.Real(0.05, 0.6), 0, spec);
}

// At least some dozen more than were injected.
void Duplicates(Random& random, const Site& site, RunSpec* spec) {
  FlowAt(site, spec) = SteadyFlow(random.Real(2000, 12'000));
  AddAct(site, Act::kDuplicate, random.Between(0, 600) * kMsNs, random.Real(0.02, 0.3), 0, spec);
}

// event_idx off: the next batch signals again, so that traffic goes on; dozens are lost.
void Lost(Random& random, const Site& site, RunSpec* spec) {
  VmAt(site, spec).event_idx = false;
  FlowAt(site, spec) = SteadyFlow(random.Real(3000, 15'000));
  AddAct(site, Act::kLose, random.Between(0, 600) * kMsNs, random.Real(0.02, 0.2), 0, spec);
}

// A process beside the backend writes, thousands of times a second.
void Injector(Random& random, const Site& site, RunSpec* spec) {
  FlowAt(site, spec) = SteadyFlow(random.Real(500, 5000));
  AddAct(site, Act::kWrite, random.Between(100, 600) * kMsNs, random.Real(500, 6000), 0, spec);
}

// The same where the guest busy-polls, on a kernel without the defect: the interrupts that find
// nothing are the writer's.
void InjectorBesidePoller(Random& random, const Site& site, RunSpec* spec) {
  spec->vms[site.vm].kernel = GuestKernel::k61;
  spec->vms[site.vm].event_idx = true;
  FlowAt(site, spec) = PollerFlow(random.Real(500, 3000), random.Between(1000, 3000) * kUsNs,
                                  random.Between(3, 30) * kUsNs);
  AddAct(site, Act::kWrite, random.Between(100, 300) * kMsNs, random.Real(3000, 6000), 0, spec);
}

// The first on a queue without traffic, until the kernel switches the interrupt off; then packets
// come and nobody takes them.
void InjectorDisables(Random& random, const Site& site, RunSpec* spec) {
  Flow flow = SteadyFlow(random.Real(500, 4000));
  const double rate = random.Real(20'000, 26'000);
  const int64_t trips_ns = static_cast<int64_t>(2.05e14 / rate);
  flow.from_ns = trips_ns + 700 * kMsNs;
  FlowAt(site, spec) = flow;
  spec->duration_ns = trips_ns + 3 * kSecNs;
  const int64_t for_ns = random.Chance(0.5) ? trips_ns + 200 * kMsNs : 0;
  AddAct(site, Act::kWrite, 100 * kMsNs, rate, for_ns, spec);
}

// The guest moves its interrupt, the VMM keeps the old route: nothing arrives any more.
void StaleRoute(Random& random, const Site& site, RunSpec* spec) {
  FlowAt(site, spec) = SteadyFlow(random.Real(500, 8000));
  spec->duration_ns = std::max<int64_t>(spec->duration_ns, 3 * kSecNs);
  const int vcpu = VmAt(site, spec).pairs[site.pair].irq_vcpu + 1;
  AddAct(site, Act::kStaleRoute, random.Between(400, 1000) * kMsNs, vcpu, 0, spec);
}

// The guest sends in bursts beyond its socket's buffer and hears nothing of what was sent: it
// stands still until a received packet's poll cleans up by accident.
void NoTxSignal(Random& random, const Site& site, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kPings, .rate_hz = random.Real(5, 50)};
  flow.send_hz = random.Real(2000, 8000);
  flow.send_burst = static_cast<int>(random.Between(100, 200));
  FlowAt(site, spec) = flow;
  AddAct(site, Act::kNoTxSignal, 0, 0, 0, spec);
}

// Long enough that the pause is seen, and packets come meanwhile: their interrupt is pending at the
// end, and forgotten. With EVENT_IDX that is the end of the queue.
void PauseLose(Random& random, const Site& site, RunSpec* spec) {
  VmAt(site, spec).event_idx = true;
  FlowAt(site, spec) = SteadyFlow(random.Real(500, 4000));
  AddAct(site, Act::kPauseLose, random.Between(400, 1000) * kMsNs, 0,
         random.Between(250, 500) * kMsNs, spec);
}

// Each wake-up waits milliseconds for a CPU, about as long as the vCPU then runs.
void LateVcpu(Random& random, const Site& site, RunSpec* spec) {
  VmSpec& vm = VmAt(site, spec);
  vm.delays.wait_ns = random.Between(2, 8) * kMsNs;
  vm.delays.slice_ns = random.Between(1, 3) * kMsNs;
  FlowAt(site, spec) = SteadyFlow(random.Real(500, 4000));
}

void SlowPath(Random& random, const Site& site, RunSpec* spec) {
  FlowAt(site, spec) = SteadyFlow(random.Real(1000, 10'000));
  AddAct(site, Act::kSlow, random.Between(0, 500) * kMsNs, random.Real(0.3, 1), 0, spec);
}

constexpr Fault kHostFaults[] = {
    {"tun-ring-full", "the vhost worker is slower than its packets", "tun-ring-full", false, false,
     "guest", SlowWorker},
    {"short-tap-ring", "bursts longer than the tap's ring", "tun-ring-full", false, true, "guest",
     ShortRing},
    {"reordered-backend", "the backend reads the guest's wish before it publishes",
     "suppressed-stall", false, true, "guest", Reordered},
    {"empty-signal", "the backend signals without work", "empty-signal", false, false, "guest kvm",
     EmptySignals},
    {"duplicate-injection", "some interrupts arrive twice", "duplicate-injection", false, false,
     "guest merged kvm positions hook-misses", Duplicates},
    {"lost-interrupt", "some injections never become pending", "lost-interrupt", false, true,
     "guest merged kvm positions hook-misses", Lost},
    {"external-injector", "a process writes to the queue's eventfd", "external-injector", false,
     false, "guest kvm", Injector},
    {"injector-beside-poller", "the same, and the guest busy-polls", "external-injector", false,
     true, "guest kvm", InjectorBesidePoller},
    {"irq-disabled-by-writer", "a writer, until the kernel disables the interrupt",
     "external-injector", false, true, "guest", InjectorDisables},
    {"stale-route", "the VMM does not follow a moved interrupt", "stale-route", false, false,
     "guest kvm", StaleRoute},
    {"no-tx-signal", "used transmit entries are never signalled", "no-tx-signal", true, false,
     "guest", NoTxSignal},
    {"lost-across-pause", "what was pending during a pause is forgotten", "lost-across-pause",
     false, true, "guest", PauseLose},
    {"late-vcpu", "the vCPUs wait for a CPU", "late-vcpu", false, true, "vcpu", LateVcpu},
    {"slow-path-injection", "injections by way of the workqueue", "slow-path-injection", false,
     false, "kvm", SlowPath},
};

}  // namespace

std::span<const Fault> HostFaults() { return kHostFaults; }

}  // namespace ringside::sim
