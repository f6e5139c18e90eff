// SPDX-License-Identifier: Apache-2.0
#include "collector/store/events_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "collector/store/event_scan.h"
#include "collector/store/sqlite.h"
#include "correlate/event_kinds.h"

namespace ringside {
namespace {

enum Column { kNode, kQueue, kKind, kTime, kMono, kCpu, kPosition, kNumber, kValue, kRate };
constexpr char kDeclaration[] =
    "CREATE TABLE events(node TEXT, queue TEXT, kind TEXT, t INTEGER, mono_ns INTEGER, cpu INTEGER,"
    " position INTEGER, number INTEGER, value INTEGER, rate INTEGER)";

// Which constraints xBestIndex hands to xFilter, in this order, as bits of idxNum: three names,
// then of each column with a range what it is equal to, its lower and its upper end.
enum Constraint { kNodeIs, kQueueIs, kKindIs, kRanges, kConstraints = kRanges + 4 * 3 };
enum End { kIs, kFrom, kTo, kEnds };
constexpr int kOrderShift = 16;  // EventOrder, above them

struct Table : sqlite3_vtab {
  explicit Table(sqlite3* connection) : sqlite3_vtab(), db(connection) {}

  sqlite3* db = nullptr;
  std::string name = "events";
  Texts texts;        // results point into it
  double events = 0;  // in the incident, about; 0: not yet looked up

  int Fail(const absl::Status& status) {
    sqlite3_free(zErrMsg);
    const std::string text(status.message().data(), status.message().size());
    zErrMsg = sqlite3_mprintf("%s", text.c_str());
    return absl::IsDataLoss(status) ? SQLITE_CORRUPT : SQLITE_ERROR;
  }
};

struct Cursor : sqlite3_vtab_cursor {
  explicit Cursor(Table* table)
      : sqlite3_vtab_cursor(), scan(table->db, &table->name, &table->texts) {}
  EventScan scan;
  Table& table() const { return *static_cast<Table*>(pVtab); }
};

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

// The place of a constraint that keeps chunks from being unpacked; kConstraints for none.
int ConstraintOf(int column, unsigned char op) {
  const bool equal = op == SQLITE_INDEX_CONSTRAINT_EQ;
  if (column == kNode && equal) return kNodeIs;
  if (column == kQueue && equal) return kQueueIs;
  if (column == kKind && equal) return kKindIs;
  End end = kEnds;
  if (equal) end = kIs;
  if (op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT) end = kFrom;
  if (op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT) end = kTo;
  constexpr int kColumns[] = {kTime, kMono, kPosition, kNumber};  // as in Filter
  const auto at = std::find(std::begin(kColumns), std::end(kColumns), column);
  if (end == kEnds || at == std::end(kColumns)) return kConstraints;
  return kRanges + static_cast<int>(at - std::begin(kColumns)) * kEnds + end;
}

// How many events the incident has, from the index alone.
double CountEvents(Table& table) {
  if (table.events > 0) return table.events;
  absl::StatusOr<SqlStatement> sum =
      PrepareOn(table.db, table.name, "SELECT coalesce(sum(count), 0) FROM main.event_chunks");
  if (sum.ok() && sum->Next().value_or(false)) table.events = static_cast<double>(sum->Int(0));
  table.events = std::max(table.events, 1.0);
  return table.events;
}

// What share of the events a constraint leaves, by rule of thumb: some queues, some kinds, and for
// each end of a range a part. A position or number of one queue is one event or a few.
double ShareLeft(const int (&chosen)[kConstraints]) {
  double share = 1;
  for (int i = 0; i < kConstraints; ++i) {
    if (chosen[i] >= 0) share /= i < kRanges ? 4 : (i - kRanges) % kEnds == kIs ? 10'000 : 16;
  }
  return share;
}

EventOrder OrderOf(const sqlite3_index_info& info) {
  if (info.nOrderBy != 1) return EventOrder::kNone;
  const bool down = info.aOrderBy[0].desc != 0;
  if (info.aOrderBy[0].iColumn == kTime) return down ? EventOrder::kTimeDown : EventOrder::kTime;
  if (info.aOrderBy[0].iColumn == kMono) return down ? EventOrder::kMonoDown : EventOrder::kMono;
  return EventOrder::kNone;
}

int BestIndex(sqlite3_vtab* base, sqlite3_index_info* info) {
  int chosen[kConstraints];
  std::fill(std::begin(chosen), std::end(chosen), -1);
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (constraint.usable == 0) continue;
    const int place = ConstraintOf(constraint.iColumn, constraint.op);
    if (place == kConstraints) continue;
    if (place < kRanges && std::strcmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) continue;
    chosen[place] = i;
  }
  int arguments = 0;
  for (int place = 0; place < kConstraints; ++place) {
    if (chosen[place] < 0) continue;
    info->idxNum |= 1 << place;
    info->aConstraintUsage[chosen[place]].argvIndex = ++arguments;  // SQLite checks rows itself
  }
  const EventOrder order = OrderOf(*info);
  info->idxNum |= static_cast<int>(order) << kOrderShift;
  info->orderByConsumed = order != EventOrder::kNone ? 1 : 0;
  const double rows = std::max(1.0, CountEvents(*static_cast<Table*>(base)) * ShareLeft(chosen));
  constexpr double kOpening = 1000;  // names, clocks and the index, in rows
  info->estimatedRows = static_cast<sqlite3_int64>(rows);
  info->estimatedCost = kOpening + rows;
  return SQLITE_OK;
}

int OpenCursor(sqlite3_vtab* base, sqlite3_vtab_cursor** out) {
  *out = new Cursor(static_cast<Table*>(base));
  return SQLITE_OK;
}

int CloseCursor(sqlite3_vtab_cursor* base) {
  delete static_cast<Cursor*>(base);
  return SQLITE_OK;
}

// A bound given as text or NULL compares in SQLite's way, which the row check does: here it is no
// bound. Reals are cut, one wider than they need be.
void SetBound(sqlite3_value* value, bool lower, EventBounds& bounds) {
  const int type = sqlite3_value_type(value);
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) return;
  const int64_t bound = sqlite3_value_int64(value);
  constexpr int64_t kMargin = 1;
  if (lower && bound > bounds.from + kMargin) bounds.from = bound - kMargin;
  if (!lower && bound < bounds.to - kMargin) bounds.to = bound + kMargin;
}

