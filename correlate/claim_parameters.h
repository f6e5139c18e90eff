// SPDX-License-Identifier: Apache-2.0
// The known mistakes with one free parameter: a share that was lost, the end or the start of the
// window, how often one interrupt was counted. One value of it must reproduce all claims of the
// source and window, and do so for numbers that chance would hardly give. Part of
// correlate/claims.h.
#ifndef RINGSIDE_CORRELATE_CLAIM_PARAMETERS_H_
#define RINGSIDE_CORRELATE_CLAIM_PARAMETERS_H_

#include <optional>
#include <vector>

#include "correlate/claim_explain.h"

namespace ringside {

struct ParameterTrial {
  double chance = 0;  // that random numbers would have been reproduced as well
  std::optional<Explanation> explanation;
};

// One entry per mistake that could be tried. `group` are the measured claims of the same source and
// window, `entry` among them.
std::vector<ParameterTrial> TryParameters(const MeasuredClaim& entry,
                                          const std::vector<const MeasuredClaim*>& group,
                                          ClaimMeasure* measure);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLAIM_PARAMETERS_H_
