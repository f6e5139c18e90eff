// SPDX-License-Identifier: Apache-2.0
// Evaluation changes into rows and back. Used inside collector/store, within whatever transaction
// is open; one thread.
#ifndef RINGSIDE_COLLECTOR_STORE_EVALUATION_ROWS_H_
#define RINGSIDE_COLLECTOR_STORE_EVALUATION_ROWS_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "collector/store/evaluation.h"
#include "collector/store/sqlite.h"

namespace ringside {

// A change with its place: numbers grow from 1 per evaluator, over verdicts and findings alike.
struct NumberedChange {
  EvaluatorInfo evaluator;
  uint64_t number = 0;
  EvaluationChange change;
};

// Adds the row. One that is there already (files that were joined before) is left as it is.
absl::Status WriteChange(Db& db, const NumberedChange& change);

// Calls `take` with every change in the file, evaluator by evaluator; each value is checked. Ends
// early if `take` fails.
absl::Status ForEachChange(Db& db, const std::function<absl::Status(NumberedChange)>& take);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_EVALUATION_ROWS_H_
