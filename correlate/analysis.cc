// SPDX-License-Identifier: Apache-2.0
#include "correlate/analysis.h"

namespace ringside {

Analysis Analyse(const Recording& recording, const LedgerOptions& options) {
  return {.ledger = MakeLedger(recording, options), .findings = {}};
}

}  // namespace ringside
