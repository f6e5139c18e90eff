// SPDX-License-Identifier: Apache-2.0
// Records into rows: the SQL half of IncidentWriter, within whatever transaction is open.
//
// Keeps the ids it has looked up or made. After a transaction that was rolled back they may be
// wrong: its owner throws the RecordWriter away and makes a new one, which looks them up again. One
// thread.
#ifndef RINGSIDE_COLLECTOR_STORE_RECORD_WRITER_H_
#define RINGSIDE_COLLECTOR_STORE_RECORD_WRITER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "collector/store/schema.h"
#include "collector/store/sqlite.h"
#include "correlate/recording.h"
#include "correlate/records.h"
#include "proto/chunk.h"

namespace ringside {

// A stream as IncidentWriter knows it.
struct WriterStream {
  StreamKey key;
  bool known = false;                           // its Hello was appended
  uint64_t base_number = 0;                     // numbers up to this one are in an earlier file
  uint64_t accepted_number = 0;                 // newest that was appended
  uint64_t committed_number = 0;                // newest that is safe
  std::map<uint64_t, uint64_t> pending_hashes;  // by number, of what is not yet committed
};

struct PendingRecord {
  WriterStream* stream = nullptr;
  NumberedRecord record;
  bool context = false;  // from before the stream's base
  uint64_t hash = 0;
  std::vector<ChunkQueue> chunk_index;
  size_t bytes = 0;
};

class RecordWriter {
 public:
  explicit RecordWriter(Db* db) : db_(*db) {}

  absl::Status Write(const PendingRecord& pending);
  absl::Status Write(const RecorderGap& gap);
  // What changed about streams since the last call; before the transaction is committed.
  absl::Status WriteStreams();

 private:
  struct StreamRow {
    int64_t id = 0;
    uint64_t last_number = 0;
    uint64_t missing_numbers = 0;
    uint64_t last_sequence = 0;
    int64_t last_mono_ns = 0;
    bool dirty = false;
    std::unordered_map<uint32_t, int64_t> queues;  // the stream's id -> row of its generation
  };

  StreamRow* FindStream(const PendingRecord& pending);
  StreamRow* MakeStream(const PendingRecord& pending, const Hello& hello);
  int64_t FindNode(const Hello& hello);
  int64_t FindQueue(StreamRow& stream, QueueId id);
  int64_t FindGeneration(StreamRow& stream, QueueId id, uint32_t generation);
  int64_t FindSeries(int64_t queue, Count count, HookId hook);
  int64_t FindGaugeSeries(int64_t queue, Gauge gauge);
  int64_t FindLabel(const std::string& label);
  void NoteHole(StreamRow& stream, const PendingRecord& pending);

  // Each writes its rows, sets size_ if there are several, and gives the id of the (first) row.
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const Hello& hello);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const QueueInfo& queue);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const Snapshot& snapshot);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const Marks& marks);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const EventChunk& chunk);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const LogLine& line);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const Fact& fact);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const ClockExchange& exchange);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const Gap& gap);
  int64_t Body(StreamRow& stream, const PendingRecord& pending, const Bye& bye);
  void WriteSamples(StreamRow& stream, int64_t snapshot_id, const Snapshot& snapshot);
  void WriteParts(StreamRow& stream, int64_t snapshot_id, const Snapshot& snapshot);

  // The first failure is kept, and nothing is run after it. `sql` must be a literal: statements are
  // kept by its address.
  bool failed() const { return !status_.ok(); }
  SqlStatement& Prepared(const char* sql);
  template <typename... Values>
  int64_t Run(const char* sql, const Values&... values) {
    if (failed()) return 0;
    SqlStatement& statement = Prepared(sql);
    if (failed()) return 0;
    status_ = statement.Bind(values...).Run();
    return failed() ? 0 : db_.last_id();
  }
  // The first column of the first row; 0 if there is none.
  template <typename... Values>
  int64_t Select(const char* sql, const Values&... values) {
    if (failed()) return 0;
    SqlStatement& statement = Prepared(sql);
    if (failed()) return 0;
    const absl::StatusOr<bool> row = statement.Bind(values...).Next();
    if (!row.ok()) status_ = row.status();
    const int64_t value = row.ok() && *row ? statement.Int(0) : 0;
    statement.Bind();  // resets it: an open row would hold the transaction
    return value;
  }

  Db& db_;
  absl::Status status_;
  int64_t size_ = 0;
  std::unordered_map<const char*, SqlStatement> statements_;
  std::map<const WriterStream*, StreamRow> streams_;
  std::map<std::pair<int64_t, uint32_t>, int64_t> series_;  // (queue, count and hook)
  std::map<std::pair<int64_t, uint32_t>, int64_t> gauge_series_;
  std::unordered_map<std::string, int64_t> labels_;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_RECORD_WRITER_H_