int Filter(sqlite3_vtab_cursor* base, int chosen, const char*, int, sqlite3_value** values) {
  auto& cursor = *static_cast<Cursor*>(base);
  EventFilter filter;
  filter.order = static_cast<EventOrder>(chosen >> kOrderShift);
  std::optional<std::string>* const texts[] = {&filter.node, &filter.queue, &filter.kind};
  EventBounds* const bounds[] = {&filter.time, &filter.mono, &filter.position, &filter.number};
  int at = 0;
  for (int place = 0; place < kConstraints; ++place) {
    if ((chosen & 1 << place) == 0) continue;
    sqlite3_value* value = values[at++];
    if (place >= kRanges) {
      const int end = (place - kRanges) % kEnds;
      EventBounds& range = *bounds[(place - kRanges) / kEnds];
      if (end != kTo) SetBound(value, true, range);
      if (end != kFrom) SetBound(value, false, range);
      continue;
    }
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
    texts[place]->emplace(text == nullptr ? "" : text);
  }
  const absl::Status status = cursor.scan.Start(filter);
  return status.ok() ? SQLITE_OK : cursor.table().Fail(status);
}

int Next(sqlite3_vtab_cursor* base) {
  auto& cursor = *static_cast<Cursor*>(base);
  const absl::Status status = cursor.scan.Next();
  return status.ok() ? SQLITE_OK : cursor.table().Fail(status);
}

int Eof(sqlite3_vtab_cursor* base) { return static_cast<Cursor*>(base)->scan.ended() ? 1 : 0; }

// `text` lives as long as the connection.
void ResultText(sqlite3_context* context, std::string_view text) {
  sqlite3_result_text64(context, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

int ColumnValue(sqlite3_vtab_cursor* base, sqlite3_context* context, int column) {
  const auto& cursor = *static_cast<Cursor*>(base);
  const Event& event = cursor.scan.event();
  const EventStream& stream = cursor.scan.stream();
  switch (column) {
    case kNode: ResultText(context, *stream.node); break;
    case kQueue: {
      const auto name = stream.queues.find(static_cast<uint32_t>(event.queue));
      if (name != stream.queues.end()) ResultText(context, *name->second);
      break;
    }
    case kKind: ResultText(context, EventKindName(event.kind)); break;
    case kTime: sqlite3_result_int64(context, stream.clock.Real(event.mono_ns)); break;
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
  *id = static_cast<Cursor*>(base)->scan.row_id();
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
