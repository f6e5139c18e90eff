// SPDX-License-Identifier: Apache-2.0
#include "collector/store/record_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proto/convert.h"

namespace ringside {
namespace {

// A full snapshot's worth of labels.
constexpr size_t kLabelsKept = kPartsMax;

// The node's own time that a record is about; 0 if it has none.
int64_t MonoOf(const Record& record) {
  struct {
    int64_t operator()(const Hello& hello) const { return hello.clock.mono_ns; }
    int64_t operator()(const QueueInfo& queue) const { return queue.mono_ns; }
    int64_t operator()(const Snapshot& snapshot) const { return snapshot.begin.mono_ns; }
    int64_t operator()(const Marks& marks) const {
      return marks.marks.empty() ? 0 : marks.marks.front().mono_ns;
    }
    int64_t operator()(const EventChunk& chunk) const { return chunk.from_mono_ns; }
    int64_t operator()(const LogLine& line) const { return line.mono_ns; }
    int64_t operator()(const Fact& fact) const { return fact.mono_ns; }
    int64_t operator()(const ClockExchange& exchange) const { return exchange.agent.mono_ns; }
    int64_t operator()(const Gap& gap) const { return gap.to_mono_ns; }
    int64_t operator()(const Bye& bye) const { return bye.clock.mono_ns; }
  } const mono_of;
  return std::visit(mono_of, record);
}

RecordKind KindOf(const Record& record) { return static_cast<RecordKind>(record.index() + 1); }

}  // namespace

static_assert(std::variant_size_v<Record> == static_cast<size_t>(RecordKind::kBye));
static_assert(std::is_same_v<std::variant_alternative_t<2, Record>, Snapshot>);
static_assert(std::is_same_v<std::variant_alternative_t<7, Record>, ClockExchange>);

absl::Status RecordWriter::Write(const PendingRecord& pending) {
  StreamRow* stream = FindStream(pending);
  if (stream == nullptr) return status_;
  const NumberedRecord& record = pending.record;
  if (record.number > stream->last_number + 1 && !pending.context) NoteHole(*stream, pending);
  size_ = 0;
  const int64_t ref =
      std::visit([&](const auto& body) { return Body(*stream, pending, body); }, record.record);
  if (record.number > 0) {
    Run("INSERT INTO records VALUES(?1, ?2, ?3, ?4, ?5, ?6)", stream->id, record.number,
        KindOf(record.record), ref, size_, pending.hash);
    stream->last_number = std::max(stream->last_number, record.number);
    stream->last_mono_ns = std::max(stream->last_mono_ns, MonoOf(record.record));
    stream->dirty = true;
  }
  return status_;
}

absl::Status RecordWriter::Write(const RecorderGap& gap) {
  Run("INSERT INTO gaps VALUES(NULL, NULL, 0, ?1, NULL, NULL, ?2, ?3, ?4)", GapMaker::kRecorder,
      gap.from_real_ns, gap.to_real_ns, gap.what);
  return status_;
}

absl::Status RecordWriter::WriteStreams() {
  for (auto& [key, stream] : streams_) {
    if (!std::exchange(stream.dirty, false)) continue;
    Run("UPDATE streams SET last_number = ?1, missing_numbers = ?2 WHERE id = ?3",
        stream.last_number, stream.missing_numbers, stream.id);
  }
  return status_;
}

SqlStatement& RecordWriter::Prepared(const char* sql) {
  SqlStatement& statement = statements_[sql];
  if (!statement) {
    absl::StatusOr<SqlStatement> made = db_.Prepare(sql);
    if (made.ok()) {
      statement = *std::move(made);
    } else {
      status_ = made.status();
    }
  }
  return statement;
}

RecordWriter::StreamRow* RecordWriter::FindStream(const PendingRecord& pending) {
  const auto known = streams_.find(pending.stream);
  if (known != streams_.end()) return &known->second;
  const StreamKey& key = pending.stream->key;
  const int64_t id = Select(
      "SELECT s.id FROM streams s JOIN nodes n ON n.id = s.node"
      " WHERE n.machine_id = ?1 AND n.boot_id = ?2 AND s.instance = ?3",
      key.machine_id, key.boot_id, key.instance);
  if (failed()) return nullptr;
  if (id == 0) {
    const auto* hello = std::get_if<Hello>(&pending.record.record);
    if (hello != nullptr) return MakeStream(pending, *hello);
    status_ = absl::InternalError("a stream without its Hello");
    return nullptr;
  }
  StreamRow row;
  row.id = id;
  row.last_number = static_cast<uint64_t>(
      Select("SELECT max(last_number, base_number) FROM streams WHERE id = ?1", id));
  row.missing_numbers =
      static_cast<uint64_t>(Select("SELECT missing_numbers FROM streams WHERE id = ?1", id));
  row.last_sequence = static_cast<uint64_t>(
      Select("SELECT sequence FROM snapshots WHERE stream = ?1 ORDER BY id DESC LIMIT 1", id));
  row.last_mono_ns =
      Select("SELECT end_mono_ns FROM snapshots WHERE stream = ?1 ORDER BY id DESC LIMIT 1", id);
  if (failed()) return nullptr;
  return &streams_.emplace(pending.stream, std::move(row)).first->second;
}

RecordWriter::StreamRow* RecordWriter::MakeStream(const PendingRecord& pending,
                                                  const Hello& hello) {
  const int64_t node = FindNode(hello);
  StreamRow row;
  row.last_number = pending.stream->base_number;
  row.id = Run("INSERT INTO streams VALUES(NULL, ?1, ?2, ?3, ?3, 0)", node, hello.key.instance,
               pending.stream->base_number);
  if (failed()) return nullptr;
  return &streams_.emplace(pending.stream, std::move(row)).first->second;
}

// Shown names are unique: the second node of a name is called name~2.
int64_t RecordWriter::FindNode(const Hello& hello) {
  const int64_t id = Select("SELECT id FROM nodes WHERE machine_id = ?1 AND boot_id = ?2",
                            hello.key.machine_id, hello.key.boot_id);
  if (id != 0 || failed()) return id;
  const std::string base = hello.name.empty() ? "node" : hello.name;
  std::string name = base;
  for (int copy = 2; Select("SELECT id FROM nodes WHERE name = ?1", name) != 0; ++copy) {
    name = fmt::format("{}~{}", base, copy);
  }
  return Run("INSERT INTO nodes VALUES(NULL, ?1, ?2, ?3)", hello.key.machine_id, hello.key.boot_id,
             name);
}

int64_t RecordWriter::FindGeneration(StreamRow& stream, QueueId id, uint32_t generation) {
  const int64_t known =
      Select("SELECT id FROM queues WHERE stream = ?1 AND queue = ?2 AND generation = ?3",
             stream.id, id, generation);
  if (known != 0) return known;
  return Run("INSERT INTO queues VALUES(NULL, ?1, ?2, ?3)", stream.id, id, generation);
}

// The row of the generation that was announced last; samples belong to it.
int64_t RecordWriter::FindQueue(StreamRow& stream, QueueId id) {
  const auto known = stream.queues.find(static_cast<uint32_t>(id));
  if (known != stream.queues.end()) return known->second;
  int64_t row = Select(
      "SELECT v.queue FROM queue_versions v JOIN queues q ON q.id = v.queue"
      " WHERE q.stream = ?1 AND q.queue = ?2 ORDER BY v.id DESC LIMIT 1",
      stream.id, id);
  if (row == 0) row = FindGeneration(stream, id, 0);  // never announced: kept, without a name
  if (!failed()) stream.queues[static_cast<uint32_t>(id)] = row;
  return row;
}

int64_t RecordWriter::FindSeries(int64_t queue, Count count, HookId hook) {
  const uint32_t what = static_cast<uint32_t>(count) << 16 | static_cast<uint32_t>(hook);
  int64_t& id = series_[{queue, what}];
  if (id == 0) {
    id = Select("SELECT id FROM series WHERE queue = ?1 AND count = ?2 AND hook = ?3", queue, count,
                hook);
  }
  if (id == 0) id = Run("INSERT INTO series VALUES(NULL, ?1, ?2, ?3)", queue, count, hook);
  return id;
}

int64_t RecordWriter::FindGaugeSeries(int64_t queue, Gauge gauge) {
  int64_t& id = gauge_series_[{queue, static_cast<uint32_t>(gauge)}];
  if (id == 0) {
    id = Select("SELECT id FROM gauge_series WHERE queue = ?1 AND gauge = ?2", queue, gauge);
  }
  if (id == 0) id = Run("INSERT INTO gauge_series VALUES(NULL, ?1, ?2)", queue, gauge);
  return id;
}

int64_t RecordWriter::FindLabel(const std::string& label) {
  // Processes come and go: what falls out is found again in the table.
  if (labels_.size() >= kLabelsKept) labels_.clear();
  int64_t& id = labels_[label];
  if (id == 0) id = Select("SELECT id FROM labels WHERE text = ?1", label);
  if (id == 0) id = Run("INSERT INTO labels VALUES(NULL, ?1)", label);
  return id;
}

void RecordWriter::NoteHole(StreamRow& stream, const PendingRecord& pending) {
  const uint64_t from = stream.last_number + 1;
  const uint64_t to = pending.record.number - 1;
  stream.missing_numbers += to - from + 1;
  if (std::holds_alternative<Gap>(pending.record.record)) return;  // it says itself what is missing
  const std::string what = from == to ? fmt::format("record {} is missing", from)
                                      : fmt::format("records {} to {} are missing", from, to);
  Run("INSERT INTO gaps VALUES(NULL, ?1, 0, ?2, ?3, ?4, NULL, NULL, ?5)", stream.id,
      GapMaker::kNumbers, stream.last_mono_ns,
      std::max(stream.last_mono_ns, MonoOf(pending.record.record)), what);
}

}  // namespace ringside
