// SPDX-License-Identifier: Apache-2.0
// The known mistakes without a free parameter, each with the number it would give. Part of
// correlate/claims.h.
#ifndef RINGSIDE_CORRELATE_CLAIM_HYPOTHESES_H_
#define RINGSIDE_CORRELATE_CLAIM_HYPOTHESES_H_

#include <string>
#include <vector>

#include "correlate/claim_explain.h"

namespace ringside {

struct Hypothesis {
  std::string id;
  std::string text;
  Measured value;
};

// Those whose number could be computed, the likelier ones first. `claims` are all of the report:
// their windows are what the same source might have meant.
std::vector<Hypothesis> KnownMistakes(const MeasuredClaim& entry,
                                      const std::vector<MeasuredClaim>& claims,
                                      ClaimMeasure* measure);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLAIM_HYPOTHESES_H_
