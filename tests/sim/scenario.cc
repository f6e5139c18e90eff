// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/scenario.h"

#include <algorithm>
#include <utility>

namespace ringside::sim {
namespace {

NodeClock::Options RandomClock(Random& random) {
  NodeClock::Options clock;
  clock.mono_start_ns = random.Between(1'000, 90'000) * kSecNs;
  clock.drift_ppm = random.Real(-40, 40);
  clock.real_offset_ns = random.Between(-20 * kMsNs, 20 * kMsNs);
  if (random.Chance(0.3)) {
    clock.slew_ppm = random.Real(-300, 300);
    clock.slew_at_ns = random.Between(0, 2 * kSecNs);
  }
  if (random.Chance(0.1)) {
    clock.step_ns = random.Between(-500 * kMsNs, 500 * kMsNs);
    clock.step_at_ns = random.Between(0, 2 * kSecNs);
  }
  return clock;
}

const Scenario* Find(const std::vector<Scenario>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Scenario& scenario) { return name == scenario.name; });
  return found == all.end() ? nullptr : &*found;
}

// Agents begin within the first moments and end before the run does.
void AddAgents(Random& random, RunSpec* spec) {
  if (spec->host_agents.empty()) {
    AgentOptions host{.name = "host1", .machine = "machine-host1"};
    host.start_ns = random.Between(0, spec->healthy ? 500 * kMsNs : 20 * kMsNs);
    if (spec->healthy && random.Chance(0.3)) host.interval_ns = random.Between(20, 400) * kMsNs;
    host.stop_ns = spec->duration_ns - random.Between(5 * kMsNs, 30 * kMsNs);
    spec->host_agents.push_back(host);
  }
  for (const VmSpec& vm : spec->vms) {
    if (!vm.agent) continue;
    AgentOptions guest{.name = vm.name, .machine = "machine-" + vm.name};
    guest.start_ns = random.Between(0, spec->healthy ? 500 * kMsNs : 20 * kMsNs);
    if (spec->healthy && random.Chance(0.3)) guest.interval_ns = random.Between(20, 400) * kMsNs;
    guest.stop_ns = spec->duration_ns - random.Between(5 * kMsNs, 30 * kMsNs);
    spec->guest_agents.push_back(guest);
  }
}

// Queues at rest for several snapshots, some of VMs that were stopped just before with entries
// under way: nothing of it may be taken for a guest that is dead.
void AddSilence(Random& random, RunSpec* spec) {
  for (size_t vm = 0; vm < spec->vms.size(); ++vm) {
    const int64_t from_ns = random.Between(400, 1000) * kMsNs;
    const int64_t to_ns = from_ns + random.Between(400, 900) * kMsNs;
    const bool all = random.Chance(0.5);
    for (PairSpec& pair : spec->vms[vm].pairs) {
      if (!all && random.Chance(0.4)) continue;
      pair.flow.silent_from_ns = from_ns;
      pair.flow.silent_to_ns = to_ns;
      if (all) pair.flow.send_hz = 0;
    }
    if (!all) continue;
    spec->events.push_back({.act = Act::kPause,
                            .at_ns = from_ns - kMsNs,
                            .vm = vm,
                            .ns = to_ns - from_ns - 50 * kMsNs});
  }
}

}  // namespace

