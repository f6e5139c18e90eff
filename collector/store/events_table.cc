// SPDX-License-Identifier: Apache-2.0
#include "collector/store/events_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "collector/store/sqlite.h"
#include "proto/chunk.h"

namespace ringside {
namespace {

enum Column { kNode, kQueue, kKind, kTime, kMono, kCpu, kPosition, kNumber, kValue, kRate };
constexpr char kDeclaration[] =
    "CREATE TABLE events(node TEXT, queue TEXT, kind TEXT, t INTEGER, mono_ns INTEGER, cpu INTEGER,"
    " position INTEGER, number INTEGER, value INTEGER, rate INTEGER)";

// Which constraints xBestIndex hands to xFilter, in this order.
enum Constraint { kNodeIs, kQueueIs, kTimeFrom, kTimeTo, kMonoFrom, kMonoTo, kConstraints };

// The node's REALTIME at a time of its MONOTONIC, by the last snapshot before it.
class NodeClock {
 public:
  void Add(int64_t mono_ns, int64_t real_ns) { pairs_.emplace_back(mono_ns, real_ns - mono_ns); }
  int64_t Real(int64_t mono_ns) const {
    if (pairs_.empty()) return 0;
    auto after = std::upper_bound(pairs_.begin(), pairs_.end(), mono_ns,
                                  [](int64_t at, const auto& pair) { return at < pair.first; });
    if (after != pairs_.begin()) --after;
    return mono_ns + after->second;
  }
  // No time between the two has a REALTIME outside of the result.
  std::pair<int64_t, int64_t> RealRange(int64_t from_ns, int64_t to_ns) const {
    std::pair<int64_t, int64_t> range = {Real(from_ns), Real(to_ns)};
    auto pair = std::upper_bound(pairs_.begin(), pairs_.end(), from_ns,
                                 [](int64_t at, const auto& p) { return at < p.first; });
    if (pair != pairs_.begin()) --pair;
    for (; pair != pairs_.end() && pair->first <= to_ns; ++pair) {
      range.first = std::min(range.first, from_ns + pair->second);
      range.second = std::max(range.second, to_ns + pair->second);
    }
    return range;
  }

 private:
  std::vector<std::pair<int64_t, int64_t>> pairs_;  // (MONOTONIC, REALTIME - MONOTONIC)
};

struct StreamNames {
  std::string node;
  std::map<uint32_t, std::string> queues;
  NodeClock clock;
};

struct Bounds {
  int64_t from = std::numeric_limits<int64_t>::min();
  int64_t to = std::numeric_limits<int64_t>::max();
};

struct Table : sqlite3_vtab {
  explicit Table(sqlite3* connection) : sqlite3_vtab(), db(connection) {}

  sqlite3* db = nullptr;
  std::string name = "events";

  int Fail(const absl::Status& status) {
    sqlite3_free(zErrMsg);
    const std::string text(status.message().data(), status.message().size());
    zErrMsg = sqlite3_mprintf("%s", text.c_str());
    return absl::IsDataLoss(status) ? SQLITE_CORRUPT : SQLITE_ERROR;
  }
};

struct Cursor : sqlite3_vtab_cursor {
  Cursor() : sqlite3_vtab_cursor() {}

  std::map<int64_t, StreamNames> streams;
  struct Place {
    int64_t chunk = 0;
    int64_t stream = 0;
  };
  std::vector<Place> chunks;
  size_t next_chunk = 0;
  const StreamNames* names = nullptr;
  std::vector<Event> events;
  size_t at = 0;
  SqlStatement load;

