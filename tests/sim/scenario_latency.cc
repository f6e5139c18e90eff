// SPDX-License-Identifier: Apache-2.0
// Runs with details of every packet: differing traffic, and whatever makes packets late or their
// records incomplete. Some thousand packets each.
#include "tests/sim/scenario.h"

namespace ringside::sim {
namespace {

// Both agents record details from the start on; half of the hosts tell their TSC offsets, so that
// times between nodes are known to a fraction of a microsecond.
void AddDetails(Random& random, RunSpec* spec, int64_t duration_ns = kSecNs) {
  spec->details = true;
  spec->duration_ns = duration_ns;
  AgentOptions host{.name = "host1", .machine = "machine-host1"};
  host.details.on = true;
  host.start_ns = random.Between(0, 60 * kMsNs);
  host.stop_ns = spec->duration_ns - random.Between(5, 30) * kMsNs;
  host.tsc = random.Chance(0.5);
  spec->host_agents.push_back(host);
  for (VmSpec& vm : spec->vms) {
    AgentOptions guest{.name = vm.name, .machine = "machine-" + vm.name};
    guest.details.on = true;
    guest.start_ns = random.Between(0, 60 * kMsNs);
    guest.stop_ns = spec->duration_ns - random.Between(5, 30) * kMsNs;
    spec->guest_agents.push_back(guest);
    vm.agent = false;  // not another one
  }
}

void One(Random& random, const Flow& flow, RunSpec* spec) {
  AddVm(random, {flow}, spec);
  AddDetails(random, spec);
}

Flow SmallFlow(Random& random) {
  Flow flow = SteadyFlow(random.Real(500, 5000));
  if (random.Chance(0.4)) {
    flow = {.pattern = Pattern::kBursts, .rate_hz = random.Real(1000, 6000)};
    flow.burst = static_cast<int>(random.Between(2, 40));
  }
  return flow;
}

void Steady(Random& random, RunSpec* spec) {
  One(random, SteadyFlow(random.Real(300, 6000)), spec);
}

// Faster than the guest's interrupts: many packets share one.
void Fast(Random& random, RunSpec* spec) {
  Flow flow = SteadyFlow(random.Real(30'000, 120'000));
  flow.to_ns = 150 * kMsNs;
  One(random, flow, spec);
}

void Bursts(Random& random, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kBursts, .rate_hz = random.Real(1000, 8000)};
  flow.burst = static_cast<int>(random.Between(2, 100));
  One(random, flow, spec);
}

// With rests between the packets: which packet an entry carries is known.
void Pings(Random& random, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kPings, .rate_hz = random.Real(5, 400), .answer = 1};
  One(random, flow, spec);
}

// Bursts with silences of tens of milliseconds.
void Rests(Random& random, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kBursts, .rate_hz = random.Real(200, 2000)};
  flow.burst = static_cast<int>(random.Between(10, 120));
  One(random, flow, spec);
  for (AgentOptions& host : spec->host_agents) host.interval_ns = random.Between(10, 40) * kMsNs;
}

void Tcp(Random& random, RunSpec* spec) {
  Flow flow = SmallFlow(random);
  flow.answer = 0.5;
  flow.send_hz = random.Real(100, 3000);
  flow.send_burst = static_cast<int>(random.Between(1, 60));
  One(random, flow, spec);
}

// Some packets are taken by interrupts, others by polls that nobody started by one: few or most.
void BusyPoll(Random& random, RunSpec* spec) {
  Flow flow = PollerFlow(random.Real(300, 1500), random.Between(20, 150) * kUsNs,
                         random.Between(3, 30) * kUsNs);
  if (random.Chance(0.5)) {
    flow.rate_hz = random.Real(3000, 8000);
    flow.poller.busy_ns = random.Between(100, 400) * kUsNs;
    flow.from_ns = 60 * kMsNs;
    flow.to_ns = 300 * kMsNs;
  }
  One(random, flow, spec);
}

void Threads(Random& random, RunSpec* spec) {
  One(random, SmallFlow(random), spec);
  spec->vms[0].pairs[0].napi_thread = true;
}

// Other threads want the CPUs of the vCPUs, too.
void Contended(Random& random, RunSpec* spec) {
  One(random, SmallFlow(random), spec);
  Delays& delays = spec->vms[0].delays;
  delays.slice_ns = random.Between(300, 4000) * kUsNs;
  delays.wait_ns = random.Between(100, 3000) * kUsNs;
  delays.wake_waits = random.Chance(0.7);
}

// As on arm64, where every injection may have to wait for a kworker, or now and then.
void SlowPath(Random& random, RunSpec* spec) {
  One(random, SmallFlow(random), spec);
  const double share = random.Chance(0.5) ? 1 : random.Real(0.05, 0.6);
  spec->events.push_back({.act = Act::kSlow, .at_ns = 0, .x = share});
}

// A worker that waits for its CPU with packets in its hands, and a guest with interrupts off.
void Late(Random& random, RunSpec* spec) {
  One(random, SmallFlow(random), spec);
  spec->events.push_back({.act = Act::kStarve,
                          .at_ns = 0,
                          .x = random.Real(0.01, 0.2),
                          .ns = random.Between(200, 8000) * kUsNs});
  if (random.Chance(0.5)) spec->events.push_back({.act = Act::kSlowCopy, .at_ns = 0, .x = 40});
  spec->events.push_back(
      {.act = Act::kIrqOff, .at_ns = 0, .x = 0.02, .ns = random.Between(100, 4000) * kUsNs});
}

