// SPDX-License-Identifier: Apache-2.0
// New incident files made of others: several joined, or a part of one saved. Called by the CLI and
// by the collector for those who fetch; free of shared state, any thread. Statuses as in
// incident_reader.h, ALREADY_EXISTS if `output` does, RESOURCE_EXHAUSTED if it finds no room; what
// was begun is removed.
#ifndef RINGSIDE_COLLECTOR_STORE_INCIDENT_COPY_H_
#define RINGSIDE_COLLECTOR_STORE_INCIDENT_COPY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "correlate/records.h"

namespace ringside {

class IncidentWriter;

// Joins files into a new one. The same stream in several of them is joined by its numbers; equal
// duplicates are dropped. ALREADY_EXISTS also if two files disagree about the same record.
absl::Status MergeIncidents(const std::vector<std::string>& inputs, const std::string& output);

struct SaveOptions {
  // On the incident's axis, the recorder's REALTIME; nothing: from the beginning, to the end.
  std::optional<int64_t> from_ns;
  std::optional<int64_t> to_ns;
  bool redact = false;  // see redact.h; what the recorder itself found is left out then
  // Called between records, now and then, with how many were written; a failure ends it.
  std::function<absl::Status(uint64_t records)> progress;
};

// A closed file with what an incident (a file or a store) has in a window: see slice.h for what
// that is. The incident may be written meanwhile. OUT_OF_RANGE if it has nothing there.
absl::Status SaveIncident(const std::string& path, const SaveOptions& options,
                          const std::string& output);

// A file in a directory of its own under TMPDIR; both are removed when this goes.
class TemporaryDirectory;
class TemporaryIncident {
 public:
  // A name for a file that somebody else will make.
  static absl::StatusOr<std::unique_ptr<TemporaryIncident>> Create();
  ~TemporaryIncident();
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryIncident(std::unique_ptr<TemporaryDirectory> directory);
  std::unique_ptr<TemporaryDirectory> directory_;
  std::string path_;
};
absl::StatusOr<std::unique_ptr<TemporaryIncident>> SaveTemporary(const std::string& path,
                                                                 const SaveOptions& options);

// Begins `to` with what streams are about, as the file `from` has it; each with the number up to
// which that file has its records. Used where a store goes on in a new file.
absl::Status ContinueStreams(const std::string& from, const std::map<StreamKey, uint64_t>& streams,
                             IncidentWriter& to);

// When an incident begins and ends, on its axis: first and last snapshot. Does not read any counts.
struct IncidentSpan {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
};
absl::StatusOr<IncidentSpan> SpanOf(const std::string& path);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_INCIDENT_COPY_H_