  Table& table() const { return *static_cast<Table*>(pVtab); }
  bool ended() const { return at >= events.size(); }
};

absl::Status ReadNames(Cursor& cursor) {
  Table& table = cursor.table();
  absl::StatusOr<SqlStatement> streams =
      PrepareOn(table.db, table.name,
                "SELECT s.id, n.name FROM main.streams s JOIN main.nodes n ON n.id = s.node"
                " WHERE s.id IN (SELECT stream FROM main.event_chunks)");
  if (!streams.ok()) return streams.status();
  absl::StatusOr<bool> row = streams->Bind().Next();
  for (; row.ok() && *row; row = streams->Next()) {
    cursor.streams[streams->Int(0)].node = streams->Text(1);
  }
  if (!row.ok()) return row.status();
  absl::StatusOr<SqlStatement> queues =
      PrepareOn(table.db, table.name,
                "SELECT q.stream, q.queue, v.device || '/' || v.name FROM main.queues q"
                " JOIN main.queue_versions v ON v.queue = q.id ORDER BY v.id");
  if (!queues.ok()) return queues.status();
  for (row = queues->Bind().Next(); row.ok() && *row; row = queues->Next()) {
    const auto stream = cursor.streams.find(queues->Int(0));
    if (stream == cursor.streams.end()) continue;
    stream->second.queues[static_cast<uint32_t>(queues->Int(1))] = queues->Text(2);
  }
  if (!row.ok()) return row.status();
  for (auto& [id, stream] : cursor.streams) {
    absl::StatusOr<SqlStatement> clock = PrepareOn(
        table.db, table.name,
        "SELECT begin_mono_ns, begin_real_ns FROM main.snapshots WHERE stream = ?1 ORDER BY id");
    if (!clock.ok()) return clock.status();
    for (row = clock->Bind(id).Next(); row.ok() && *row; row = clock->Next()) {
      stream.clock.Add(clock->Int(0), clock->Int(1));
    }
    if (!row.ok()) return row.status();
  }
  return absl::OkStatus();
}

struct Wanted {
  const char* node = nullptr;
  const char* queue = nullptr;
  Bounds time;
  Bounds mono;
};

absl::Status FindChunks(Cursor& cursor, const Wanted& wanted) {
  Table& table = cursor.table();
  absl::StatusOr<SqlStatement> chunks = PrepareOn(
      table.db, table.name,
      wanted.queue == nullptr
          ? "SELECT id, stream, from_mono_ns, to_mono_ns FROM main.event_chunks ORDER BY id"
          : "SELECT id, stream, from_mono_ns, to_mono_ns FROM main.event_chunks WHERE id IN ("
            " SELECT c.chunk FROM main.event_chunk_queues c JOIN main.queue_versions v"
            " ON v.queue = c.queue WHERE v.device || '/' || v.name = ?1) ORDER BY id");
  if (!chunks.ok()) return chunks.status();
  absl::StatusOr<bool> row =
      (wanted.queue == nullptr ? chunks->Bind() : chunks->Bind(std::string(wanted.queue))).Next();
  for (; row.ok() && *row; row = chunks->Next()) {
    const auto stream = cursor.streams.find(chunks->Int(1));
    if (stream == cursor.streams.end()) continue;
    const int64_t from_ns = chunks->Int(2);
    const int64_t to_ns = chunks->Int(3);
    const auto [real_from, real_to] = stream->second.clock.RealRange(from_ns, to_ns);
    if (wanted.node != nullptr && stream->second.node != wanted.node) continue;
    if (to_ns < wanted.mono.from || from_ns > wanted.mono.to) continue;
    if (real_to < wanted.time.from || real_from > wanted.time.to) continue;
    cursor.chunks.push_back({chunks->Int(0), stream->first});
  }
  return row.status();
}

// Decodes chunks until there is an event; leaves the cursor at the end if there is none.
absl::Status NextChunk(Cursor& cursor) {
  cursor.events.clear();
  cursor.at = 0;
  while (cursor.events.empty() && cursor.next_chunk < cursor.chunks.size()) {
    const Cursor::Place& place = cursor.chunks[cursor.next_chunk++];
    if (!cursor.load) {
      absl::StatusOr<SqlStatement> load =
          PrepareOn(cursor.table().db, cursor.table().name,
                    "SELECT data FROM main.event_chunks WHERE id = ?1");
      if (!load.ok()) return load.status();
      cursor.load = *std::move(load);
    }
    const absl::StatusOr<bool> row = cursor.load.Bind(place.chunk).Next();
    if (!row.ok()) return row.status();
    if (!*row) continue;
    absl::StatusOr<std::vector<Event>> events = DecodeChunk(cursor.load.Text(0));
    cursor.load.Bind();
    if (!events.ok()) {
      return absl::DataLossError(
          fmt::format("event chunk {}: {}", place.chunk, std::string(events.status().message())));
    }
    cursor.events = *std::move(events);
    cursor.names = &cursor.streams[place.stream];
  }
  return absl::OkStatus();
}

int Connect(sqlite3* db, void*, int, const char* const*, sqlite3_vtab** out, char**) {
  const int code = sqlite3_declare_vtab(db, kDeclaration);
  if (code != SQLITE_OK) return code;
  sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
  *out = new Table(db);
  return SQLITE_OK;
}

int Disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

// The place of a constraint that keeps chunks from being decoded; kConstraints if it does not.
int ConstraintOf(int column, unsigned char op) {
  const bool lower = op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT;
  const bool upper = op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT;
  if (op == SQLITE_INDEX_CONSTRAINT_EQ && column == kNode) return kNodeIs;
  if (op == SQLITE_INDEX_CONSTRAINT_EQ && column == kQueue) return kQueueIs;
  if (column == kTime && (lower || upper)) return lower ? kTimeFrom : kTimeTo;
  if (column == kMono && (lower || upper)) return lower ? kMonoFrom : kMonoTo;
  return kConstraints;
}

int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) {
  int chosen[kConstraints];
  std::fill(std::begin(chosen), std::end(chosen), -1);
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    const int place = ConstraintOf(constraint.iColumn, constraint.op);
    if (constraint.usable != 0 && place != kConstraints) chosen[place] = i;
  }
  double cost = 1e9;
  int arguments = 0;
  for (int place = 0; place < kConstraints; ++place) {
    if (chosen[place] < 0) continue;
    info->idxNum |= 1 << place;
    info->aConstraintUsage[chosen[place]].argvIndex = ++arguments;  // SQLite checks rows itself
    cost /= 8;
  }
  info->estimatedCost = cost;
  info->estimatedRows = static_cast<sqlite3_int64>(cost);
  return SQLITE_OK;
}

