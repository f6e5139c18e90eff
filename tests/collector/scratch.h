// SPDX-License-Identifier: Apache-2.0
// A directory for one test, and what tests of the store do all the time.
#ifndef RINGSIDE_TESTS_COLLECTOR_SCRATCH_H_
#define RINGSIDE_TESTS_COLLECTOR_SCRATCH_H_

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collector/store/incident_copy.h"
#include "collector/store/incident_reader.h"
#include "collector/store/incident_writer.h"
#include "tests/proto/sample_records.h"

namespace ringside {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "ringside-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string Message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

inline std::unique_ptr<IncidentWriter> NewWriter(const std::string& path) {
  absl::StatusOr<std::unique_ptr<IncidentWriter>> writer =
      IncidentWriter::Create(path, "collector1");
  EXPECT_TRUE(writer.ok()) << writer.status();
  return writer.ok() ? *std::move(writer) : nullptr;
}

// Appends with numbers from 1 on; the first must be a Hello.
inline void AppendAll(IncidentWriter& writer, const StreamKey& key,
                      const std::vector<Record>& records) {
  uint64_t number = 0;
  for (const Record& record : records) {
    const absl::Status status = writer.Append(key, {++number, record});
    ASSERT_TRUE(status.ok()) << status << " at " << number;
  }
}

// The rows of a query, columns joined by '|', NULL as an empty text.
inline std::vector<std::string> Rows(sqlite3* db, const std::string& sql) {
  std::vector<std::string> rows;
  sqlite3_stmt* statement = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  int code = SQLITE_DONE;
  while (statement != nullptr && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    std::string row;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
      if (i > 0) row.push_back('|');
      if (text != nullptr) row.append(text);
    }
    rows.push_back(row);
  }
  EXPECT_EQ(code, SQLITE_DONE) << sqlite3_errmsg(db);
  sqlite3_finalize(statement);
  return rows;
}

inline std::vector<std::string> Rows(const std::string& path, const std::string& sql) {
  const absl::StatusOr<std::unique_ptr<IncidentDb>> db = IncidentDb::Open(path);
  EXPECT_TRUE(db.ok()) << db.status();
  return db.ok() ? Rows((*db)->db(), sql) : std::vector<std::string>();
}

}  // namespace ringside

#endif  // RINGSIDE_TESTS_COLLECTOR_SCRATCH_H_