void AddVm(Random& random, const std::vector<Flow>& flows, RunSpec* spec) {
  VmSpec vm;
  vm.name = "vm" + std::to_string(spec->vms.size() + 1);
  vm.agent = !spec->host_only;
  vm.kernel = random.Chance(0.5) ? GuestKernel::k61 : GuestKernel::k510;
  vm.event_idx = !random.Chance(0.25);
  vm.vcpus = static_cast<int>(random.Between(2, 4));
  vm.delays.copy_ns = random.Between(300, 900);
  vm.delays.packet_ns = random.Between(200, 700);
  vm.delays.kick_ns = random.Between(800, 3000);
  vm.delays.wake_ns = random.Between(3000, 15'000);
  for (size_t i = 0; i < flows.size(); ++i) {
    PairSpec pair{.flow = flows[i]};
    pair.irq_vcpu = static_cast<int>(i) % vm.vcpus;
    pair.flow.poller.vcpu = (pair.irq_vcpu + 1) % vm.vcpus;
    vm.pairs.push_back(pair);
  }
  spec->vms.push_back(vm);
  spec->guest_clocks.push_back(RandomClock(random));
}

Flow SteadyFlow(double rate_hz) {
  Flow flow{.pattern = Pattern::kSteady, .rate_hz = rate_hz};
  return flow;
}

Flow PollerFlow(double rate_hz, int64_t busy_ns, int64_t app_ns) {
  Flow flow = SteadyFlow(rate_hz);
  flow.poller = {.on = true, .busy_ns = busy_ns, .app_ns = app_ns};
  return flow;
}

Flow RandomFlow(Random& random) {
  Flow flow;
  switch (random.Between(0, 6)) {
    case 0: flow.pattern = Pattern::kIdle; break;
    case 1:
      flow = {.pattern = Pattern::kPings, .rate_hz = random.Real(10, 200)};
      flow.answer = 1;
      break;
    case 2:
      flow = {.pattern = Pattern::kPingPong, .rate_hz = 1000};
      flow.answer = 1;
      break;
    case 3:
      flow = SteadyFlow(random.Real(500, 15'000));
      flow.answer = random.Chance(0.5) ? random.Real(0, 1) : 0;
      break;
    case 4:
      flow = {.pattern = Pattern::kBursts, .rate_hz = random.Real(2000, 40'000)};
      flow.burst = static_cast<int>(random.Between(4, 64));
      flow.answer = random.Chance(0.5) ? 0.5 : 0;
      break;
    case 5:
      flow = SteadyFlow(random.Real(500, 5000));
      flow.send_hz = random.Real(500, 8000);
      break;
    default:
      flow = {.pattern = Pattern::kFlood, .rate_hz = random.Real(100'000, 300'000)};
      flow.burst = 32;
      flow.to_ns = flow.from_ns + 500 * kMsNs;
      break;
  }
  return flow;
}

void AddRoot(const char* id, const std::string& queue, RunSpec* spec) {
  spec->healthy = false;
  spec->roots.push_back({id, queue});
}

std::vector<Scenario> AllScenarios() {
  std::vector<Scenario> all = HealthyScenarios();
  for (const auto* list : {&FaultScenarios(), &PairScenarios(), &PowerScenarios(), &OpenScenarios(),
                           &LatencyScenarios()}) {
    all.insert(all.end(), list->begin(), list->end());
  }
  return all;
}

std::optional<RunSpec> MakeRun(std::string_view scenario, uint64_t seed, Mutation mutation) {
  Random random(seed, "scenario");
  RunSpec spec{.seed = seed, .mutation = mutation};
  spec.host_clock = RandomClock(random);
  spec.collector_clock = RandomClock(random);
  spec.collector_clock.step_at_ns = INT64_MAX;
  spec.exchange_delay_ns = random.Between(50 * kUsNs, 2 * kMsNs);
  const std::vector<Scenario>* family = nullptr;
  if (scenario == "random") {
    const double dice = random.Unit();
    family = dice < 0.4 ? &HealthyScenarios() : dice < 0.8 ? &FaultScenarios() : &PairScenarios();
  } else if (scenario == "healthy") {
    family = &HealthyScenarios();
  } else if (scenario == "fault") {
    family = &FaultScenarios();
  } else if (scenario == "pair") {
    family = &PairScenarios();
  } else if (scenario == "power") {
    family = &PowerScenarios();
  } else if (scenario == "latency") {
    family = &LatencyScenarios();
  } else if (scenario == "host-only") {
    family = random.Chance(0.3) ? &HealthyScenarios() : &FaultScenarios();
    spec.host_only = true;
    spec.withheld = {"guest"};
  }
  const std::vector<Scenario> all = AllScenarios();
  const Scenario* chosen = Find(all, scenario);
  if (family != nullptr && !family->empty()) chosen = &(*family)[seed % family->size()];
  if (chosen == nullptr) return std::nullopt;
  spec.scenario = chosen->name;
  chosen->make(random, &spec);
  if (spec.host_only) {
    spec.guest_agents.clear();  // a scenario may have brought its own
    if (spec.healthy) AddSilence(random, &spec);
  }
  AddAgents(random, &spec);
  return spec;
}

}  // namespace ringside::sim
