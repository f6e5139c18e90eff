// SPDX-License-Identifier: Apache-2.0
// Many runs of the clock model judged: is the truth inside the bound at every instant looked at,
// how wide is the bound, and is evidence that cannot be true found out?
#ifndef RINGSIDE_TESTS_SIM_CLOCK_SCORE_H_
#define RINGSIDE_TESTS_SIM_CLOCK_SCORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/clock_run.h"

namespace ringside::sim {

struct ClockOutcome {
  ClockSpec spec;
  uint64_t instants = 0;
  uint64_t outside = 0;  // of them, those with the truth outside
  uint64_t unknown = 0;  // without a bound
  int64_t worst_ns = 0;  // how far outside
  int64_t half_ns = 0;   // median
  // With queue evidence only: by how much the median bound is wider than the evidence allows.
  std::optional<int64_t> over_limit_ns;
  // The same against clocks that had been read in no time: what their readings cost.
  std::optional<int64_t> over_exact_ns;
  uint64_t conflicts = 0;
  ClockTrust trust = ClockTrust::kGood;
  bool found = false;  // something was said to be wrong
  // No line fits the evidence by more than the readings' widths: has to be found.
  bool broken = false;
  // Empty: judged right; else why not.
  std::string bad;
};
ClockOutcome JudgeClockRun(const ClockRun& run);

struct ClockScore {
  std::vector<ClockOutcome> outcomes;
  uint64_t bad = 0;
  bool passed = false;
};
ClockScore MakeClockScore(uint64_t from_seed, uint64_t to_seed, int jobs);
std::string ClockScoreText(const ClockScore& score, bool verbose);
std::string ClockScoreJson(const ClockScore& score);

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_CLOCK_SCORE_H_
