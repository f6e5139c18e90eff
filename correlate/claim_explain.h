// SPDX-License-Identifier: Apache-2.0
// Which known mistake gives the number that a refuted claim has. Part of correlate/claims.h.
#ifndef RINGSIDE_CORRELATE_CLAIM_EXPLAIN_H_
#define RINGSIDE_CORRELATE_CLAIM_EXPLAIN_H_

#include <vector>

#include "correlate/claim_measure.h"
#include "correlate/claims.h"

namespace ringside {

// A wrong number is taken to be off by up to this share, if the claim's own is not off by more.
inline constexpr double kRandomWrong = 0.3;
// What may be left to chance, for all the mistakes without a parameter together, and for each one
// with a parameter.
inline constexpr double kChanceMax = 0.05;

// A claim whose queues and counts are known, with what was measured.
struct MeasuredClaim {
  JudgedClaim* judged = nullptr;
  QueueSet queues;
  Measured measured;
};

// Fills explanations, tried, chance and undecided of every refuted claim. `claims` are all that
// were measured, refuted or not: an explanation with a parameter must reproduce them, too.
void ExplainRefuted(const std::vector<MeasuredClaim>& claims, ClaimMeasure* measure);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLAIM_EXPLAIN_H_
