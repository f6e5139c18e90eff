// SPDX-License-Identifier: Apache-2.0
// Rows back into records, with every value checked.
#include <algorithm>
#include <utility>

#include "collector/store/incident_source.h"
#include "proto/chunk.h"
#include "proto/convert.h"
#include "proto/texts.h"

namespace ringside {
namespace {

constexpr int64_t kTimeMax_ns = int64_t{1} << 62;

// The columns of a row, one after the other. A value that no ringside writes is noted and read as
// 0.
class Columns {
 public:
  explicit Columns(const SqlStatement& row) : row_(row) {}

  bool ok() const { return ok_; }
  int64_t Any() { return row_.Int(at_++); }
  uint64_t Bits() { return static_cast<uint64_t>(Any()); }
  int64_t Time() { return Within(Any(), kTimeMax_ns); }
  uint64_t Large() { return static_cast<uint64_t>(Within(Any(), static_cast<int64_t>(kCountMax))); }
  uint32_t Small(uint32_t most = UINT32_MAX) { return static_cast<uint32_t>(Within(Any(), most)); }
  bool Flag() { return Small(1) == 1; }
  template <typename E>
  E Enum(E last) {
    return static_cast<E>(Small(static_cast<uint32_t>(last)));
  }
  std::string Text() { return row_.Text(at_++); }  // cleaned with the whole record
  std::optional<uint64_t> MaybeLarge() {
    if (!row_.IsNull(at_)) return Large();
    ++at_;
    return std::nullopt;
  }
  ClockReading Clock() {
    ClockReading clock;
    clock.mono_ns = Time();
    clock.raw_ns = Time();
    clock.real_ns = Time();
    clock.counter = Bits();
    clock.width_ns = Time();
    return clock;
  }

 private:
  int64_t Within(int64_t value, int64_t most) {
    if (value >= 0 && value <= most) return value;
    ok_ = false;
    return 0;
  }

