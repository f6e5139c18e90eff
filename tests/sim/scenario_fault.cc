// SPDX-License-Identifier: Apache-2.0
// Runs with one fault or two, with all evidence or with some of it withheld; and the runs that show
// the engine's power.
#include <algorithm>
#include <string_view>

#include "absl/strings/str_split.h"
#include "tests/sim/faults.h"
#include "tests/sim/scenario.h"

namespace ringside::sim {
namespace {

// Traffic beside a fault.
Flow QuietFlow(Random& random) {
  if (random.Chance(0.3)) return RandomFlow(random);
  switch (random.Between(0, 2)) {
    case 0: return {};
    case 1: return {.pattern = Pattern::kPings, .rate_hz = random.Real(10, 200), .answer = 1};
    default: return SteadyFlow(random.Real(200, 3000));
  }
}

void Withhold(const std::string_view kind, size_t vm, RunSpec* spec) {
  spec->withheld.emplace_back(kind);
  AgentOptions host{.name = "host1", .machine = "machine-host1"};
  host.start_ns = kMsNs;
  host.stop_ns = spec->duration_ns - 20 * kMsNs;
  AgentOptions guest{.name = spec->vms[vm].name, .machine = "machine-" + spec->vms[vm].name};
  guest.start_ns = 2 * kMsNs;
  guest.stop_ns = spec->duration_ns - 15 * kMsNs;
  if (kind == "guest") {
    spec->vms[vm].agent = false;
    return;
  }
  host.merged = kind != "merged";
  host.kvm = kind != "kvm";
  host.vcpu = kind != "vcpu";
  host.kprobes = kind == "hook-misses";
  host.positions = guest.positions = kind != "positions";
  guest.softnet = kind != "softnet";
  spec->host_agents.push_back(host);
  spec->vms[vm].agent = false;  // this one instead
  spec->guest_agents.push_back(guest);
}

void Put(const Fault& fault, Random& random, Site site, RunSpec* spec) {
  site.tx = fault.tx;
  fault.apply(random, site, spec);
}

void Blame(const Fault& fault, Site site, RunSpec* spec) {
  site.tx = fault.tx;
  const std::string_view cause = fault.cause;
  std::string queue = QueueName(*spec, site);
  if (cause == "late-vcpu") queue = "host1/kvm-" + std::to_string(4100 + site.vm) + "/*";
  if (cause == "softirq-squeeze") queue = spec->vms[site.vm].name + "/*";
  // What the VMM forgets, it forgets for every queue that had something pending.
  if (cause == "lost-across-pause") queue = queue.substr(0, queue.rfind('/')) + "/*";
  AddRoot(fault.cause, queue, spec);
}

void Single(const Fault& fault, Random& random, RunSpec* spec) {
  std::vector<Flow> flows;
  const int64_t pairs = random.Between(1, 3);
  for (int64_t i = 0; i < pairs; ++i) flows.push_back(QuietFlow(random));
  AddVm(random, flows, spec);
  const Site site{.vm = 0, .pair = static_cast<size_t>(random.Between(0, pairs - 1))};
  Put(fault, random, site, spec);
  const bool withheld = !spec->host_only && random.Chance(0.3);
  if (withheld) {
    const std::vector<std::string> kinds = absl::StrSplit(fault.needs, ' ');
    Withhold(kinds[random.Next() % kinds.size()], 0, spec);
  }
  Blame(fault, site, spec);
}

template <size_t kIndex>
void SingleOf(Random& random, RunSpec* spec) {
  Single(Faults()[kIndex], random, spec);
}

// Faults whose evidence is of different kinds, so that they can share a queue.
bool MayShareQueue(const Fault& a, const Fault& b) {
  const auto is = [&](std::string_view x, std::string_view y) {
    return (a.name == x && b.name == y) || (a.name == y && b.name == x);
  };
  return is("slow-path-injection", "external-injector") ||
         is("slow-path-injection", "empty-signal") || is("external-injector", "empty-signal") ||
         a.tx != b.tx;
}

void Two(Random& random, RunSpec* spec) {
  const auto& all = Faults();
  const Fault& a = all[random.Next() % all.size()];
  const Fault* b = &a;
  while (std::string_view(b->cause) == a.cause) b = &all[random.Next() % all.size()];
  const bool apart = a.whole_vm || b->whole_vm;
  const bool share = !apart && MayShareQueue(a, *b) && random.Chance(0.5);
  AddVm(random, {QuietFlow(random), QuietFlow(random)}, spec);
  if (apart) AddVm(random, {QuietFlow(random), QuietFlow(random)}, spec);
  const Site first{.vm = 0, .pair = 0};
  const Site second{.vm = apart ? size_t{1} : size_t{0}, .pair = share ? size_t{0} : size_t{1}};
  Put(a, random, first, spec);
  if (share) {
    // The second brings its acts; traffic stays that of the first.
    const Flow flow = FlowAt(first, spec);
    Put(*b, random, second, spec);
    Flow& now = FlowAt(second, spec);
    const double send_hz = std::max(now.send_hz, flow.send_hz);
    now = flow.rate_hz > now.rate_hz ? flow : now;
    now.send_hz = send_hz;
  } else {
    Put(*b, random, second, spec);
  }
  Blame(a, first, spec);
  Blame(*b, second, spec);
}

template <size_t... kIndex>
std::vector<Scenario> MakeList(std::index_sequence<kIndex...>) {
  return {{Faults()[kIndex].name, Family::kFault, Faults()[kIndex].text, SingleOf<kIndex>}...};
}

// One in 10,000 of at least 200,000 interrupts, with merging in every other run. A lost one ends a
// queue with EVENT_IDX; there the run without it goes on.
void Power(Random& random, Act act, RunSpec* spec) {
  AddVm(random, {SteadyFlow(random.Real(22'000, 26'000))}, spec);
  const bool merging = random.Chance(0.5);
  spec->vms[0].event_idx = !merging && act == Act::kDuplicate;
  if (!merging) {
    spec->vms[0].delays.kick_ns = 1000;
    spec->vms[0].delays.wake_ns = 4000;
  }
  spec->vms[0].pairs[0].flow.answer = 0;
  spec->duration_ns = 11 * kSecNs;
  spec->healthy = false;
  AddAct({}, act, 0, 1e-4, 0, spec);
}

void PowerLost(Random& random, RunSpec* spec) { Power(random, Act::kLose, spec); }
void PowerTwice(Random& random, RunSpec* spec) { Power(random, Act::kDuplicate, spec); }

constexpr size_t kFaults = 24;  // as many as Faults() has; a test compares

}  // namespace

std::string QueueName(const RunSpec& spec, const Site& site) {
  const std::string queue = (site.tx ? "tx" : "rx") + std::to_string(site.pair);
  const VmSpec& vm = spec.vms[site.vm];
  const bool agent = vm.agent || !spec.guest_agents.empty();
  if (agent) return vm.name + "/eth0/" + queue;
  return "host1/tap" + std::to_string(site.vm) + "/" + queue;
}

const std::vector<Fault>& Faults() {
  static const std::vector<Fault> all = [] {
    std::vector<Fault> list(GuestFaults().begin(), GuestFaults().end());
    list.insert(list.end(), HostFaults().begin(), HostFaults().end());
    return list;
  }();
  return all;
}

const std::vector<Scenario>& FaultScenarios() {
  static const std::vector<Scenario> list = MakeList(std::make_index_sequence<kFaults>());
  return list;
}

const std::vector<Scenario>& PairScenarios() {
  static const std::vector<Scenario> list = {
      {"two-faults", Family::kPair, "two faults on two queues, or on one", Two}};
  return list;
}

const std::vector<Scenario>& PowerScenarios() {
  static const std::vector<Scenario> list = {
      {"power-lost", Family::kPower, "one of 10,000 interrupts is lost", PowerLost},
      {"power-duplicate", Family::kPower, "one of 10,000 interrupts comes twice", PowerTwice}};
  return list;
}

}  // namespace ringside::sim
