// SPDX-License-Identifier: Apache-2.0
// Healthy runs at every load, and every legitimate oddity.
#include "tests/sim/scenario.h"

namespace ringside::sim {
namespace {

void One(Random& random, Flow flow, RunSpec* spec) { AddVm(random, {flow}, spec); }

void Idle(Random& random, RunSpec* spec) { One(random, Flow{}, spec); }

void Pings(Random& random, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kPings, .rate_hz = random.Real(5, 300), .answer = 1};
  One(random, flow, spec);
}

void PingPong(Random& random, RunSpec* spec) {
  One(random, {.pattern = Pattern::kPingPong, .rate_hz = 1000, .answer = 1}, spec);
}

void Steady(Random& random, RunSpec* spec) {
  One(random, SteadyFlow(random.Real(1000, 25'000)), spec);
}

void Bursts(Random& random, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kBursts, .rate_hz = random.Real(5000, 60'000)};
  flow.burst = static_cast<int>(random.Between(2, 128));
  One(random, flow, spec);
}

// As fast as the guest takes it: the tap's ring is not full.
void Flood(Random& random, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kFlood, .rate_hz = random.Real(150'000, 450'000)};
  flow.burst = static_cast<int>(random.Between(16, 64));
  spec->duration_ns = kSecNs;
  One(random, flow, spec);
}

void ManyQueues(Random& random, RunSpec* spec) {
  std::vector<Flow> flows;
  const int64_t n = random.Between(4, 8);
  for (int64_t i = 0; i < n; ++i) flows.push_back(RandomFlow(random));
  AddVm(random, flows, spec);
}

void ManyVms(Random& random, RunSpec* spec) {
  const int64_t n = random.Between(2, 4);
  for (int64_t i = 0; i < n; ++i) AddVm(random, {RandomFlow(random), RandomFlow(random)}, spec);
}

// Copies of one image: the same UUID, machine id and ring addresses. Only the boot differs.
void Clones(Random& random, RunSpec* spec) {
  const int64_t n = random.Between(2, 4);
  for (int64_t i = 0; i < n; ++i) {
    AddVm(random, {RandomFlow(random), RandomFlow(random)}, spec);
    spec->vms.back().clone = true;
    AgentOptions guest{.name = spec->vms.back().name, .machine = "machine-clone"};
    guest.boot = "boot-" + guest.name;
    guest.stop_ns = spec->duration_ns - 15 * kMsNs;
    spec->guest_agents.push_back(guest);
    spec->vms.back().agent = false;  // not another one
  }
  spec->lossy = true;
}

// Agents that may not read the UUID: nothing but the queues tells which VM theirs is.
void NoUuid(Random& random, RunSpec* spec) {
  Clones(random, spec);
  for (VmSpec& vm : spec->vms) vm.clone = false;
  for (AgentOptions& guest : spec->guest_agents) guest.smbios = false;
}

// The host's agent looks at one VM, the guest's is in another with the same layout: nothing but
// moving indices tells that these queues are not each other's.
void Strangers(Random& random, RunSpec* spec) {
  NoUuid(random, spec);
  spec->guest_agents.erase(spec->guest_agents.begin());
  AgentOptions host{.name = "host1", .machine = "machine-host1", .vms = 1};
  host.stop_ns = spec->duration_ns - 20 * kMsNs;
  spec->host_agents.push_back(host);
}

// Busy polling where the kernel disarms the interrupt: fewer interrupts than packets.
void BusyPoll(Random& random, RunSpec* spec) {
  Flow flow = PollerFlow(random.Real(500, 8000), random.Between(100, 3000) * kUsNs,
                         random.Between(3, 30) * kUsNs);
  flow.answer = random.Chance(0.5) ? 1 : 0;
  One(random, flow, spec);
  // Or an older one without EVENT_IDX, where disarming does write.
  spec->vms[0].event_idx = random.Chance(0.7);
  spec->vms[0].kernel = spec->vms[0].event_idx ? GuestKernel::k61 : GuestKernel::k510;
}

// TCP receives and acknowledges; what it sends is cleaned up in receive polls.
void Tcp(Random& random, RunSpec* spec) {
  Flow flow{.pattern = Pattern::kBursts, .rate_hz = random.Real(5000, 50'000), .answer = 0.5};
  flow.burst = static_cast<int>(random.Between(2, 44));
  flow.send_hz = random.Real(100, 4000);
  flow.send_burst = static_cast<int>(random.Between(1, 100));
  One(random, flow, spec);
}

void Receiving(Random& random, RunSpec* spec) {
  Flow flow = PollerFlow(random.Real(500, 10'000), 0, random.Between(3, 30) * kUsNs);
  flow.answer = 1;
  One(random, flow, spec);
}

void NapiThreads(Random& random, RunSpec* spec) {
  Steady(random, spec);
  spec->vms[0].pairs[0].napi_thread = true;
}

void Merging(Random& random, RunSpec* spec) {
  Steady(random, spec);
  spec->vms[0].event_idx = false;
}

void Affinity(Random& random, RunSpec* spec) {
  Flow flow = RandomFlow(random);
  if (flow.pattern == Pattern::kIdle) flow = SteadyFlow(5000);
  One(random, flow, spec);
  const int64_t moves = random.Between(1, 4);
  for (int64_t i = 0; i < moves; ++i) {
    spec->events.push_back({.act = Act::kAffinity,
                            .at_ns = random.Between(100 * kMsNs, 1800 * kMsNs),
                            .tx = random.Chance(0.3),
                            .x = static_cast<double>(random.Between(0, 3))});
  }
}

// Handlers are long and vCPUs wait at times, while the interrupt moves to and fro: some arrive at
// the new vCPU while the old one has not ended its handler (IRQS_PENDING).
void Wandering(Random& random, RunSpec* spec) {
  One(random, SteadyFlow(random.Real(4000, 9000)), spec);
  Delays& delays = spec->vms[0].delays;
  delays.handler_ns = 30 * kUsNs;
  delays.slice_ns = 2 * kMsNs;
  delays.wait_ns = 100 * kUsNs;
  delays.wake_waits = false;
  for (int64_t at = 50; at < 1900; at += random.Between(1, 4)) {
    spec->events.push_back({.act = Act::kAffinity,
                            .at_ns = at * kMsNs,
                            .x = static_cast<double>(random.Between(0, 3))});
  }
}

// Where hooks on functions are kprobes, or posted interrupts hide the pending bit.
void Kprobes(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random)}, spec);
  AgentOptions host{.name = "host1", .machine = "machine-host1", .kprobes = true};
  host.hit_loss = random.Chance(0.5) ? random.Real(0.001, 0.05) : 0;
  host.stop_ns = spec->duration_ns - 20 * kMsNs;
  spec->host_agents.push_back(host);
  spec->lossy = true;
}

void Posted(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random), SteadyFlow(10'000)}, spec);
  spec->vms[0].posted = true;
  spec->vms[0].blind = random.Chance(0.3);
  spec->lossy = spec->vms[0].blind;
}

void SilentFentry(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random)}, spec);
  AgentOptions host{.name = "host1", .machine = "machine-host1", .woken_fentry_silent = true};
  host.stop_ns = spec->duration_ns - 20 * kMsNs;
  spec->host_agents.push_back(host);
}

void Packed(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random)}, spec);
  AgentOptions host{.name = "host1", .machine = "machine-host1", .positions = false};
  host.stop_ns = spec->duration_ns - 20 * kMsNs;
  AgentOptions guest{.name = "vm1", .machine = "machine-vm1", .positions = false};
  guest.stop_ns = spec->duration_ns - 15 * kMsNs;
  spec->host_agents.push_back(host);
  spec->guest_agents.push_back(guest);
  spec->vms[0].agent = false;
  spec->lossy = true;
}