  const SqlStatement& row_;
  int at_ = 0;
  bool ok_ = true;
};

}  // namespace

absl::StatusOr<Record> IncidentSource::Load(const SourceEntry& entry) {
  absl::StatusOr<Record> record = [&] {
    switch (entry.kind) {
      case RecordKind::kHello: return LoadHello(entry);
      case RecordKind::kQueue: return LoadQueue(entry);
      case RecordKind::kSnapshot: return LoadSnapshot(entry);
      case RecordKind::kMarks: return LoadMarks(entry);
      case RecordKind::kChunk: return LoadChunk(entry);
      case RecordKind::kLog: return LoadLog(entry);
      case RecordKind::kFact: return LoadFact(entry);
      case RecordKind::kClock: return LoadClock(entry);
      case RecordKind::kGap: return LoadGap(entry);
      case RecordKind::kBye: return LoadBye(entry);
    }
    return absl::StatusOr<Record>(Damaged("a record's kind"));
  }();
  if (record.ok()) CleanTexts(*record);
  return record;
}

absl::StatusOr<Record> IncidentSource::LoadHello(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row =
      Row("SELECT n.machine_id, n.boot_id, s.instance, h.name, h.version, h.protocol, h.roles,"
          " h.kernel, h.arch, h.smbios_uuid, h.mono_ns, h.raw_ns, h.real_ns, h.counter, h.width_ns"
          " FROM hellos h JOIN streams s ON s.id = h.stream JOIN nodes n ON n.id = s.node"
          " WHERE h.id = ?1",
          entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  Hello hello;
  hello.key.machine_id = in.Text();
  hello.key.boot_id = in.Text();
  hello.key.instance = in.Text();
  hello.name = in.Text();
  hello.version = in.Text();
  hello.protocol = in.Small();
  hello.roles = in.Small(kRoleHost | kRoleGuest);
  hello.kernel = in.Text();
  hello.arch = in.Text();
  hello.smbios_uuid = in.Text();
  hello.clock = in.Clock();
  if (!in.ok()) return Damaged("a Hello");
  absl::StatusOr<SqlStatement*> hooks = Prepared(
      "SELECT hook, stage, program, target, rung, state, reason FROM hooks"
      " WHERE stream = (SELECT stream FROM hellos WHERE id = ?1) AND hello = ?1 ORDER BY hook");
  if (!hooks.ok()) return hooks.status();
  absl::StatusOr<bool> more = (*hooks)->Bind(entry.ref).Next();
  for (; more.ok() && *more; more = (*hooks)->Next()) {
    Columns columns(**hooks);
    HookInfo& hook = hello.hooks.emplace_back();
    hook.id = HookId{columns.Small(0xffff)};
    hook.stage = columns.Text();
    hook.program = columns.Text();
    hook.target = columns.Text();
    hook.rung = columns.Enum(Rung::kNone);
    hook.state = columns.Enum(HookState::kPaused);
    hook.reason = columns.Text();
    if (!columns.ok() || hello.hooks.size() > kHooksMax) return Damaged("a hook");
  }
  if (!more.ok()) return more.status();
  return hello;
}

absl::StatusOr<Record> IncidentSource::LoadQueue(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row =
      Row("SELECT q.queue, q.generation, v.mono_ns, v.kind, v.device, v.name, v.irq_name, v.irq,"
          " v.ring_size, v.packed, v.ring_address, v.msi_known, v.msi_address, v.msi_data, v.epoch,"
          " v.vm_id, v.vm_name, v.vm_uuid, v.owner_pid"
          " FROM queue_versions v JOIN queues q ON q.id = v.queue WHERE v.id = ?1",
          entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  QueueInfo queue;
  queue.id = QueueId{in.Small()};
  queue.generation = in.Small();
  queue.mono_ns = in.Time();
  queue.kind = in.Enum(QueueKind::kVcpu);
  queue.device = in.Text();
  queue.queue = in.Text();
  queue.irq_name = in.Text();
  queue.irq = static_cast<int32_t>(in.Any());
  queue.ring_size = in.Small();
  queue.packed = in.Flag();
  queue.ring_address = in.Bits();
  queue.msi.known = in.Flag();
  queue.msi.address = in.Bits();
  queue.msi.data = in.Small();
  queue.epoch = in.Small();
  queue.vm_id = in.Text();
  queue.vm_name = in.Text();
  queue.vm_uuid = in.Text();
  queue.owner_pid = static_cast<int32_t>(in.Any());
  if (!in.ok()) return Damaged("a queue");
  return queue;
}

absl::StatusOr<Record> IncidentSource::LoadSnapshot(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row = Row(
      "SELECT sequence, full, folded, begin_mono_ns, begin_raw_ns, begin_real_ns, begin_counter,"
      " begin_width_ns, end_mono_ns, end_raw_ns, end_real_ns, end_counter, end_width_ns"
      " FROM snapshots WHERE id = ?1",
      entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  Snapshot snapshot;
  snapshot.sequence = in.Large();
  snapshot.full = in.Flag();
  snapshot.folded = in.Small();
  snapshot.begin = in.Clock();
  snapshot.end = in.Clock();
  if (!in.ok()) return Damaged("a snapshot");
  if (absl::Status status = LoadSamples(entry.ref, snapshot); !status.ok()) return status;
  if (absl::Status status = LoadParts(entry.ref, snapshot); !status.ok()) return status;
  absl::StatusOr<SqlStatement*> hooks = Prepared(
      "SELECT hook, hits, unplaced, dropped, misses FROM hook_samples WHERE snapshot = ?1");
  if (!hooks.ok()) return hooks.status();
  absl::StatusOr<bool> more = (*hooks)->Bind(entry.ref).Next();
  for (; more.ok() && *more; more = (*hooks)->Next()) {
    Columns columns(**hooks);
    HookSample& hook = snapshot.hooks.emplace_back();
    hook.hook = HookId{columns.Small(0xffff)};
    hook.hits = columns.Large();
    hook.unplaced = columns.Large();
    hook.dropped = columns.Large();
    hook.misses = columns.MaybeLarge();
    if (!columns.ok() || snapshot.hooks.size() > kHooksMax) return Damaged("a hook's counts");
  }
  if (!more.ok()) return more.status();
  return snapshot;
}

absl::StatusOr<Record> IncidentSource::LoadMarks(const SourceEntry& entry) {
  Marks marks;
  if (entry.size < 0 || entry.size > static_cast<int64_t>(kMarksMax)) return Damaged("marks");
  absl::StatusOr<SqlStatement*> rows = Prepared(
      "SELECT queue, domain, cpu, epoch, mono_ns, prev, pos, id FROM marks"
      " WHERE id >= ?1 AND id < ?1 + ?2 ORDER BY id");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = (*rows)->Bind(entry.ref, entry.size).Next();
  for (; more.ok() && *more; more = (*rows)->Next()) {
    const auto queue = queues_.find((*rows)->Int(0));
    if (queue == queues_.end()) return Damaged("a mark's queue");
    Columns columns(**rows);
    columns.Any();
    Mark& mark = marks.marks.emplace_back();
    mark.queue = QueueId{queue->second};
    mark.domain = columns.Enum(Domain::kRoute);
    mark.cpu = static_cast<uint16_t>(columns.Small(0xffff));
    mark.epoch = columns.Small();
    mark.mono_ns = columns.Time();
    mark.prev = columns.Large();
    mark.pos = columns.Large();
    const int64_t id = columns.Any();
    if (!columns.ok() || mark.prev > mark.pos) return Damaged("a mark");
    if (absl::Status status = LoadMarkCounts(id, mark); !status.ok()) return status;
  }
  if (!more.ok()) return more.status();
  return marks;
}

absl::Status IncidentSource::LoadMarkCounts(int64_t mark_id, Mark& mark) {
  absl::StatusOr<SqlStatement*> rows =
      Prepared("SELECT series, value FROM mark_counts WHERE mark = ?1");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = (*rows)->Bind(mark_id).Next();
  for (; more.ok() && *more; more = (*rows)->Next()) {
    const auto series = series_.find((*rows)->Int(0));
    if (series == series_.end() || !series->second.name) {
      ++unknown_rows_;
      continue;
    }
    const uint64_t value = (*rows)->Unsigned(1);
    if (value > kCountMax || mark.counts.size() >= kMarkCountsMax) {
      return Damaged("a mark's count");
    }
    mark.counts.push_back(
        MarkCount{static_cast<Count>(*series->second.name), HookId{series->second.hook}, value});
  }
  std::sort(mark.counts.begin(), mark.counts.end(), [](const MarkCount& a, const MarkCount& b) {
    return std::pair(a.count, a.hook) < std::pair(b.count, b.hook);
  });
  return more.status();
}

absl::StatusOr<Record> IncidentSource::LoadChunk(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row = Row(
      "SELECT first_number, count, from_mono_ns, to_mono_ns, data FROM event_chunks WHERE id = ?1",
      entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  EventChunk chunk;
  chunk.first_number = in.Large();
  chunk.count = in.Large();
  chunk.from_mono_ns = in.Time();
  chunk.to_mono_ns = in.Time();
  chunk.data = in.Text();
  if (!in.ok() || chunk.data.size() > kChunkBytesMax) return Damaged("an event chunk");
  return chunk;
}

absl::StatusOr<Record> IncidentSource::LoadLog(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row =
      Row("SELECT mono_ns, level, text FROM log_lines WHERE id = ?1", entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  LogLine line;
  line.mono_ns = in.Time();
  line.level = in.Small(7);
  line.text = in.Text();
  if (!in.ok()) return Damaged("a log line");
  return line;
}

absl::StatusOr<Record> IncidentSource::LoadFact(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row =
      Row("SELECT mono_ns, name, value FROM facts WHERE id = ?1", entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  Fact fact;
  fact.mono_ns = in.Time();
  fact.name = in.Text();
  fact.value = in.Text();
  if (!in.ok()) return Damaged("a fact");
  return fact;
}

absl::StatusOr<Record> IncidentSource::LoadClock(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row = Row(
      "SELECT before_mono_ns, before_raw_ns, before_real_ns, before_counter, before_width_ns,"
      " agent_mono_ns, agent_raw_ns, agent_real_ns, agent_counter, agent_width_ns, after_mono_ns,"
      " after_raw_ns, after_real_ns, after_counter, after_width_ns FROM clock_exchanges"
      " WHERE id = ?1",
      entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  ClockExchange exchange;
  exchange.collector_before = in.Clock();
  exchange.agent = in.Clock();
  exchange.collector_after = in.Clock();
  if (!in.ok()) return Damaged("a clock exchange");
  return exchange;
}

absl::StatusOr<Record> IncidentSource::LoadGap(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row =
      Row("SELECT from_mono_ns, to_mono_ns, what FROM gaps WHERE id = ?1", entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  Gap gap;
  gap.from_mono_ns = in.Time();
  gap.to_mono_ns = in.Time();
  gap.what = in.Text();
  if (!in.ok()) return Damaged("a gap");
  return gap;
}

absl::StatusOr<Record> IncidentSource::LoadBye(const SourceEntry& entry) {
  absl::StatusOr<SqlStatement*> row =
      Row("SELECT mono_ns, raw_ns, real_ns, counter, width_ns, reason FROM byes WHERE id = ?1",
          entry.ref);
  if (!row.ok()) return row.status();
  Columns in(**row);
  Bye bye;
  bye.clock = in.Clock();
  bye.reason = in.Text();
  if (!in.ok()) return Damaged("an agent's last word");
  return bye;
}

}  // namespace ringside
