// SPDX-License-Identifier: Apache-2.0
// What reading a part of a stream takes: where things are, and what holds from before.
#include <limits>

#include "collector/store/incident_source.h"

namespace ringside {

absl::StatusOr<std::optional<SourceEntry>> IncidentSource::FirstHello(int64_t stream) {
  absl::StatusOr<SqlStatement*> row = Prepared(
      "SELECT number, kind, ref, size, hash FROM records WHERE stream = ?1 AND kind = 1"
      " ORDER BY number LIMIT 1");
  if (!row.ok()) return row.status();
  const absl::StatusOr<bool> there = (*row)->Bind(stream).Next();
  if (!there.ok()) return there.status();
  if (!*there) return std::optional<SourceEntry>();
  const absl::StatusOr<SourceEntry> entry = Entry(**row);
  (*row)->Bind();  // resets it
  if (!entry.ok()) return entry.status();
  return std::optional<SourceEntry>(*entry);
}

absl::StatusOr<std::vector<SourceEntry>> IncidentSource::ContextBelow(int64_t stream,
                                                                      uint64_t number) {
  static_assert(static_cast<int>(RecordKind::kHello) == 1);
  static_assert(static_cast<int>(RecordKind::kQueue) == 2);
  static_assert(static_cast<int>(RecordKind::kFact) == 7);
  std::vector<SourceEntry> entries;
  absl::StatusOr<SqlStatement*> rows = Prepared(
      "SELECT number, kind, ref, size, hash FROM records WHERE stream = ?1 AND number < ?2"
      " AND kind IN (1, 2, 7) ORDER BY number");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = (*rows)->Bind(stream, number).Next();
  for (; more.ok() && *more; more = (*rows)->Next()) {
    absl::StatusOr<SourceEntry> entry = Entry(**rows);
    if (!entry.ok()) return entry.status();
    entries.push_back(*entry);
  }
  if (!more.ok()) return more.status();
  return entries;
}

namespace {

ClockReading ClockAt(const SqlStatement& row, int column) {
  ClockReading clock;
  clock.mono_ns = row.Int(column);
  clock.raw_ns = row.Int(column + 1);
  clock.real_ns = row.Int(column + 2);
  clock.counter = row.Unsigned(column + 3);
  clock.width_ns = row.Int(column + 4);
  return clock;
}

// Beyond any clock there is: arithmetic on them must not overflow.
constexpr int64_t kTimeMax_ns = int64_t{1} << 62;

bool Possible(const ClockReading& clock) {
  for (const int64_t time_ns : {clock.mono_ns, clock.raw_ns, clock.real_ns, clock.width_ns}) {
    if (time_ns < 0 || time_ns > kTimeMax_ns) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::vector<SnapshotTime>> IncidentSource::SnapshotTimes(int64_t stream) {
  static_assert(static_cast<int>(RecordKind::kSnapshot) == 3);
  std::vector<SnapshotTime> times;
  absl::StatusOr<SqlStatement*> rows = Prepared(
      "SELECT r.number, s.full, s.begin_mono_ns, s.begin_raw_ns, s.begin_real_ns, s.begin_counter,"
      " s.begin_width_ns, s.end_mono_ns, s.end_raw_ns, s.end_real_ns, s.end_counter, s.end_width_ns"
      " FROM records r JOIN snapshots s ON s.id = r.ref WHERE r.stream = ?1 AND r.kind = 3"
      " ORDER BY r.number");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = (*rows)->Bind(stream).Next();
  for (; more.ok() && *more; more = (*rows)->Next()) {
    SnapshotTime& time = times.emplace_back();
    time.number = (*rows)->Unsigned(0);
    time.full = (*rows)->Int(1) == 1;
    time.begin = ClockAt(**rows, 2);
    time.end = ClockAt(**rows, 7);
    if (!Possible(time.begin) || !Possible(time.end)) return Damaged("a snapshot's clocks");
  }
  if (!more.ok()) return more.status();
  return times;
}

absl::StatusOr<std::optional<std::pair<uint64_t, uint64_t>>> IncidentSource::ChunkNumbers(
    int64_t stream, int64_t from_mono_ns, int64_t to_mono_ns) {
  static_assert(static_cast<int>(RecordKind::kChunk) == 5);
  absl::StatusOr<SqlStatement*> row = Prepared(
      "SELECT min(number), max(number) FROM records WHERE stream = ?1 AND kind = 5 AND ref IN ("
      " SELECT id FROM event_chunks"
      " WHERE stream = ?1 AND to_mono_ns >= ?2 AND from_mono_ns <= ?3)");
  if (!row.ok()) return row.status();
  const absl::StatusOr<bool> there = (*row)->Bind(stream, from_mono_ns, to_mono_ns).Next();
  if (!there.ok()) return there.status();
  std::optional<std::pair<uint64_t, uint64_t>> numbers;
  if (*there && !(*row)->IsNull(0)) numbers.emplace((*row)->Unsigned(0), (*row)->Unsigned(1));
  (*row)->Bind();  // resets it
  return numbers;
}

absl::StatusOr<std::vector<Fact>> IncidentSource::FactsNamed(int64_t stream,
                                                             const std::string& name) {
  std::vector<Fact> facts;
  absl::StatusOr<SqlStatement*> rows =
      Prepared("SELECT mono_ns, value FROM facts WHERE stream = ?1 AND name = ?2 ORDER BY id");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = (*rows)->Bind(stream, name).Next();
  for (; more.ok() && *more; more = (*rows)->Next()) {
    facts.push_back(Fact{(*rows)->Int(0), name, (*rows)->Text(1)});
  }
  if (!more.ok()) return more.status();
  return facts;
}

namespace {

constexpr std::pair<RecordKind, const char*> kAdditions[] = {
    {RecordKind::kClock, "SELECT id FROM clock_exchanges WHERE stream = ?1 AND number = 0"},
    {RecordKind::kGap, "SELECT id FROM gaps WHERE stream = ?1 AND maker = 2"},
    {RecordKind::kBye,
     "SELECT id FROM byes WHERE stream = ?1 AND id NOT IN"
     " (SELECT ref FROM records WHERE stream = ?1 AND kind = 10)"}};

}  // namespace

absl::StatusOr<std::vector<Record>> IncidentSource::Additions(int64_t stream) {
  std::vector<std::pair<RecordKind, int64_t>> places;
  for (const auto& [kind, sql] : kAdditions) {
    absl::StatusOr<SqlStatement*> ids = Prepared(sql);
    if (!ids.ok()) return ids.status();
    absl::StatusOr<bool> more = (*ids)->Bind(stream).Next();
    for (; more.ok() && *more; more = (*ids)->Next()) places.emplace_back(kind, (*ids)->Int(0));
    if (!more.ok()) return more.status();
  }
  std::vector<Record> records;
  for (const auto& [kind, id] : places) {
    absl::StatusOr<Record> record = Load(SourceEntry{0, kind, id, 0, 0});
    if (!record.ok()) return record.status();
    records.push_back(*std::move(record));
  }
  return records;
}

}  // namespace ringside
