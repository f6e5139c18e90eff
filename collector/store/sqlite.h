// SPDX-License-Identifier: Apache-2.0
// SQLite's handles as objects, and its failures as Status. Used inside collector/store only.
//
// A SqlStatement must not outlive its Db. No locks: a Db and its statements belong to one thread at
// a time. Every message begins with the path of the file.
#ifndef RINGSIDE_COLLECTOR_STORE_SQLITE_H_
#define RINGSIDE_COLLECTOR_STORE_SQLITE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ringside {

// What a result code means to the user; `detail` is SQLite's own text.
absl::Status SqliteStatus(int code, const std::string& path, std::string_view detail);

// Prepares on a connection that somebody else owns; `path` must live as long as the statement.
class SqlStatement;
absl::StatusOr<SqlStatement> PrepareOn(sqlite3* db, const std::string& path, std::string_view sql);

// A prepared statement, used again and again: Bind, then Run, or Next until it gives false.
class SqlStatement {
 public:
  SqlStatement() = default;

  // Starts anew with these values for ?1, ?2, ... : integers, texts, nullptr, Blob.
  struct Blob {
    std::string_view bytes;
  };
  template <typename... Values>
  SqlStatement& Bind(const Values&... values) {
    sqlite3_reset(statement_.get());
    [[maybe_unused]] int at = 0;
    (BindOne(++at, values), ...);
    return *this;
  }

  // Runs a statement that gives no rows.
  absl::Status Run();
  // Steps to the next row; false after the last one, when the statement is reset.
  absl::StatusOr<bool> Next();

  int64_t Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  uint64_t Unsigned(int column) const { return static_cast<uint64_t>(Int(column)); }
  bool IsNull(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
  }
  std::string Text(int column) const;  // of texts and blobs
  explicit operator bool() const { return statement_ != nullptr; }

 private:
  friend absl::StatusOr<SqlStatement> PrepareOn(sqlite3* db, const std::string& path,
                                                std::string_view sql);
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  template <typename Value>
  void BindOne(int at, const Value& value) {
    sqlite3_stmt* statement = statement_.get();
    if constexpr (std::is_same_v<Value, Blob>) {
      sqlite3_bind_blob64(statement, at, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
    } else if constexpr (std::is_same_v<Value, std::nullptr_t>) {
      sqlite3_bind_null(statement, at);
    } else if constexpr (std::is_convertible_v<Value, std::string_view>) {
      const std::string_view text = value;  // must live until the statement has run
      sqlite3_bind_text64(statement, at, text.empty() ? "" : text.data(), text.size(),
                          SQLITE_STATIC, SQLITE_UTF8);
    } else {
      sqlite3_bind_int64(statement, at, static_cast<int64_t>(value));
    }
  }

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  const std::string* path_ = nullptr;
};

class Db {
 public:
  Db() = default;
  // `name` is what SQLite opens (a path or a file: URI), `path` what messages call it.
  static absl::StatusOr<Db> Open(const std::string& name, const std::string& path, int flags);

  absl::Status Exec(const std::string& sql);
  absl::StatusOr<SqlStatement> Prepare(std::string_view sql);
  // The first column of the first row; NOT_FOUND if there is none.
  absl::StatusOr<std::string> Query(const std::string& sql);
  absl::Status Status(int code) const;
  int64_t last_id() const { return sqlite3_last_insert_rowid(db_.get()); }
  sqlite3* get() const { return db_.get(); }
  const std::string& path() const { return *path_; }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::unique_ptr<const std::string> path_;  // statements point to it
  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_SQLITE_H_
