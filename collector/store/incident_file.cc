// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "collector/store/schema.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;

constexpr size_t kHeaderBytes = 100;
constexpr std::string_view kMagic("SQLite format 3\0", 16);
// Longest text or blob that any ringside writes is a chunk of 3 MiB.
constexpr int kValueBytesMax = 16 << 20;

absl::Status ErrnoStatus(const std::string& path, int error) {
  const std::string text = fmt::format("{}: {}", path, std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR: return absl::NotFoundError(fmt::format("{}: no such file", path));
    case EACCES:
    case EPERM: return absl::PermissionDeniedError(text);
    case ENOSPC:
    case EDQUOT: return absl::ResourceExhaustedError(text);
    default: return absl::UnavailableError(text);
  }
}

// What the first page of an SQLite file says.
struct Header {
  bool wal = false;
  int64_t page_bytes = 0;
  int64_t pages = 0;  // 0: not known
  int64_t file_bytes = 0;
  int32_t schema = 0;
};

uint32_t Big32(const std::array<uint8_t, kHeaderBytes>& header, size_t at) {
  return uint32_t{header[at]} << 24 | uint32_t{header[at + 1]} << 16 |
         uint32_t{header[at + 2]} << 8 | header[at + 3];
}

absl::Status CheckIdentity(const std::string& path,
                           const std::array<uint8_t, kHeaderBytes>& header) {
  const auto application = static_cast<int32_t>(Big32(header, 68));
  const auto schema = static_cast<int32_t>(Big32(header, 60));
  if (application != kApplicationId) {
    return absl::InvalidArgumentError(
        fmt::format("{}: not a ringside incident (an SQLite file of another program)", path));
  }
  if (schema > kSchemaVersion) {
    return absl::FailedPreconditionError(
        fmt::format("{}: made by a newer ringside: schema {}, this reads up to {}", path, schema,
                    kSchemaVersion));
  }
  if (schema < 1) return absl::DataLossError(fmt::format("{}: damaged (schema {})", path, schema));
  return absl::OkStatus();
}

absl::Status CheckReadable(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(path, errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(fmt::format("{}: not a file", path));
  }
  if (info.st_size == 0) {
    return absl::InvalidArgumentError(
        fmt::format("{}: not a ringside incident (it is empty)", path));
  }
  return euidaccess(path.c_str(), R_OK) == 0 ? absl::OkStatus() : ErrnoStatus(path, errno);
}

// Reads through SQLite's own handle: opening and closing the file beside it would drop the locks of
// a writer in this process.
absl::StatusOr<Header> ReadHeader(Db& db, const std::string& path) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  Header header;
  sqlite3_int64 size = 0;
  if (file == nullptr || file->pMethods == nullptr ||
      file->pMethods->xFileSize(file, &size) != SQLITE_OK) {
    return absl::UnavailableError(fmt::format("{}: cannot be read", path));
  }
  header.file_bytes = size;
  std::array<uint8_t, kHeaderBytes> bytes{};
  const int code = file->pMethods->xRead(file, bytes.data(), kHeaderBytes, 0);
  if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) {
    return SqliteStatus(code, path, "its first page");
  }
  const size_t compared = std::min(static_cast<size_t>(size), kMagic.size());
  if (std::memcmp(bytes.data(), kMagic.data(), compared) != 0) {
    return absl::InvalidArgumentError(fmt::format("{}: not a ringside incident", path));
  }
  if (static_cast<size_t>(size) < kHeaderBytes) {
    return absl::DataLossError(fmt::format("{}: cut short: {} bytes are left", path, size));
  }
  if (absl::Status status = CheckIdentity(path, bytes); !status.ok()) return status;
  header.wal = bytes[18] == 2;
  header.page_bytes = bytes[16] << 8 | bytes[17];
  if (header.page_bytes == 1) header.page_bytes = 65536;
  header.schema = static_cast<int32_t>(Big32(bytes, 60));
  if (Big32(bytes, 24) == Big32(bytes, 92)) header.pages = Big32(bytes, 28);
  return header;
}

// For a file: URI.
std::string Escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("/._-", c) != nullptr) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

absl::StatusOr<Db> OpenUnread(const std::string& file, const std::string& path,
                              std::string_view option) {
  return Db::Open(fmt::format("file:{}?mode=ro{}", Escaped(file), option), path,
                  SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX);
}

// Makes the connection safe for hostile files, then reads from it for the first time: here it turns
// out whether the file can be read at all.
absl::Status BeginReading(Db& db) {
  sqlite3* handle = db.get();
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kValueBytesMax);
  sqlite3_busy_timeout(handle, 2000);
  if (absl::Status status = db.Exec("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
                                    " PRAGMA temp_store = MEMORY");
      !status.ok()) {
    return status;
  }
  return db.Query("SELECT count(*) FROM sqlite_schema").status();
}