void Paused(Random& random, RunSpec* spec) {
  One(random, SmallFlow(random), spec);
  spec->events.push_back({.act = Act::kPause,
                          .at_ns = random.Between(200, 700) * kMsNs,
                          .ns = random.Between(5, 60) * kMsNs});
}

void Moved(Random& random, RunSpec* spec) {
  One(random, SmallFlow(random), spec);
  for (int64_t at = 100; at < 900; at += random.Between(20, 300)) {
    spec->events.push_back({.act = Act::kAffinity,
                            .at_ns = at * kMsNs,
                            .x = static_cast<double>(random.Between(0, 3))});
  }
}

// Agents that come late, or are asked for details long after they began to count.
void Asked(Random& random, RunSpec* spec) {
  One(random, SmallFlow(random), spec);
  AgentOptions& host = spec->host_agents[0];
  AgentOptions& guest = spec->guest_agents[0];
  if (random.Chance(0.5)) guest.start_ns = random.Between(100, 400) * kMsNs;
  if (random.Chance(0.5)) host.start_ns = random.Between(100, 400) * kMsNs;
  if (random.Chance(0.5)) guest.details.from_ns = random.Between(200, 600) * kMsNs;
  if (random.Chance(0.5)) host.details.from_ns = random.Between(200, 600) * kMsNs;
  if (random.Chance(0.3)) host.woken_fentry_silent = true;
}

// Not asked for busy polls: which entries they took must not be guessed.
void Unasked(Random& random, RunSpec* spec) {
  BusyPoll(random, spec);
  spec->guest_agents[0].details.busy = false;
  spec->lossy = true;
}

// The rings are full at times: what is missing must not be guessed.
void Lossy(Random& random, RunSpec* spec) {
  const double dice = random.Unit();
  if (dice < 0.35) {
    BusyPoll(random, spec);
  } else if (dice < 0.65) {
    Contended(random, spec);
  } else if (dice < 0.8) {
    Rests(random, spec);
  } else {
    Tcp(random, spec);
  }
  spec->lossy = true;
  const auto lose = [&](AgentOptions* agent) {
    const bool long_ones = random.Chance(0.5);
    // Busy polls are a hundred times as many as all others.
    const double often = spec->vms[0].pairs[0].flow.poller.on ? 0.01 : 1;
    agent->details.full = often * (long_ones ? 0.002 : 0.03);
    agent->details.full_ns = long_ones ? random.Between(1, 20) * kMsNs : random.Between(0, 20'000);
  };
  if (random.Chance(0.7)) lose(&spec->host_agents[0]);
  if (random.Chance(0.7)) lose(&spec->guest_agents[0]);
}

// Two queues as in the quiet part of the lab's scenario `clocks`, with its delays (tests/sim/fit).
void Lab(Random& random, RunSpec* spec) {
  const Flow flow{.pattern = Pattern::kLab, .rate_hz = 1};
  AddVm(random, {flow, flow}, spec);
  VmSpec& vm = spec->vms[0];
  vm.kernel = GuestKernel::k61;
  vm.event_idx = true;
  vm.vcpus = 2;
  vm.delays.lab = &kLabSteps;
  AddDetails(random, spec, 8 * kSecNs);
  spec->host_agents[0].tsc = true;
}

}  // namespace

const std::vector<Scenario>& LatencyScenarios() {
  static const std::vector<Scenario> list = {
      {"latency-steady", Family::kHealthy, "details: packets one by one", Steady},
      {"latency-fast", Family::kHealthy, "details: more packets than interrupts", Fast},
      {"latency-bursts", Family::kHealthy, "details: bursts", Bursts},
      {"latency-pings", Family::kHealthy, "details: now and then a packet", Pings},
      {"latency-rests", Family::kHealthy, "details: bursts with rests between them", Rests},
      {"latency-tcp", Family::kHealthy, "details: both directions", Tcp},
      {"latency-busy-poll", Family::kHealthy, "details: a busy poller", BusyPoll},
      {"latency-threads", Family::kHealthy, "details: polls in a thread", Threads},
      {"latency-contended", Family::kHealthy, "details: vCPUs wait for CPUs", Contended},
      {"latency-slow-path", Family::kHealthy, "details: injections by workqueue", SlowPath},
      {"latency-late", Family::kHealthy, "details: late worker, interrupts off", Late},
      {"latency-paused", Family::kHealthy, "details: the VM stands still for a while", Paused},
      {"latency-moved", Family::kHealthy, "details: the interrupt moves", Moved},
      {"latency-lab", Family::kHealthy, "details: the lab's traffic and delays", Lab},
      {"latency-asked", Family::kHealthy, "details: asked for at different times", Asked},
      {"latency-unasked", Family::kHealthy, "details: of busy polls there are none", Unasked},
      {"latency-lossy", Family::kHealthy, "details: the rings are full at times", Lossy},
  };
  return list;
}

}  // namespace ringside::sim
