// SPDX-License-Identifier: Apache-2.0
// An incident, read once: the ledger of a window, and the findings that explain it.
#ifndef RINGSIDE_CORRELATE_ANALYSIS_H_
#define RINGSIDE_CORRELATE_ANALYSIS_H_

#include <string>
#include <vector>

#include "correlate/finding.h"
#include "correlate/ledger.h"
#include "correlate/recording.h"

namespace ringside {

struct Analysis {
  Ledger ledger;
  // Roots first, each followed by its effects; contributors after what they contribute to.
  std::vector<Finding> findings;
  std::vector<std::string> unseen;  // what was not observed, and what that leaves open
};

// Pure and total: what cannot be known is said in the ledger and in the findings' `missing`. Costs
// one pass over the recording; any thread.
Analysis Analyse(const Recording& recording, const LedgerOptions& options);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_ANALYSIS_H_
