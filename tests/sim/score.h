// SPDX-License-Identifier: Apache-2.0
// Many runs judged: bars, confusion matrix, widths, and one line of figures.
#ifndef RINGSIDE_TESTS_SIM_SCORE_H_
#define RINGSIDE_TESTS_SIM_SCORE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/judge.h"
#include "tests/sim/scenario.h"

namespace ringside::sim {

struct ScoreOptions {
  uint64_t from = 1;
  uint64_t to = 100;
  std::string scenario = "random";
  Mutation mutation = Mutation::kNone;
  int jobs = 2;
  bool verbose = false;  // every failing run with its reasons
};

// A run and what became of it.
struct Outcome {
  Family family = Family::kHealthy;
  bool full_evidence = true;
  bool lossy = false;
  bool host_only = false;
  std::vector<NamedCause> truth;
  std::vector<std::string> withheld;
  Judgement judgement;
  // Judged.
  bool right_roots = false;
  bool wrong_root = false;    // a root that is none
  bool named_missing = true;  // every kind of withheld evidence is named
  bool bad() const;
};

// The ids of what was found at a truth's queue, in order, with "+" between; "-" if nothing.
std::string NamedBy(const Outcome& outcome, const NamedCause& truth);

struct Score {
  std::vector<Outcome> outcomes;
  // By family.
  struct Part {
    uint64_t runs = 0;
    uint64_t good = 0;
  };
  Part healthy, single, pair, withheld, power;
  Part named;                   // of faults that a host alone can name, those that it did
  uint64_t violated_cells = 0;  // in healthy runs
  uint64_t findings = 0;        // in healthy runs, data-loss apart
  uint64_t misses = 0;          // cells without the truth, in healthy runs
  uint64_t misses_faulty = 0;   // and in the others: no bar, but each deserves a look
  uint64_t cells = 0;
  uint64_t full_verdicts = 0;
  uint64_t full_inconclusive = 0;
  uint64_t failures = 0;                                              // of the model itself
  std::map<std::pair<std::string, std::string>, uint64_t> confusion;  // truth, found
  bool passed = true;
};

// Plays and judges every seed of the range, on `jobs` threads; the result does not depend on them.
Score MakeScore(const ScoreOptions& options);

// The report for people, and the object for programs. Both close with the same figures.
std::string ScoreText(const ScoreOptions& options, const Score& score);
std::string ScoreJson(const ScoreOptions& options, const Score& score);

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_SCORE_H_
