// SPDX-License-Identifier: Apache-2.0
// Many runs with details judged: is the true length inside every interval that `ringside latency`
// tells, of single journeys and of their percentiles, and how many entries does it follow?
//
// Within one node a length is what that node's clock showed; between host and guest what the host's
// MONOTONIC_RAW would have shown, the clock on which the engine compares both.
#ifndef RINGSIDE_TESTS_SIM_LATENCY_SCORE_H_
#define RINGSIDE_TESTS_SIM_LATENCY_SCORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/run_spec.h"

namespace ringside::sim {

struct LatencyOutcome {
  uint64_t seed = 0;
  std::string scenario;
  bool lossy = false;
  std::string failure;     // of the model itself
  uint64_t entries = 0;    // truly published to a bound queue while both agents recorded details
  uint64_t journeys = 0;   // of these, followed
  uint64_t packets = 0;    // of the journeys, known from the packet on
  uint64_t stages = 0;     // intervals of single journeys
  uint64_t outside = 0;    // of them, without the truth
  uint64_t quantiles = 0;  // and of percentiles
  uint64_t quantiles_outside = 0;
  uint64_t sums_wrong = 0;
  uint64_t waits = 0;  // of the vCPU that polled, by journey
  uint64_t waits_outside = 0;
  std::optional<int64_t> bound_ns;  // widest, of the receive queues
  std::vector<std::string> what;    // the first ones that are wrong, in words
  std::string bad;                  // empty: judged right; else why not
};
LatencyOutcome JudgeLatency(const RunSpec& spec);

struct LatencyScore {
  std::vector<LatencyOutcome> outcomes;
  uint64_t bad = 0;
  bool passed = false;
};
// `scenario`: latency, or one of its scenarios.
LatencyScore MakeLatencyScore(const std::string& scenario, uint64_t from_seed, uint64_t to_seed,
                              int jobs);
std::string LatencyScoreText(const LatencyScore& score, bool verbose);
std::string LatencyScoreJson(const LatencyScore& score);

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_LATENCY_SCORE_H_
