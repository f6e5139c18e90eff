// SPDX-License-Identifier: Apache-2.0
// Compares what the engine says of one run with the truth of that run.
#ifndef RINGSIDE_TESTS_SIM_JUDGE_H_
#define RINGSIDE_TESTS_SIM_JUDGE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "correlate/analysis.h"
#include "tests/sim/world.h"

namespace ringside::sim {

// A cell whose interval does not hold the truth.
struct Miss {
  std::string queue;
  Count count{};
  bool at_position = false;
  uint64_t lo = 0;
  std::optional<uint64_t> hi;
  uint64_t truth = 0;
};

struct Judgement {
  uint64_t seed = 0;
  std::string scenario;
  std::string failure;  // the model itself went wrong
  uint64_t events = 0;
  uint64_t cells = 0;           // compared with the truth
  uint64_t cells_untested = 0;  // nothing to compare them with
  std::vector<Miss> misses;
  uint64_t verdicts = 0;
  uint64_t inconclusive = 0;
  uint64_t interrupts = 0;                 // of the busiest queue
  std::vector<std::string> violated;       // "queue: identity: why"
  std::vector<std::string> inconclusives;  // likewise
  std::vector<NamedCause> roots;           // found
  std::vector<NamedCause> findings;        // all found
  std::vector<std::string> missing;        // what findings and ledger say is missing
  std::array<std::vector<uint64_t>, kCounts> widths;
};

// Plays the run and judges it.
Judgement Judge(const RunSpec& spec);

// The truth of every cell of the ledger, as `{"counts":...}` of the truth file.
struct CellTruth {
  std::string queue;
  Count count{};
  uint64_t value = 0;
};
std::vector<CellTruth> TruthOf(const World& world, const Ledger& ledger,
                               const Recording& recording);

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_JUDGE_H_
