// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "collector/store/incident_reader.h"
#include "collector/store/incident_set.h"
#include "proto/chunk.h"
#include "proto/convert.h"
#include "proto/texts.h"

namespace ringside {
namespace {

// Rows that refer to others which are not there.
struct Orphans {
  const char* what;
  const char* sql;
};
constexpr Orphans kOrphans[] = {
    {"counts of a snapshot that is not there",
     "SELECT count(*) FROM samples WHERE snapshot NOT IN (SELECT id FROM snapshots)"},
    {"counts of a series that is not there",
     "SELECT count(*) FROM samples WHERE series NOT IN (SELECT id FROM series)"},
    {"gauges of a snapshot that is not there",
     "SELECT count(*) FROM gauges WHERE snapshot NOT IN (SELECT id FROM snapshots)"},
    {"series of a queue that is not there",
     "SELECT count(*) FROM series WHERE queue NOT IN (SELECT id FROM queues)"},
    {"descriptions of a queue that is not there",
     "SELECT count(*) FROM queue_versions WHERE queue NOT IN (SELECT id FROM queues)"},
    {"queues of a stream that is not there",
     "SELECT count(*) FROM queues WHERE stream NOT IN (SELECT id FROM streams)"},
    {"records of a stream that is not there",
     "SELECT count(*) FROM records WHERE stream NOT IN (SELECT id FROM streams)"},
    {"streams of a node that is not there",
     "SELECT count(*) FROM streams WHERE node NOT IN (SELECT id FROM nodes)"},
    {"event chunks that no record names",
     "SELECT count(*) FROM event_chunks WHERE id NOT IN (SELECT ref FROM records WHERE kind = 5)"},
    {"snapshots that no record names",
     "SELECT count(*) FROM snapshots WHERE id NOT IN (SELECT ref FROM records WHERE kind = 3)"},
};

class Checker {
 public:
  Checker(std::string file, CheckReport& report) : file_(std::move(file)), report_(report) {}

  void Check(IncidentSource& source);
  void Problem(std::string what) {
    ++report_.problem_count;
    AddLine(report_.problems, std::move(what));
  }

 private:
  void AddLine(std::vector<CheckLine>& lines, std::string what) {
    if (lines.size() >= kCheckLinesMax) return;
    CleanText(what, kTextBytesMax);
    lines.push_back({file_, std::move(what)});
  }
  void Note(const absl::Status& status) {
    if (!status.ok()) Problem(Plain(status));
  }
  // Messages of the store begin with the path, which the line has anyway.
  std::string Plain(const absl::Status& status) const {
    const std::string text = StatusText(status);
    return text.starts_with(file_ + ": ") ? text.substr(file_.size() + 2) : text;
  }
  absl::Status CheckSqlite(IncidentSource& source);
  absl::Status CheckOrphans(IncidentSource& source);
  absl::Status CheckStream(IncidentSource& source, const SourceStream& stream);
  absl::Status CheckNumbers(IncidentSource& source, const SourceStream& stream, uint64_t last,
                            uint64_t missing);
  absl::Status CheckChunks(IncidentSource& source);
  void CheckChunk(int64_t id, const EventChunk& chunk, std::vector<ChunkQueue> said, bool exact);
  absl::Status NoteGaps(IncidentSource& source);

