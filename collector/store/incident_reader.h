// SPDX-License-Identifier: Apache-2.0
// Reads incident files: closed ones, ones that are being written, ones left behind by kill -9, and
// whatever else somebody hands over under that name.
//
// Called by the CLI. Functions are free of shared state, any thread; an IncidentDb belongs to one
// thread at a time. Files are opened read-only and taken as hostile: no code in them runs, and what
// is returned is within the limits of proto/convert.h. Every failure is one line that begins with
// the path:
//   NOT_FOUND            no such file, or a directory without incidents
//   PERMISSION_DENIED
//   INVALID_ARGUMENT     not a ringside incident
//   FAILED_PRECONDITION  made by a newer ringside
//   DATA_LOSS            damaged or cut short
//   RESOURCE_EXHAUSTED, UNAVAILABLE   no room for a temporary copy; the disk failed
#ifndef RINGSIDE_COLLECTOR_STORE_INCIDENT_READER_H_
#define RINGSIDE_COLLECTOR_STORE_INCIDENT_READER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "correlate/recording.h"
#include "correlate/records.h"

struct sqlite3;

namespace ringside {

// Everything in the incident but its detail events. `path` is a file or a collector's store: a
// directory, whose files are read as one, each stream's records joined by their numbers.
absl::StatusOr<Recording> ReadIncident(const std::string& path);

// The same of a window of time on the incident's axis, from the last full snapshot before it to the
// first one after it (slice.h): takes as long as what is in the window, not as the whole.
absl::StatusOr<Recording> ReadPart(const std::string& path, int64_t from_ns, int64_t to_ns);

// How far a stream has been stored.
struct CommittedStream {
  uint64_t number = 0;  // newest record, and
  uint64_t hash = 0;    // its fingerprint; 0 if it is in no file that can be read
  uint64_t event = 0;   // newest event
};

// Every stream in the files of a store. Files that cannot be read are left out and named in
// `warnings`.
std::map<StreamKey, CommittedStream> CommittedStreams(const std::string& directory,
                                                      std::vector<std::string>& warnings);

// An incident opened for SQL, with the `events` table (events_table.h) registered. A directory of
// several files is joined into a temporary one first, which lives as long as this object.
class IncidentDb {
 public:
  static absl::StatusOr<std::unique_ptr<IncidentDb>> Open(const std::string& path);
  ~IncidentDb();
  IncidentDb(const IncidentDb&) = delete;
  IncidentDb& operator=(const IncidentDb&) = delete;
  sqlite3* db() const;

 private:
  class Impl;
  explicit IncidentDb(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_INCIDENT_READER_H_
