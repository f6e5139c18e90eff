// SPDX-License-Identifier: Apache-2.0
// What caused what: one story, not six alarms (design D10).
//
// A finding is an effect of another one if the table of mechanisms says it can be and the counts
// say it suffices; where they don't, the other one contributes. It is a root if nothing found
// causes it and everything that could have was observed well enough to be ruled out; where it was
// not, `missing` names the evidence and the finding is no root.
#ifndef RINGSIDE_CORRELATE_CHAIN_H_
#define RINGSIDE_CORRELATE_CHAIN_H_

#include <vector>

#include "correlate/evidence.h"
#include "correlate/finding.h"

namespace ringside {

// Fills root, caused_by, contributors and missing; sorts roots first, each before its effects.
// `queues` are the evidence that the findings came from.
void Chain(const std::vector<QueueEvidence>& queues, std::vector<Finding>* findings);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CHAIN_H_
