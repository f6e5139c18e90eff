// SPDX-License-Identifier: Apache-2.0
#include "correlate/claim_explain.h"

namespace ringside {

void ExplainRefuted(const std::vector<MeasuredClaim>&, ClaimMeasure*) {}

}  // namespace ringside
