// SPDX-License-Identifier: Apache-2.0
// What `ringside verify` makes of wrong numbers: random ones must end without an explanation, known
// mistakes must be named.
#ifndef RINGSIDE_TESTS_SIM_CLAIMS_SCORE_H_
#define RINGSIDE_TESTS_SIM_CLAIMS_SCORE_H_

#include <cstdint>
#include <map>
#include <string>

namespace ringside::sim {

struct ClaimScore {
  struct Part {
    uint64_t cases = 0;
    uint64_t good = 0;
    double share() const {
      return cases == 0 ? 0 : static_cast<double>(good) / static_cast<double>(cases);
    }
  };
  uint64_t runs = 0;
  Part right;                            // true numbers: not refuted
  Part random;                           // wrong by up to 30%: no explanation
  std::map<std::string, Part> mistakes;  // by kind: named
  Part named;                            // all kinds together
  uint64_t failures = 0;                 // of the model itself
  bool passed = false;
};

// Runs of several queues, one per seed, on one thread. Passed: at least 1,000 random numbers, of
// which 95% end unexplained, 95% of each kind of mistake named, and no true number refuted.
ClaimScore MakeClaimScore(uint64_t from_seed, uint64_t to_seed);

std::string ClaimScoreText(const ClaimScore& score);
std::string ClaimScoreJson(const ClaimScore& score);

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_CLAIMS_SCORE_H_
