// SPDX-License-Identifier: Apache-2.0
// What evaluating a recording while it is made found to be different from before: verdicts and
// findings that came, changed and went. Kept in the incident beside the streams, whose records are
// untouched by it. Plain values; times are the recorder's REALTIME.
#ifndef RINGSIDE_COLLECTOR_STORE_EVALUATION_H_
#define RINGSIDE_COLLECTOR_STORE_EVALUATION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "correlate/finding.h"
#include "correlate/ledger.h"

namespace ringside {

// At most so many changes in one file: one a second for more than a day. A collector that has more
// to say is watching something that flaps, and the first hundred thousand tell as much.
inline constexpr uint64_t kChangesMax = 100'000;
// Changes kept while they cannot be written; a round of evaluation gives a few.
inline constexpr size_t kChangesPendingMax = 4096;
// Of a finding's JSON. MakeFindingChange keeps within it, however much has to be escaped.
inline constexpr size_t kDetailBytesMax = size_t{1} << 20;

struct VerdictChange {
  int64_t at_real_ns = 0;
  std::string queue;       // guest's name of it; empty if only the host's is known
  std::string host_queue;  // empty if only the guest's is known
  std::string identity;    // empty: of the queue as a whole
  Verdict before = Verdict::kInconclusive;
  Verdict verdict = Verdict::kInconclusive;
  std::string why;
  int64_t from_real_ns = 0;  // the window that was evaluated
  int64_t to_real_ns = 0;
  friend bool operator==(const VerdictChange&, const VerdictChange&) = default;
};

enum class FindingStep : int { kAppeared = 1, kChanged, kEnded };
std::string_view FindingStepName(FindingStep step);  // "appeared", "changed", "ended"

struct FindingChange {
  int64_t at_real_ns = 0;
  FindingStep step = FindingStep::kAppeared;
  uint64_t episode = 0;  // one finding from its appearing to its end; unique per evaluator
  std::string cause;     // CauseId
  std::string queue;
  std::string host_queue;
  bool root = false;
  std::string caused_by;  // JSON array of ids
  std::string certainty;
  int64_t since_real_ns = 0;
  std::string title;
  std::string detail;  // the finding as a JSON object (FindingJson)
  friend bool operator==(const FindingChange&, const FindingChange&) = default;
};

using EvaluationChange = std::variant<VerdictChange, FindingChange>;

// Whoever evaluated: one run of a recorder.
struct EvaluatorInfo {
  std::string recorder;
  int64_t begun_real_ns = 0;  // time of its first change; with `recorder`, what tells it apart
  std::string file;           // name of the file it was written to first
};

// `finding` as it is stored, its lists and texts bounded.
FindingChange MakeFindingChange(int64_t at_real_ns, FindingStep step, uint64_t episode,
                                const Finding& finding);

// Makes texts valid UTF-8 without control characters and cuts them to what the store takes.
void CleanChange(EvaluationChange& change);

size_t ApproximateBytes(const EvaluationChange& change);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_EVALUATION_H_