// Two guests, and the agent of the second lies.
void Liars(Random& random, RunSpec* spec) {
  AddVm(random, {SteadyFlow(random.Real(500, 10'000)), RandomFlow(random)}, spec);
  AddVm(random, {SteadyFlow(random.Real(500, 10'000)), RandomFlow(random)}, spec);
  for (VmSpec& vm : spec->vms) {
    AgentOptions guest{.name = vm.name, .machine = "machine-" + vm.name};
    guest.start_ns = random.Between(0, 20 * kMsNs);
    guest.stop_ns = spec->duration_ns - 15 * kMsNs;
    spec->guest_agents.push_back(guest);
    vm.agent = false;  // not another one
  }
  spec->guest_agents.back().lie = kLies[spec->seed % kLies.size()];
}

// One side alone.
void HostOnly(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random), RandomFlow(random)}, spec);
  spec->vms[0].agent = false;
  spec->lossy = true;
}

// To another host, whose agent takes over.
void Migrated(Random& random, RunSpec* spec) {
  AddVm(random, {SteadyFlow(random.Real(500, 10'000)), RandomFlow(random)}, spec);
  const int64_t at_ns = random.Between(500, 1000) * kMsNs;
  const int64_t for_ns = random.Between(30, 300) * kMsNs;
  AgentOptions first{.name = "host1", .machine = "machine-host1"};
  first.stop_ns = spec->duration_ns - 10 * kMsNs;
  AgentOptions second{.name = "host2", .machine = "machine-host2"};
  second.start_ns = at_ns + for_ns - 5 * kMsNs;
  second.stop_ns = spec->duration_ns - 20 * kMsNs;
  spec->host_agents = {first, second};
  spec->events.push_back({.act = Act::kMigrate, .at_ns = at_ns, .ns = for_ns});
  spec->lossy = true;
}

void Reloaded(Random& random, RunSpec* spec) {
  AddVm(random, {SteadyFlow(random.Real(500, 10'000)), RandomFlow(random)}, spec);
  spec->events.push_back({.act = Act::kReload,
                          .at_ns = random.Between(500, 1000) * kMsNs,
                          .ns = random.Between(50, 300) * kMsNs});
  spec->lossy = true;
}

// The guest's agent ends with its kernel and comes back with the next one.
void Rebooted(Random& random, RunSpec* spec) {
  Reloaded(random, spec);
  const Event reload = spec->events.back();
  AgentOptions first{.name = "vm1", .machine = "machine-vm1", .bye = false};
  first.stop_ns = reload.at_ns;
  AgentOptions second{.name = "vm1", .machine = "machine-vm1", .boot = "boot-2"};
  second.start_ns = reload.at_ns + reload.ns + 100 * kMsNs;
  second.stop_ns = spec->duration_ns - 15 * kMsNs;
  spec->guest_agents = {first, second};
  spec->vms[0].agent = false;
}

// The host is busy: vCPUs wait a little now and then, workers too.
void BusyHost(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random), SteadyFlow(random.Real(500, 10'000))}, spec);
  spec->vms[0].delays.slice_ns = 4 * kMsNs;
  spec->vms[0].delays.wait_ns = 150 * kUsNs;
  spec->vms[0].delays.wake_waits = false;
  spec->events.push_back({.act = Act::kStarve, .at_ns = 0, .x = 0.01, .ns = 200 * kUsNs});
  spec->events.push_back({.act = Act::kSlow, .at_ns = 0, .pair = 1, .x = 0.002});
}

// The host's agent is killed and comes back.
void Restarted(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random)}, spec);
  AgentOptions first{.name = "host1", .machine = "machine-host1"};
  first.bye = random.Chance(0.5);
  first.stop_ns = random.Between(600, 1000) * kMsNs;
  AgentOptions second = first;
  second.instance = "instance-2";
  second.bye = true;
  second.start_ns = first.stop_ns + random.Between(20, 300) * kMsNs;
  second.stop_ns = spec->duration_ns - 20 * kMsNs;
  spec->host_agents = {first, second};
  spec->lossy = true;
}

void Paused(Random& random, RunSpec* spec) {
  One(random, SteadyFlow(random.Real(100, 2000)), spec);
  spec->events.push_back({.act = Act::kPause,
                          .at_ns = random.Between(300 * kMsNs, 1200 * kMsNs),
                          .ns = random.Between(20, 200) * kMsNs});
}

void Lossy(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random), RandomFlow(random)}, spec);
  AgentOptions host{.name = "host1", .machine = "machine-host1"};
  host.stop_ns = spec->duration_ns - 20 * kMsNs;
  switch (random.Between(0, 3)) {
    case 0: host.snapshot_fold = random.Real(0.05, 0.6); break;
    case 1:
      host.record_loss = random.Real(0.01, 0.2);
      spec->lossy = true;
      break;
    case 2:
      host.mark_loss = random.Real(0.05, 0.9);
      spec->lossy = true;
      break;
    default:
      host.bye = false;
      host.stop_ns = random.Between(kSecNs, 1900 * kMsNs);
      spec->lossy = true;
      break;
  }
  spec->host_agents.push_back(host);
}

void NoExchanges(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random)}, spec);
  spec->exchanges = false;
}

void CutNetwork(Random& random, RunSpec* spec) {
  AddVm(random, {RandomFlow(random)}, spec);
  spec->cut_from_ns = random.Between(100 * kMsNs, 800 * kMsNs);
  spec->cut_to_ns = spec->cut_from_ns + random.Between(200, 1000) * kMsNs;
  spec->exchange_delay_ns = 5 * kMsNs;
}

}  // namespace

const std::vector<Scenario>& HealthyScenarios() {
  static const std::vector<Scenario> list = {
      {"idle", Family::kHealthy, "no traffic at all", Idle},
      {"pings", Family::kHealthy, "some packets a second, each answered", Pings},
      {"ping-pong", Family::kHealthy, "one packet under way, back and forth", PingPong},
      {"steady", Family::kHealthy, "an even stream", Steady},
      {"bursts", Family::kHealthy, "packets in bursts", Bursts},
      {"flood", Family::kHealthy, "as much as the guest takes", Flood},
      {"many-queues", Family::kHealthy, "several queue pairs, each with its own load", ManyQueues},
      {"many-vms", Family::kHealthy, "several guests with several queue pairs", ManyVms},
      {"clones", Family::kHealthy, "guests with one UUID, machine id and layout", Clones},
      {"no-uuid", Family::kHealthy, "guests whose agents cannot read their UUID", NoUuid},
      {"strangers", Family::kHealthy, "host and guest agents look at different VMs", Strangers},
      {"busy-poll", Family::kHealthy, "busy polling on a kernel without the defect", BusyPoll},
      {"tcp", Family::kHealthy, "receiving and acknowledging in bursts", Tcp},
      {"receiving", Family::kHealthy, "an application that sleeps between packets", Receiving},
      {"napi-threads", Family::kHealthy, "polls in a NAPI thread", NapiThreads},
      {"merging", Family::kHealthy, "event_idx off: interrupts may merge", Merging},
      {"affinity", Family::kHealthy, "interrupts move between vCPUs under traffic", Affinity},
      {"wandering", Family::kHealthy, "and they do so while their handlers run", Wandering},
      {"kprobes", Family::kHealthy, "hooks whose misses nobody tells", Kprobes},
      {"posted", Family::kHealthy, "posted interrupts: KVM does not see them taken", Posted},
      {"silent-fentry", Family::kHealthy, "a hook that attaches and never fires", SilentFentry},
      {"packed", Family::kHealthy, "no positions: cut by time", Packed},
      {"host-only", Family::kHealthy, "no agent in the guest", HostOnly},
      {"restarted", Family::kHealthy, "the host's agent dies and comes back", Restarted},
      {"migrated", Family::kHealthy, "the VM moves to another host", Migrated},
      {"busy-host", Family::kHealthy, "vCPUs and workers wait a little", BusyHost},
      {"paused", Family::kHealthy, "the VM stands still for a while", Paused},
      {"lossy", Family::kHealthy, "an agent that loses records, marks, or its end", Lossy},
      {"merged-files", Family::kHealthy, "no exchange of clocks at all", NoExchanges},
      {"reloaded", Family::kHealthy, "the driver sets up its queues anew", Reloaded},
      {"rebooted", Family::kHealthy, "the guest boots again", Rebooted},
      {"cut-network", Family::kHealthy, "the collector is away for a while", CutNetwork},
  };
  return list;
}

const std::vector<Scenario>& OpenScenarios() {
  static const std::vector<Scenario> list = {
      {"liar", Family::kHealthy, "a guest's agent lies (liar_test.cc)", Liars},
  };
  return list;
}

}  // namespace ringside::sim