  const std::string file_;
  CheckReport& report_;
};

void Checker::Check(IncidentSource& source) {
  ++report_.files;
  Note(CheckSqlite(source));
  Note(CheckOrphans(source));
  for (const SourceStream& stream : source.streams()) {
    ++report_.streams;
    Note(CheckStream(source, stream));
  }
  Note(CheckChunks(source));
  Note(NoteGaps(source));
}

absl::Status Checker::CheckSqlite(IncidentSource& source) {
  absl::StatusOr<SqlStatement> check = source.db().Prepare("PRAGMA integrity_check(20)");
  if (!check.ok()) return check.status();
  absl::StatusOr<bool> row = check->Next();
  for (; row.ok() && *row; row = check->Next()) {
    std::string line = check->Text(0);
    std::replace(line.begin(), line.end(), '\n', ' ');
    if (line != "ok") Problem("SQLite: " + line);
  }
  return row.status();
}

absl::Status Checker::CheckOrphans(IncidentSource& source) {
  for (const Orphans& orphans : kOrphans) {
    const absl::StatusOr<std::string> count = source.db().Query(orphans.sql);
    if (!count.ok()) return count.status();
    if (*count != "0") Problem(fmt::format("{} {}", *count, orphans.what));
  }
  return absl::OkStatus();
}

absl::Status Checker::CheckStream(IncidentSource& source, const SourceStream& stream) {
  if (absl::Status status = source.Rewind(stream.id); !status.ok()) return status;
  uint64_t last = stream.base_number;
  uint64_t missing = 0;
  bool hello = false;
  for (;;) {
    const absl::StatusOr<std::optional<SourceEntry>> entry = source.Next();
    if (!entry.ok()) return entry.status();
    if (!*entry) break;
    ++report_.records;
    hello |= (*entry)->kind == RecordKind::kHello;
    if ((*entry)->number > last) {
      missing += (*entry)->number - last - 1;
      last = (*entry)->number;
    }
    const std::string name =
        fmt::format("stream {}: record {}", stream.key.instance, (*entry)->number);
    absl::StatusOr<Record> record = source.Load(**entry);
    const bool unknown = source.TakeUnknownRows() > 0;  // of a newer version: left out
    if (!record.ok()) {
      Problem(fmt::format("{}: {}", name, Plain(record.status())));
    } else if (!unknown && Fingerprint({(*entry)->number, *record}) != (*entry)->hash) {
      Problem(name + " is not what was written: its hash is another");
    }
  }
  if (!hello) Problem(fmt::format("stream {}: it has no Hello", stream.key.instance));
  return CheckNumbers(source, stream, last, missing);
}

absl::Status Checker::CheckNumbers(IncidentSource& source, const SourceStream& stream,
                                   uint64_t last, uint64_t missing) {
  absl::StatusOr<SqlStatement> row =
      source.db().Prepare("SELECT last_number, missing_numbers FROM streams WHERE id = ?1");
  if (!row.ok()) return row.status();
  const absl::StatusOr<bool> there = row->Bind(stream.id).Next();
  if (!there.ok() || !*there) return there.status();
  if (row->Unsigned(0) != last) {
    Problem(fmt::format("stream {}: its last record is {}, and {} is stated", stream.key.instance,
                        last, row->Unsigned(0)));
  }
  if (row->Unsigned(1) != missing) {
    Problem(fmt::format("stream {}: {} records are missing, and {} are stated", stream.key.instance,
                        missing, row->Unsigned(1)));
  }
  return absl::OkStatus();
}

auto KeyOf(const ChunkQueue& queue) { return std::pair(queue.queue, queue.kind); }

// Chunks by their ids, and beside them the index, sorted alike.
absl::Status Checker::CheckChunks(IncidentSource& source) {
  const absl::StatusOr<std::string> version = source.db().Query("PRAGMA user_version");
  if (!version.ok()) return version.status();
  const bool exact = *version != "1" && *version != "2";
  absl::StatusOr<SqlStatement> chunks = source.db().Prepare(
      "SELECT id, first_number, count, from_mono_ns, to_mono_ns, data FROM event_chunks"
      " ORDER BY id");
  if (!chunks.ok()) return chunks.status();
  absl::StatusOr<SqlStatement> index = source.db().Prepare(
      "SELECT c.chunk, q.queue, c.kind, c.events, c.from_mono_ns, c.to_mono_ns, c.pos_min,"
      " c.pos_max, c.number_min, c.number_max FROM chunk_ranges c"
      " LEFT JOIN queues q ON q.id = c.queue ORDER BY c.chunk");
  if (!index.ok()) return index.status();
  absl::StatusOr<bool> entry = index->Next();
  absl::StatusOr<bool> row = chunks->Next();
  for (; row.ok() && *row; row = chunks->Next()) {
    const int64_t id = chunks->Int(0);
    std::vector<ChunkQueue> said;
    for (; entry.ok() && *entry && index->Int(0) <= id; entry = index->Next()) {
      if (index->Int(0) < id) {
        Problem(fmt::format("the index names event chunk {}, which is not there", index->Int(0)));
        continue;
      }
      said.push_back({QueueId{static_cast<uint32_t>(index->Int(1))},
                      static_cast<uint16_t>(index->Int(2)), index->Unsigned(3), index->Int(4),
                      index->Int(5), index->Unsigned(6), index->Unsigned(7), index->Unsigned(8),
                      index->Unsigned(9)});
    }
    if (!entry.ok()) return entry.status();
    CheckChunk(id,
               EventChunk{chunks->Unsigned(1), chunks->Unsigned(2), chunks->Int(3), chunks->Int(4),
                          chunks->Text(5)},
               std::move(said), exact);
  }
  if (!row.ok()) return row.status();
  if (entry.ok() && *entry) {
    Problem(fmt::format("the index names event chunk {}, which is not there", index->Int(0)));
  }
  return entry.status();
}

void Checker::CheckChunk(int64_t id, const EventChunk& chunk, std::vector<ChunkQueue> said,
                         bool exact) {
  ++report_.chunks;
  absl::StatusOr<std::vector<ChunkQueue>> holds = IndexChunk(chunk);
  if (!holds.ok()) return Problem(fmt::format("chunk {}: {}", id, Plain(holds.status())));
  report_.events += chunk.count;
  if (!exact) {  // what the older index does not know
    for (ChunkQueue& queue : *holds) {
      queue.from_mono_ns = chunk.from_mono_ns;
      queue.to_mono_ns = chunk.to_mono_ns;
      queue.number_min = 0;
      queue.number_max = kCountMax;
    }
  }
  const auto before = [](const ChunkQueue& a, const ChunkQueue& b) { return KeyOf(a) < KeyOf(b); };
  std::sort(said.begin(), said.end(), before);
  if (said != *holds)
    Problem(fmt::format("event chunk {} holds other events than its index says", id));
}

absl::Status Checker::NoteGaps(IncidentSource& source) {
  absl::StatusOr<SqlStatement> gaps = source.db().Prepare(
      "SELECT g.what, s.instance FROM gaps g LEFT JOIN streams s ON s.id = g.stream ORDER BY g.id");
  if (!gaps.ok()) return gaps.status();
  absl::StatusOr<bool> row = gaps->Next();
  for (; row.ok() && *row; row = gaps->Next()) {
    AddLine(report_.gaps, gaps->IsNull(1)
                              ? gaps->Text(0)
                              : fmt::format("stream {}: {}", gaps->Text(1), gaps->Text(0)));
  }
  return row.status();
}

// What only shows in all files of a store together: records that they do not agree about, and
// numbers that neither has.
void CheckTogether(const std::string& path, CheckReport& report) {
  const absl::StatusOr<Recording> recording = ReadIncident(path);
  Checker checker(path, report);
  if (!recording.ok()) return checker.Problem(StatusText(recording.status()));
  for (const RecorderGap& gap : recording->gaps) {
    if (gap.what.find(" disagree about record ") != std::string::npos) checker.Problem(gap.what);
  }
}

}  // namespace

absl::StatusOr<CheckReport> CheckIncident(const std::string& path) {
  std::vector<std::string> files = {path};
  if (IsDirectory(path)) {
    absl::StatusOr<std::vector<std::string>> found = FilesIn(path);
    if (!found.ok()) return found.status();
    files = *std::move(found);
  }
  CheckReport report;
  for (const std::string& file : files) {
    const absl::StatusOr<std::unique_ptr<IncidentSource>> source = IncidentSource::Open(file);
    const bool nothing =
        absl::IsNotFound(source.status()) || absl::IsPermissionDenied(source.status());
    if (nothing && files.size() == 1) return source.status();
    if (source.ok()) {
      Checker(file, report).Check(**source);
    } else {
      ++report.files;
      const std::string text = StatusText(source.status());
      Checker(file, report)
          .Problem(text.starts_with(file + ": ") ? text.substr(file.size() + 2) : text);
    }
  }
  if (files.size() > 1 && report.problem_count == 0) CheckTogether(path, report);
  return report;
}

}  // namespace ringside
