// SPDX-License-Identifier: Apache-2.0
#include "cli/sql_query.h"

#include <sqlite3.h>

#include <algorithm>
#include <string_view>

#include "fmt/format.h"

namespace ringside {
namespace {

// What a statement may do, decided while SQLite compiles it. A list of what is allowed, so that
// what a later SQLite invents is refused.
int Authorize(void* refused, int action, const char* first, const char* second, const char*,
              const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION:
      if (second != nullptr && sqlite3_stricmp(second, "load_extension") != 0) return SQLITE_OK;
      break;
    case SQLITE_PRAGMA: {
      // The ones that describe the schema; with a value these only read as well.
      static constexpr const char* kReading[] = {"table_info",  "table_xinfo", "table_list",
                                                 "index_list",  "index_info",  "database_list",
                                                 "user_version"};
      bool known = std::any_of(std::begin(kReading), std::end(kReading), [&](const char* name) {
        return first != nullptr && sqlite3_stricmp(first, name) == 0;
      });
      bool sets = first != nullptr && sqlite3_stricmp(first, "user_version") == 0 && second;
      if (known && !sets) return SQLITE_OK;
      break;
    }
    case SQLITE_UPDATE:
      // Asked for while SQLite declares a virtual table to itself; a statement that really writes
      // is refused as such below.
      if (first != nullptr && sqlite3_stricmp(first, "sqlite_master") == 0) return SQLITE_OK;
      break;
    default: break;
  }
  *static_cast<bool*>(refused) = true;
  return SQLITE_DENY;
}

absl::Status Refused() {
  return absl::InvalidArgumentError(
      "the statement would do more than read the incident; only SELECT is allowed "
      "(copy the file and use sqlite3 to change the copy)");
}

// Whether anything but blanks, comments and semicolons follows.
bool HasStatement(sqlite3* db, const char* text) {
  while (text != nullptr && *text != '\0') {
    sqlite3_stmt* next = nullptr;
    const char* tail = nullptr;
    int code = sqlite3_prepare_v2(db, text, -1, &next, &tail);
    sqlite3_finalize(next);
    if (code != SQLITE_OK || next != nullptr) return true;
    if (tail == text) return false;
    text = tail;
  }
  return false;
}

SqlValue ColumnValue(sqlite3_stmt* statement, int index) {
  auto bytes = [&] { return static_cast<size_t>(sqlite3_column_bytes(statement, index)); };
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER: return static_cast<int64_t>(sqlite3_column_int64(statement, index));
    case SQLITE_FLOAT: return sqlite3_column_double(statement, index);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
      return std::string(text == nullptr ? "" : text, text == nullptr ? 0 : bytes());
    }
    case SQLITE_BLOB: {
      const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, index));
      return Blob{std::string(data == nullptr ? "" : data, data == nullptr ? 0 : bytes())};
    }
    default: return std::monostate();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqlQuery>> SqlQuery::Prepare(sqlite3* db, const std::string& sql) {
  bool refused = false;
  sqlite3_set_authorizer(db, Authorize, &refused);
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  int code =
      sqlite3_prepare_v2(db, sql.c_str(), static_cast<int>(sql.size()) + 1, &statement, &tail);
  std::string error = sqlite3_errmsg(db);
  bool more = code == SQLITE_OK && HasStatement(db, tail);
  // The table of events prepares statements of its own while ours runs: it is trusted.
  sqlite3_set_authorizer(db, nullptr, nullptr);
  if (code != SQLITE_OK) {
    sqlite3_finalize(statement);
    if (refused) return Refused();
    return absl::InvalidArgumentError(fmt::format("SQL: {}", error));
  }
  if (statement == nullptr) return absl::InvalidArgumentError("SQL: the statement is empty");
  std::unique_ptr<SqlQuery> query(new SqlQuery(db, statement));
  if (more) {
    return absl::InvalidArgumentError("SQL: more than one statement; give one at a time");
  }
  if (sqlite3_stmt_readonly(statement) == 0) return Refused();
  return query;
}

SqlQuery::SqlQuery(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    const char* name = sqlite3_column_name(statement, i);
    columns_.emplace_back(name == nullptr ? "" : name);
  }
}

SqlQuery::~SqlQuery() { sqlite3_finalize(statement_); }

void SqlQuery::Bind(int index, int64_t value) { sqlite3_bind_int64(statement_, index, value); }

void SqlQuery::Bind(int index, const std::string& value) {
  sqlite3_bind_text(statement_, index, value.data(), static_cast<int>(value.size()),
                    SQLITE_TRANSIENT);
}

absl::StatusOr<bool> SqlQuery::Next(std::vector<SqlValue>& row) {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_DONE) return false;
  if (code != SQLITE_ROW) return absl::DataLossError(fmt::format("SQL: {}", sqlite3_errmsg(db_)));
  row.clear();
  for (int i = 0; i < static_cast<int>(columns_.size()); ++i) {
    row.push_back(ColumnValue(statement_, i));
  }
  return true;
}

}  // namespace ringside
