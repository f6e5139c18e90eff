// SPDX-License-Identifier: Apache-2.0
#include "collector/store/new_incident.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "collector/store/schema.h"

namespace ringside {
namespace {

absl::Status RunAll(Db& db, std::initializer_list<const char*> statements) {
  for (const char* sql : statements) {
    if (absl::Status status = db.Exec(sql); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Writes the empty incident under a name of its own, so that nobody ever sees half of one.
absl::Status WriteSchema(const std::string& name, const std::string& path,
                         const std::string& recorder) {
  absl::StatusOr<Db> db =
      Db::Open(name, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX);
  if (!db.ok()) return db.status();
  const std::string identity = fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};",
                                           kApplicationId, kSchemaVersion);
  const std::string sql = SchemaSql();
  if (absl::Status status = RunAll(*db, {"PRAGMA page_size = 4096", "PRAGMA journal_mode = OFF",
                                         "BEGIN", identity.c_str(), sql.c_str()});
      !status.ok()) {
    return status;
  }
  absl::StatusOr<SqlStatement> meta = db->Prepare(
      "INSERT INTO meta VALUES('schema', ?1), ('made_by', ?2), ('recorder', ?3), ('closed', 0),"
      " ('merged', 0)");
  if (!meta.ok()) return meta.status();
  if (absl::Status status =
          meta->Bind(kSchemaVersion, "ringside " RINGSIDE_VERSION, recorder).Run();
      !status.ok()) {
    return status;
  }
  return db->Exec("COMMIT");
}

absl::Status MoveToNewName(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  if (errno == EEXIST) {
    return absl::AlreadyExistsError(fmt::format("{}: exists, and is not overwritten", to));
  }
  if (errno == EINVAL && access(to.c_str(), F_OK) != 0 && rename(from.c_str(), to.c_str()) == 0) {
    return absl::OkStatus();  // file systems without RENAME_NOREPLACE
  }
  const std::string why = std::generic_category().message(errno);
  return absl::UnavailableError(fmt::format("{}: {}", to, why));
}

}  // namespace

absl::StatusOr<Db> CreateIncidentFile(const std::string& path, const std::string& recorder) {
  if (access(path.c_str(), F_OK) == 0) {
    return absl::AlreadyExistsError(fmt::format("{}: exists, and is not overwritten", path));
  }
  const std::string draft = fmt::format("{}.{}.new", path, getpid());
  absl::Status status = WriteSchema(draft, path, recorder);
  if (status.ok()) status = MoveToNewName(draft, path);
  if (!status.ok()) {
    unlink(draft.c_str());
    return status;
  }
  absl::StatusOr<Db> db = Db::Open(path, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX);
  if (!db.ok()) return db.status();
  // WAL: readers and the writer do not wait for each other. FULL: what is acknowledged survives a
  // loss of power. A file system that cannot have WAL gets a rollback journal, which is as safe.
  status = RunAll(
      *db, {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA temp_store = MEMORY",
            "PRAGMA cache_size = -8192", "PRAGMA journal_size_limit = 16777216"});
  if (!status.ok()) return status;
  return db;
}

}  // namespace ringside
