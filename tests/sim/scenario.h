// SPDX-License-Identifier: Apache-2.0
// Scenarios: from a seed to a run. Each sets machines, traffic and what goes wrong, and says what
// the truth about it is (causes with the queue they are at), never what should be counted.
#ifndef RINGSIDE_TESTS_SIM_SCENARIO_H_
#define RINGSIDE_TESTS_SIM_SCENARIO_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/random.h"
#include "tests/sim/run_spec.h"

namespace ringside::sim {

enum class Family { kHealthy, kFault, kPair, kPower };

struct Scenario {
  const char* name;
  Family family;
  const char* text;
  void (*make)(Random& random, RunSpec* spec);
};

const std::vector<Scenario>& HealthyScenarios();
// To be played by name, in no draw.
const std::vector<Scenario>& OpenScenarios();
const std::vector<Scenario>& FaultScenarios();
const std::vector<Scenario>& PairScenarios();
const std::vector<Scenario>& PowerScenarios();
// With details of every packet, to judge latencies; the traffic is small.
const std::vector<Scenario>& LatencyScenarios();
std::vector<Scenario> AllScenarios();

// "random" draws one from all but the power runs, "healthy", "fault" and "pair" from their family,
// "host-only" from healthy and faulty ones, without an agent in the guest, "latency" from those.
// Nothing if there is no such scenario.
std::optional<RunSpec> MakeRun(std::string_view scenario, uint64_t seed, Mutation mutation);

// -- for scenarios --
// One VM with a pair for each pattern given; agents everywhere; clocks that drift.
void AddVm(Random& random, const std::vector<Flow>& flows, RunSpec* spec);
Flow RandomFlow(Random& random);
Flow SteadyFlow(double rate_hz);
Flow PollerFlow(double rate_hz, int64_t busy_ns, int64_t app_ns);
void AddRoot(const char* id, const std::string& queue, RunSpec* spec);

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_SCENARIO_H_
