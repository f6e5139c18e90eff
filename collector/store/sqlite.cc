// SPDX-License-Identifier: Apache-2.0
#include "collector/store/sqlite.h"

#include <fmt/format.h>

#include "proto/texts.h"

namespace ringside {
namespace {

constexpr size_t kDetailBytesMax = 200;

}  // namespace

absl::Status SqliteStatus(int code, const std::string& path, std::string_view text) {
  std::string detail(text);  // may quote the file
  CleanText(detail, kDetailBytesMax);
  const auto line = [&](std::string_view what) { return fmt::format("{}: {}", path, what); };
  switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW: return absl::OkStatus();
    case SQLITE_FULL: return absl::ResourceExhaustedError(line("no room left on the disk"));
    case SQLITE_NOMEM: return absl::ResourceExhaustedError(line("not enough memory"));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: return absl::UnavailableError(line("another program has it locked"));
    case SQLITE_IOERR:
      if (code == SQLITE_IOERR_SHORT_READ) return absl::DataLossError(line("cut short"));
      return absl::UnavailableError(line(fmt::format("the disk failed ({})", detail)));
    case SQLITE_CORRUPT: return absl::DataLossError(line(fmt::format("damaged ({})", detail)));
    case SQLITE_NOTADB: return absl::InvalidArgumentError(line("not a ringside incident"));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return absl::PermissionDeniedError(line(detail));
    case SQLITE_TOOBIG:
      return absl::DataLossError(line("damaged (a value larger than any ringside writes)"));
    default: return absl::InternalError(line(fmt::format("{} (SQLite {})", detail, code)));
  }
}

absl::Status SqlStatement::Run() {
  const int code = sqlite3_step(statement_.get());
  const int failure = sqlite3_reset(statement_.get());
  if (code == SQLITE_DONE || code == SQLITE_ROW) return absl::OkStatus();
  return SqliteStatus(failure == SQLITE_OK ? code : failure, *path_,
                      sqlite3_errmsg(sqlite3_db_handle(statement_.get())));
}

absl::StatusOr<bool> SqlStatement::Next() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  const absl::Status status =
      SqliteStatus(code, *path_, sqlite3_errmsg(sqlite3_db_handle(statement_.get())));
  sqlite3_reset(statement_.get());
  if (!status.ok()) return status;
  return false;
}

std::string SqlStatement::Text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (bytes == nullptr) return {};
  return std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

absl::StatusOr<Db> Db::Open(const std::string& name, const std::string& path, int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  Db db;
  db.path_ = std::make_unique<const std::string>(path);
  db.db_.reset(handle);
  if (code != SQLITE_OK) return SqliteStatus(code, path, sqlite3_errmsg(handle));
  sqlite3_extended_result_codes(handle, 1);
  return db;
}

absl::Status Db::Exec(const std::string& sql) {
  return Status(sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr));
}

absl::StatusOr<SqlStatement> PrepareOn(sqlite3* db, const std::string& path, std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  if (code != SQLITE_OK) return SqliteStatus(code, path, sqlite3_errmsg(db));
  SqlStatement statement;
  statement.statement_.reset(handle);
  statement.path_ = &path;
  return statement;
}

absl::StatusOr<SqlStatement> Db::Prepare(std::string_view sql) {
  return PrepareOn(db_.get(), *path_, sql);
}

absl::StatusOr<std::string> Db::Query(const std::string& sql) {
  absl::StatusOr<SqlStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Next();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError("no row");
  return statement->Text(0);
}

absl::Status Db::Status(int code) const {
  return SqliteStatus(code, *path_, sqlite3_errmsg(db_.get()));
}

}  // namespace ringside