int64_t FileBytes(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 ? info.st_size : -1;
}

// A file that was being written when its recorder died, in a directory where SQLite may not make
// the shared memory that reading it takes: read a copy.
absl::StatusOr<IncidentFile> OpenCopy(const std::string& path) {
  absl::StatusOr<std::unique_ptr<TemporaryDirectory>> directory = TemporaryDirectory::Create();
  if (!directory.ok()) return directory.status();
  const std::string copy = (*directory)->path() + "/incident.rsi";
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    fs::copy_file(path + suffix, copy + suffix, error);
    if (error) return ErrnoStatus(path + suffix, error.value());
  }
  absl::StatusOr<Db> db = OpenUnread(copy, path, "");
  if (!db.ok()) return db.status();
  if (absl::Status status = BeginReading(*db); !status.ok()) return status;
  return IncidentFile{*std::move(directory), *std::move(db)};
}

using Tables = std::map<std::string, std::string>;

// Name and text of every table of a version's schema, as SQLite keeps them.
Tables MakeTables(int32_t version) {
  Tables tables;
  absl::StatusOr<Db> db =
      Db::Open(":memory:", "memory", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!db.ok() || !db->Exec(TablesSql(version)).ok()) return tables;
  absl::StatusOr<SqlStatement> select =
      db->Prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table'");
  while (select.ok() && select->Next().value_or(false)) {
    tables.emplace(select->Text(0), select->Text(1));
  }
  return tables;
}

const Tables& ExpectedTables(int32_t version) {
  static const auto* const tables = [] {
    auto* made = new std::array<Tables, kSchemaVersion>;
    for (int32_t i = 1; i <= kSchemaVersion; ++i)
      made->at(static_cast<size_t>(i - 1)) = MakeTables(i);
    return made;
  }();
  return tables->at(static_cast<size_t>(version - 1));
}

// A table that is not what this schema says could be a view, or a virtual table, of somebody's
// making.
absl::Status CheckTables(Db& db, int32_t version) {
  absl::StatusOr<SqlStatement> select =
      db.Prepare("SELECT type || sql FROM sqlite_schema WHERE name = ?1");
  if (!select.ok()) return select.status();
  for (const auto& [name, sql] : ExpectedTables(version)) {
    const absl::StatusOr<bool> row = select->Bind(name).Next();
    if (!row.ok()) return row.status();
    if (!*row || select->Text(0) != "table" + sql) {
      return absl::DataLossError(fmt::format("{}: damaged (its table {} {})", db.path(), name,
                                             *row ? "is not ringside's" : "is missing"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TemporaryDirectory>> TemporaryDirectory::Create() {
  const char* place = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): never set here
  std::string name = fmt::format("{}/ringside-XXXXXX", place == nullptr ? "/tmp" : place);
  if (mkdtemp(name.data()) == nullptr) return ErrnoStatus(name, errno);
  return std::unique_ptr<TemporaryDirectory>(new TemporaryDirectory(name));
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

absl::StatusOr<IncidentFile> OpenIncidentFile(const std::string& path) {
  if (absl::Status status = CheckReadable(path); !status.ok()) return status;
  absl::StatusOr<Db> db = OpenUnread(path, path, "");
  if (!db.ok()) return db.status();
  const absl::StatusOr<Header> header = ReadHeader(*db, path);
  if (!header.ok()) return header.status();
  const int64_t wal_bytes = FileBytes(path + "-wal");
  const int64_t pages_bytes = header->pages * header->page_bytes;
  if (wal_bytes <= 0 && header->file_bytes < pages_bytes) {
    return absl::DataLossError(fmt::format("{}: cut short: {} of {} bytes are left", path,
                                           header->file_bytes, pages_bytes));
  }
  if (header->wal && wal_bytes < 0 && FileBytes(path + "-shm") < 0) {
    // Nobody can be writing it, and opening it as usual would leave files behind.
    db = OpenUnread(path, path, "&immutable=1");
    if (!db.ok()) return db.status();
  }
  IncidentFile file;
  absl::Status status = BeginReading(*db);
  if (status.ok()) {
    file.db = *std::move(db);
  } else if (header->wal && wal_bytes >= 0 && absl::IsPermissionDenied(status)) {
    absl::StatusOr<IncidentFile> copy = OpenCopy(path);
    if (!copy.ok()) return copy.status();
    file = *std::move(copy);
  } else {
    return status;
  }
  if (status = CheckTables(file.db, header->schema); !status.ok()) return status;
  if (status = file.db.Exec(TemporaryTablesSql(header->schema)); !status.ok()) return status;
  return file;
}

}  // namespace ringside
