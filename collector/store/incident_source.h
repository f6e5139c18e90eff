// SPDX-License-Identifier: Apache-2.0
// The records in one incident file, stream by stream: what reading, joining and checking go
// through. Used inside collector/store.
//
// All reads see the file as it was when it was opened, also while it is being written. Values are
// checked as they come: what is returned is as safe as what the wire's decoder lets through. One
// thread; the cursor is on one stream at a time.
#ifndef RINGSIDE_COLLECTOR_STORE_INCIDENT_SOURCE_H_
#define RINGSIDE_COLLECTOR_STORE_INCIDENT_SOURCE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/evaluation_rows.h"
#include "collector/store/incident_file.h"
#include "collector/store/schema.h"
#include "correlate/recording.h"
#include "correlate/records.h"

namespace ringside {

struct SourceStream {
  int64_t id = 0;
  StreamKey key;
  uint64_t base_number = 0;  // numbers up to this one are in an earlier file
};

// A record's place, before it is loaded.
struct SourceEntry {
  uint64_t number = 0;
  RecordKind kind{};
  int64_t ref = 0;
  int64_t size = 0;
  uint64_t hash = 0;
};

// Where a snapshot is, without what it counted.
struct SnapshotTime {
  uint64_t number = 0;
  bool full = false;
  ClockReading begin;
  ClockReading end;
};

class IncidentSource {
 public:
  static absl::StatusOr<std::unique_ptr<IncidentSource>> Open(const std::string& path);

  const std::string& path() const { return file_.db.path(); }
  Db& db() { return file_.db; }
  const std::vector<SourceStream>& streams() const { return streams_; }
  // recorder, closed, merged, the times and the recorder's own gaps; no streams.
  const Recording& about() const { return about_; }

  // Puts the cursor before the stream's first record with that number or a higher one.
  absl::Status Rewind(int64_t stream, uint64_t from_number = 1);
  // The next numbered record's place, nothing after the last.
  absl::StatusOr<std::optional<SourceEntry>> Next();
  absl::StatusOr<Record> Load(const SourceEntry& entry);
  absl::StatusOr<std::optional<SourceEntry>> FirstHello(int64_t stream);
  // Every record below that number which says what the stream is about: Hello, queues, settings.
  absl::StatusOr<std::vector<SourceEntry>> ContextBelow(int64_t stream, uint64_t number);
  absl::StatusOr<std::vector<SnapshotTime>> SnapshotTimes(int64_t stream);
  // Lowest and highest number of the event chunks that reach into a time of the stream's own.
  absl::StatusOr<std::optional<std::pair<uint64_t, uint64_t>>> ChunkNumbers(int64_t stream,
                                                                            int64_t from_mono_ns,
                                                                            int64_t to_mono_ns);
  absl::StatusOr<std::vector<Fact>> FactsNamed(int64_t stream, const std::string& name);
  // What the recorder added to the stream, without numbers: clock exchanges, gaps, and the end of
  // what was saved of it.
  absl::StatusOr<std::vector<Record>> Additions(int64_t stream);

  // Every change of a verdict or finding in the file.
  absl::Status ForEachChange(const std::function<absl::Status(NumberedChange)>& take) {
    return ringside::ForEachChange(file_.db, take);
  }

  // Rows left out since the last call, because their count or gauge is unknown to this version.
  uint64_t TakeUnknownRows();

 private:
  struct SeriesRow {
    uint32_t queue = 0;
    std::optional<uint32_t> name;  // Count or Gauge; none if unknown
    uint32_t hook = 0;
  };
  explicit IncidentSource(IncidentFile file) : file_(std::move(file)) {}
  absl::Status ReadAbout();
  absl::Status ReadStreams();
  absl::Status ReadSeries();

  absl::StatusOr<Record> LoadHello(const SourceEntry& entry);
  absl::StatusOr<Record> LoadQueue(const SourceEntry& entry);
  absl::StatusOr<Record> LoadSnapshot(const SourceEntry& entry);
  absl::Status LoadSamples(int64_t snapshot_id, Snapshot& snapshot);
  absl::Status LoadParts(int64_t snapshot_id, Snapshot& snapshot);
  absl::StatusOr<Record> LoadMarks(const SourceEntry& entry);
  absl::Status LoadMarkCounts(int64_t mark_id, Mark& mark);
  absl::StatusOr<Record> LoadChunk(const SourceEntry& entry);
  absl::StatusOr<Record> LoadLog(const SourceEntry& entry);
  absl::StatusOr<Record> LoadFact(const SourceEntry& entry);
  absl::StatusOr<Record> LoadClock(const SourceEntry& entry);
  absl::StatusOr<Record> LoadGap(const SourceEntry& entry);
  absl::StatusOr<Record> LoadBye(const SourceEntry& entry);

  absl::StatusOr<SourceEntry> Entry(const SqlStatement& row) const;
  absl::Status Damaged(const char* what) const;
  // Prepares on first use; `sql` must be a literal.
  absl::StatusOr<SqlStatement*> Prepared(const char* sql);
  // Binds and steps to the one row there must be.
  absl::StatusOr<SqlStatement*> Row(const char* sql, int64_t id);
  IncidentFile file_;
  std::unordered_map<const char*, SqlStatement> statements_;
  std::vector<SourceStream> streams_;
  Recording about_;
  std::unordered_map<int64_t, uint32_t> queues_;              // rows -> the stream's ids
  std::unordered_map<int64_t, std::optional<Count>> counts_;  // the file's numbers -> ours
  std::unordered_map<int64_t, SeriesRow> series_;
  std::unordered_map<int64_t, SeriesRow> gauge_series_;
  uint64_t unknown_rows_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_INCIDENT_SOURCE_H_
