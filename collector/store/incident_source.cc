// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_source.h"

#include <fmt/format.h>

#include <utility>

#include "proto/convert.h"
#include "proto/texts.h"

namespace ringside {

absl::StatusOr<std::unique_ptr<IncidentSource>> IncidentSource::Open(const std::string& path) {
  absl::StatusOr<IncidentFile> file = OpenIncidentFile(path);
  if (!file.ok()) return file.status();
  std::unique_ptr<IncidentSource> source(new IncidentSource(*std::move(file)));
  // One view of the file for everything that follows.
  if (absl::Status status = source->file_.db.Exec("BEGIN"); !status.ok()) return status;
  if (absl::Status status = source->ReadAbout(); !status.ok()) return status;
  if (absl::Status status = source->ReadStreams(); !status.ok()) return status;
  if (absl::Status status = source->ReadSeries(); !status.ok()) return status;
  return source;
}

absl::Status IncidentSource::ReadAbout() {
  absl::StatusOr<SqlStatement*> meta = Prepared("SELECT key, value FROM meta");
  if (!meta.ok()) return meta.status();
  absl::StatusOr<bool> row = (*meta)->Bind().Next();
  for (; row.ok() && *row; row = (*meta)->Next()) {
    const std::string key = (*meta)->Text(0);
    if (key == "recorder") about_.recorder = (*meta)->Text(1);
    if (key == "closed") about_.closed = (*meta)->Int(1) == 1;
    if (key == "merged") about_.merged = (*meta)->Int(1) == 1;
    if (key == "real_from_ns") about_.real_from_ns = (*meta)->Int(1);
    if (key == "real_to_ns") about_.real_to_ns = (*meta)->Int(1);
    if (key == "saved_from_ns") about_.saved_from_ns = (*meta)->Int(1);
    if (key == "saved_to_ns") about_.saved_to_ns = (*meta)->Int(1);
  }
  if (!row.ok()) return row.status();
  CleanText(about_.recorder, kNameBytesMax);
  absl::StatusOr<SqlStatement*> gaps =
      Prepared("SELECT from_real_ns, to_real_ns, what FROM gaps WHERE stream IS NULL ORDER BY id");
  if (!gaps.ok()) return gaps.status();
  for (row = (*gaps)->Bind().Next(); row.ok() && *row; row = (*gaps)->Next()) {
    RecorderGap gap{(*gaps)->Int(0), (*gaps)->Int(1), (*gaps)->Text(2)};
    CleanText(gap.what, kTextBytesMax);
    about_.gaps.push_back(std::move(gap));
  }
  return row.status();
}

absl::Status IncidentSource::ReadStreams() {
  absl::StatusOr<SqlStatement*> select = Prepared(
      "SELECT s.id, n.machine_id, n.boot_id, s.instance, s.base_number FROM streams s"
      " JOIN nodes n ON n.id = s.node ORDER BY s.id");
  if (!select.ok()) return select.status();
  absl::StatusOr<bool> row = (*select)->Bind().Next();
  for (; row.ok() && *row; row = (*select)->Next()) {
    SourceStream stream;
    stream.id = (*select)->Int(0);
    stream.key = StreamKey{(*select)->Text(1), (*select)->Text(2), (*select)->Text(3)};
    for (std::string* text : {&stream.key.machine_id, &stream.key.boot_id, &stream.key.instance}) {
      CleanText(*text, kNameBytesMax);
    }
    stream.base_number = (*select)->Unsigned(4);
    streams_.push_back(std::move(stream));
  }
  return row.status();
}

absl::Status IncidentSource::ReadSeries() {
  absl::StatusOr<SqlStatement*> queues = Prepared("SELECT id, queue FROM queues");
  if (!queues.ok()) return queues.status();
  absl::StatusOr<bool> row = (*queues)->Bind().Next();
  for (; row.ok() && *row; row = (*queues)->Next()) {
    queues_[(*queues)->Int(0)] = static_cast<uint32_t>((*queues)->Int(1));
  }
  if (!row.ok()) return row.status();
  absl::StatusOr<SqlStatement*> counts = Prepared("SELECT id, name FROM count_names");
  if (!counts.ok()) return counts.status();
  for (row = (*counts)->Bind().Next(); row.ok() && *row; row = (*counts)->Next()) {
    counts_[(*counts)->Int(0)] = CountByName((*counts)->Text(1));
  }
  if (!row.ok()) return row.status();
  absl::StatusOr<SqlStatement*> series = Prepared(
      "SELECT s.id, q.queue, c.name, s.hook FROM series s JOIN queues q ON q.id = s.queue"
      " JOIN count_names c ON c.id = s.count");
  if (!series.ok()) return series.status();
  for (row = (*series)->Bind().Next(); row.ok() && *row; row = (*series)->Next()) {
    SeriesRow& entry = series_[(*series)->Int(0)];
    entry.queue = static_cast<uint32_t>((*series)->Int(1));
    if (const std::optional<Count> count = CountByName((*series)->Text(2))) {
      entry.name = static_cast<uint32_t>(*count);
    }
    entry.hook = static_cast<uint32_t>((*series)->Int(3));
  }
  if (!row.ok()) return row.status();
  absl::StatusOr<SqlStatement*> gauges = Prepared(
      "SELECT s.id, q.queue, g.name FROM gauge_series s JOIN queues q ON q.id = s.queue"
      " JOIN gauge_names g ON g.id = s.gauge");
  if (!gauges.ok()) return gauges.status();
  for (row = (*gauges)->Bind().Next(); row.ok() && *row; row = (*gauges)->Next()) {
    SeriesRow& entry = gauge_series_[(*gauges)->Int(0)];
    entry.queue = static_cast<uint32_t>((*gauges)->Int(1));
    if (const std::optional<Gauge> gauge = GaugeByName((*gauges)->Text(2))) {
      entry.name = static_cast<uint32_t>(*gauge);
    }
  }
  return row.status();
}

namespace {

constexpr char kNextSql[] =
    "SELECT number, kind, ref, size, hash FROM records WHERE stream = ?1 AND number >= ?2"
    " ORDER BY number";

}  // namespace

absl::Status IncidentSource::Rewind(int64_t stream, uint64_t from_number) {
  absl::StatusOr<SqlStatement*> next = Prepared(kNextSql);
  if (!next.ok()) return next.status();
  // Also what is below the lowest number there can be: it is damage, and said to be.
  (*next)->Bind(stream, from_number <= 1 ? INT64_MIN : static_cast<int64_t>(from_number));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SourceEntry>> IncidentSource::Next() {
  absl::StatusOr<SqlStatement*> next = Prepared(kNextSql);
  if (!next.ok()) return next.status();
  const absl::StatusOr<bool> row = (*next)->Next();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<SourceEntry>();
  absl::StatusOr<SourceEntry> entry = Entry(**next);
  if (!entry.ok()) return entry.status();
  return std::optional<SourceEntry>(*entry);
}

absl::StatusOr<SourceEntry> IncidentSource::Entry(const SqlStatement& row) const {
  SourceEntry entry;
  entry.number = row.Unsigned(0);
  const int64_t kind = row.Int(1);
  if (entry.number == 0 || entry.number > kCountMax || kind < 1 ||
      kind > static_cast<int64_t>(RecordKind::kBye)) {
    return Damaged("a record's number or kind");
  }
  entry.kind = static_cast<RecordKind>(kind);
  entry.ref = row.Int(2);
  entry.size = row.Int(3);
  entry.hash = row.Unsigned(4);
  return entry;
}

uint64_t IncidentSource::TakeUnknownRows() { return std::exchange(unknown_rows_, 0); }

absl::Status IncidentSource::Damaged(const char* what) const {
  return absl::DataLossError(fmt::format("{}: damaged ({})", path(), what));
}

absl::StatusOr<SqlStatement*> IncidentSource::Prepared(const char* sql) {
  SqlStatement& statement = statements_[sql];
  if (!statement) {
    absl::StatusOr<SqlStatement> made = file_.db.Prepare(sql);
    if (!made.ok()) return made.status();
    statement = *std::move(made);
  }
  return &statement;
}

absl::StatusOr<SqlStatement*> IncidentSource::Row(const char* sql, int64_t id) {
  absl::StatusOr<SqlStatement*> select = Prepared(sql);
  if (!select.ok()) return select;
  const absl::StatusOr<bool> row = (*select)->Bind(id).Next();
  if (!row.ok()) return row.status();
  if (!*row) return Damaged("a record whose row is missing");
  return select;
}

}  // namespace ringside
