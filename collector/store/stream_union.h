// SPDX-License-Identifier: Apache-2.0
// The records of one stream out of all the files that have parts of it, each once, in order. Used
// by reading and joining; one thread.
#ifndef RINGSIDE_COLLECTOR_STORE_STREAM_UNION_H_
#define RINGSIDE_COLLECTOR_STORE_STREAM_UNION_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collector/store/incident_source.h"
#include "correlate/records.h"

namespace ringside {

struct StreamPart {
  IncidentSource* source = nullptr;
  SourceStream stream;
};

// The streams of all sources, in the order in which they first appear, each with its parts. A
// source must not appear twice.
std::vector<std::vector<StreamPart>> StreamsOf(
    const std::vector<std::unique_ptr<IncidentSource>>& sources);

struct UnionOptions {
  bool with_chunks = true;  // else event chunks come empty
  // Numbers wanted. From below the first of them come the newest Hello, the newest word on each
  // queue and the newest value of each setting.
  uint64_t first = 0;
  uint64_t last = UINT64_MAX;
  // Called if two files disagree about a record; the first one's is taken. If it is not set, that
  // ends the union with ALREADY_EXISTS.
  std::function<void(const std::string& what)> on_conflict;
};

// Calls `take` with a Hello, then with every numbered record, numbers growing, and then with what
// the recorders added, as number 0 and without repeats. Ends early if `take` fails.
absl::Status ForEachRecord(const std::vector<StreamPart>& parts, const UnionOptions& options,
                           const std::function<absl::Status(NumberedRecord)>& take);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_STREAM_UNION_H_
