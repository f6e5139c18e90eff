// SPDX-License-Identifier: Apache-2.0
// One read-only SQL statement on an incident's connection, its rows as values. Called by
// `ringside sql` and, for detail events, by `ringside timeline`. A query belongs to its
// connection's thread and must not outlive the connection.
#ifndef RINGSIDE_CLI_SQL_QUERY_H_
#define RINGSIDE_CLI_SQL_QUERY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace ringside {

struct Blob {
  std::string bytes;
};
using SqlValue = std::variant<std::monostate, int64_t, double, std::string, Blob>;

class SqlQuery {
 public:
  // INVALID_ARGUMENT for a statement that SQLite does not take, for more than one, and for one that
  // would change anything: the file, another file, or the connection.
  static absl::StatusOr<std::unique_ptr<SqlQuery>> Prepare(sqlite3* db, const std::string& sql);
  ~SqlQuery();
  SqlQuery(const SqlQuery&) = delete;
  SqlQuery& operator=(const SqlQuery&) = delete;

  void Bind(int index, int64_t value);  // from 1
  void Bind(int index, const std::string& value);

  const std::vector<std::string>& columns() const { return columns_; }
  // Fills `row` and says true, or false after the last one.
  absl::StatusOr<bool> Next(std::vector<SqlValue>& row);

 private:
  SqlQuery(sqlite3* db, sqlite3_stmt* statement);

  sqlite3* db_;
  sqlite3_stmt* statement_;
  std::vector<std::string> columns_;
};

}  // namespace ringside

#endif  // RINGSIDE_CLI_SQL_QUERY_H_