int OpenCursor(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = new Cursor;
  return SQLITE_OK;
}

int CloseCursor(sqlite3_vtab_cursor* base) {
  delete static_cast<Cursor*>(base);
  return SQLITE_OK;
}

// A bound given as text or NULL compares in SQLite's way, which the row check does: here it is no
// bound. Reals are cut, one wider than they need be.
void SetBound(sqlite3_value* value, bool lower, Bounds& bounds) {
  const int type = sqlite3_value_type(value);
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) return;
  const int64_t bound = sqlite3_value_int64(value);
  constexpr int64_t kMargin = 1;
  if (lower && bound > bounds.from + kMargin) bounds.from = bound - kMargin;
  if (!lower && bound < bounds.to - kMargin) bounds.to = bound + kMargin;
}

int Filter(sqlite3_vtab_cursor* base, int chosen, const char*, int, sqlite3_value** values) {
  auto& cursor = *static_cast<Cursor*>(base);
  cursor.chunks.clear();
  cursor.next_chunk = 0;
  Wanted wanted;
  int at = 0;
  const auto text = [&] { return reinterpret_cast<const char*>(sqlite3_value_text(values[at++])); };
  if ((chosen & 1 << kNodeIs) != 0) wanted.node = text();
  if ((chosen & 1 << kQueueIs) != 0) wanted.queue = text();
  if ((chosen & 1 << kTimeFrom) != 0) SetBound(values[at++], true, wanted.time);
  if ((chosen & 1 << kTimeTo) != 0) SetBound(values[at++], false, wanted.time);
  if ((chosen & 1 << kMonoFrom) != 0) SetBound(values[at++], true, wanted.mono);
  if ((chosen & 1 << kMonoTo) != 0) SetBound(values[at++], false, wanted.mono);
  if (cursor.streams.empty()) {
    if (absl::Status status = ReadNames(cursor); !status.ok()) return cursor.table().Fail(status);
  }
  if (absl::Status status = FindChunks(cursor, wanted); !status.ok()) {
    return cursor.table().Fail(status);
  }
  const absl::Status status = NextChunk(cursor);
  return status.ok() ? SQLITE_OK : cursor.table().Fail(status);
}

int Next(sqlite3_vtab_cursor* base) {
  auto& cursor = *static_cast<Cursor*>(base);
  if (++cursor.at < cursor.events.size()) return SQLITE_OK;
  const absl::Status status = NextChunk(cursor);
  return status.ok() ? SQLITE_OK : cursor.table().Fail(status);
}

int Eof(sqlite3_vtab_cursor* base) { return static_cast<Cursor*>(base)->ended() ? 1 : 0; }

void ResultText(sqlite3_context* context, const std::string& text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

int ColumnValue(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
  const auto& cursor = *static_cast<Cursor*>(base);
  const Event& event = cursor.events[cursor.at];
  switch (column) {
    case kNode: ResultText(context, cursor.names->node); break;
    case kQueue: {
      const auto name = cursor.names->queues.find(static_cast<uint32_t>(event.queue));
      ResultText(context, name != cursor.names->queues.end()
                              ? name->second
                              : fmt::format("#{}", static_cast<uint32_t>(event.queue)));
      break;
    }
    case kKind: ResultText(context, std::string(EventKindName(event.kind))); break;
    case kTime: sqlite3_result_int64(context, cursor.names->clock.Real(event.mono_ns)); break;
    case kMono: sqlite3_result_int64(context, event.mono_ns); break;
    case kCpu: sqlite3_result_int(context, event.cpu); break;
    case kPosition: sqlite3_result_int64(context, static_cast<int64_t>(event.pos)); break;
    case kNumber: sqlite3_result_int64(context, static_cast<int64_t>(event.number)); break;
    case kValue: sqlite3_result_int64(context, event.value); break;
    case kRate:  // chosen by value: no rate is known, and the column is NULL
      if (event.rate != 0) sqlite3_result_int64(context, event.rate);
      break;
    default: break;
  }
  return SQLITE_OK;
}

int RowId(sqlite3_vtab_cursor* base, sqlite3_int64* id) {
  const auto& cursor = *static_cast<Cursor*>(base);
  const int64_t chunk = cursor.chunks[cursor.next_chunk - 1].chunk;
  *id = chunk * static_cast<int64_t>(kChunkEventsMax) + static_cast<int64_t>(cursor.at);
  return SQLITE_OK;
}

// Without xCreate the table exists under the module's own name and nowhere else.
const sqlite3_module kModule = [] {
  sqlite3_module module = {};
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xOpen = OpenCursor;
  module.xClose = CloseCursor;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = Eof;
  module.xColumn = ColumnValue;
  module.xRowid = RowId;
  return module;
}();

}  // namespace

absl::Status RegisterEventsTable(sqlite3* db) {
  return SqliteStatus(sqlite3_create_module_v2(db, "events", &kModule, nullptr, nullptr), "events",
                      sqlite3_errmsg(db));
}

}  // namespace ringside
