// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "collector/store/record_writer.h"
#include "collector/store/schema.h"
#include "collector/store/sqlite.h"
#include "proto/convert.h"
#include "proto/texts.h"

namespace ringside {
namespace {

// An idle recorder still says every second that it lives: meta.real_to_ns.
constexpr int64_t kIdleCommit_ns = 1'000'000'000;
// What REALTIME may move against MONOTONIC by slewing: a tenth, and two reads apart.
constexpr int64_t kSlewSlack_ns = 20'000'000;
constexpr int kReaderWait_ms = 2000;

std::string Name(const StreamKey& key) {
  return fmt::format("{}/{}/{}", key.machine_id, key.boot_id, key.instance);
}

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
  absl::StatusOr<Statement> meta = db->Prepare(
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

enum class Repeat {
  kNew,
  kKnown,    // to be dropped
  kContext,  // known elsewhere, wanted here too
};

// What only the store can refuse: everything else was checked when it came off the wire.
absl::Status CheckBody(const NumberedRecord& record, std::vector<ChunkQueue>& chunk_index) {
  if (const auto* snapshot = std::get_if<Snapshot>(&record.record)) {
    for (const Sample& sample : snapshot->samples) {
      if (sample.lo <= sample.hi && sample.hi <= kCountMax) continue;
      return absl::InvalidArgumentError(
          fmt::format("record {} has a count of {} to {}", record.number, sample.lo, sample.hi));
    }
  }
  if (const auto* chunk = std::get_if<EventChunk>(&record.record)) {
    absl::StatusOr<std::vector<ChunkQueue>> index = IndexChunk(*chunk);
    if (!index.ok()) return index.status();
    chunk_index = *std::move(index);
  }
  return absl::OkStatus();
}

}  // namespace

class IncidentWriter::Impl {
 public:
  Impl(std::string path, Db db) : path_(std::move(path)), db_(std::move(db)) {}

  absl::Status Append(const StreamKey& key, NumberedRecord record);
  absl::Status Append(RecorderGap gap) {
    CleanText(gap.what, kTextBytesMax);
    gaps_.push_back(std::move(gap));
    return absl::OkStatus();
  }
  absl::Status Continue(const StreamKey& key, uint64_t last_number);
  absl::Status Commit(const ClockReading& now);
  absl::Status Close();

  void SetMerged(bool closed, int64_t real_from_ns, int64_t real_to_ns) {
    merged_ = true;
    closed_value_ = closed ? 1 : 0;
    real_from_ns_ = real_from_ns;
    real_to_ns_ = real_to_ns;
  }
  const WriterStream* Find(const StreamKey& key) const {
    const auto at = streams_.find(key);
    return at == streams_.end() ? nullptr : &at->second;
  }
  const std::string& path() const { return path_; }
  Db& db() { return db_; }

 private:
  absl::StatusOr<Repeat> CheckRepeat(const WriterStream& stream, const NumberedRecord& record,
                                     uint64_t hash);
  absl::StatusOr<std::optional<uint64_t>> KnownHash(const WriterStream& stream, uint64_t number);
  void NoteClock(const ClockReading& now);
  absl::Status WriteAll();
  absl::Status WriteMeta(bool closing);
  void Committed();

  const std::string path_;
  Db db_;
  std::optional<RecordWriter> writer_;  // none after a rollback
  std::map<StreamKey, WriterStream> streams_;
  std::vector<PendingRecord> pending_;
  std::vector<RecorderGap> gaps_;  // pending too
  size_t pending_bytes_ = 0;
  std::optional<ClockReading> last_clock_;
  int64_t last_commit_mono_ns_ = 0;
  std::optional<RecorderGap> failing_;  // since when commits fail, and why
  bool merged_ = false;
  bool closing_ = false;
  int closed_value_ = 1;
  int64_t real_from_ns_ = 0;
  int64_t real_to_ns_ = 0;
};

absl::Status IncidentWriter::Impl::Append(const StreamKey& key, NumberedRecord record) {
  CleanTexts(record.record);
  const bool is_hello = std::holds_alternative<Hello>(record.record) && record.number > 0;
  const auto at = streams_.find(key);
  if ((at == streams_.end() || !at->second.known) && !is_hello) {
    return absl::InvalidArgumentError(
        fmt::format("stream {} does not begin with its Hello", Name(key)));
  }
  PendingRecord pending;
  pending.stream = &streams_.try_emplace(key).first->second;
  WriterStream& stream = *pending.stream;
  stream.key = key;
  pending.hash = Fingerprint(record);
  const uint64_t number = record.number;
  const absl::StatusOr<Repeat> repeat = CheckRepeat(stream, record, pending.hash);
  if (!repeat.ok()) return repeat.status();
  if (*repeat == Repeat::kKnown) return absl::OkStatus();
  pending.context = *repeat == Repeat::kContext;
  if (absl::Status status = CheckBody(record, pending.chunk_index); !status.ok()) return status;
  pending.bytes = ApproximateBytes(record.record);
  if (pending_bytes_ > 0 && pending_bytes_ + pending.bytes > kPendingBytesMax) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: {} MiB wait to be written", path_, pending_bytes_ >> 20));
  }
  if (number > 0) stream.pending_hashes[number] = pending.hash;
  stream.known = true;
  stream.accepted_number = std::max(stream.accepted_number, number);
  pending_bytes_ += pending.bytes;
  pending.record = std::move(record);
  pending_.push_back(std::move(pending));
  return absl::OkStatus();
}

// Exactly once: what a number that is not new stands for.
absl::StatusOr<Repeat> IncidentWriter::Impl::CheckRepeat(const WriterStream& stream,
                                                         const NumberedRecord& record,
                                                         uint64_t hash) {
  const uint64_t number = record.number;
  if (number == 0 || number > stream.accepted_number) return Repeat::kNew;
  const absl::StatusOr<std::optional<uint64_t>> known = KnownHash(stream, number);
  if (!known.ok()) return known.status();
  if (*known == hash) return Repeat::kKnown;
  if (known->has_value()) {
    return absl::AlreadyExistsError(
        fmt::format("stream {}: record {} was different before", Name(stream.key), number));
  }
  if (number > stream.base_number) {
    return absl::InvalidArgumentError(
        fmt::format("stream {}: record {} comes too late", Name(stream.key), number));
  }
  const bool context = std::holds_alternative<Hello>(record.record) ||
                       std::holds_alternative<QueueInfo>(record.record);
  return context ? Repeat::kContext : Repeat::kKnown;
}

absl::Status IncidentWriter::Impl::Continue(const StreamKey& key, uint64_t last_number) {
  WriterStream& stream = streams_.try_emplace(key).first->second;
  if (stream.known) {
    return absl::FailedPreconditionError(fmt::format("stream {} has begun here", Name(key)));
  }
  stream.key = key;
  stream.base_number = stream.accepted_number = stream.committed_number = last_number;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<uint64_t>> IncidentWriter::Impl::KnownHash(const WriterStream& stream,
                                                                        uint64_t number) {
  const auto at = stream.pending_hashes.find(number);
  if (at != stream.pending_hashes.end()) return at->second;
  absl::StatusOr<Statement> select = db_.Prepare(
      "SELECT r.hash FROM records r JOIN streams s ON s.id = r.stream JOIN nodes n ON n.id = s.node"
      " WHERE n.machine_id = ?1 AND n.boot_id = ?2 AND s.instance = ?3 AND r.number = ?4");
  if (!select.ok()) return select.status();
  const absl::StatusOr<bool> row =
      select->Bind(stream.key.machine_id, stream.key.boot_id, stream.key.instance, number).Next();
  if (!row.ok()) return row.status();
  if (!*row) return std::optional<uint64_t>();
  return std::optional<uint64_t>(select->Unsigned(0));
}

void IncidentWriter::Impl::NoteClock(const ClockReading& now) {
  if (merged_) return;
  if (real_from_ns_ == 0) real_from_ns_ = now.real_ns;
  real_to_ns_ = now.real_ns;
  if (last_clock_) {
    const int64_t elapsed_ns = now.mono_ns - last_clock_->mono_ns;
    const int64_t step_ns = now.real_ns - last_clock_->real_ns - elapsed_ns;
    if (std::abs(step_ns) > kSlewSlack_ns + elapsed_ns / 10) {
      gaps_.push_back(RecorderGap{last_clock_->real_ns, now.real_ns,
                                  fmt::format("the recorder's clock was set {} by {:.3f} s{}",
                                              step_ns < 0 ? "back" : "forward",
                                              static_cast<double>(std::abs(step_ns)) / 1e9,
                                              step_ns < 0 ? "" : ", or its machine slept")});
    }
  }
  last_clock_ = now;
}

absl::Status IncidentWriter::Impl::Commit(const ClockReading& now) {
  NoteClock(now);
  const bool idle = pending_.empty() && gaps_.empty() && !failing_ && !closing_;
  if (idle && now.mono_ns - last_commit_mono_ns_ < kIdleCommit_ns) return absl::OkStatus();
  if (failing_) {
    RecorderGap gap = *failing_;
    gap.to_real_ns = now.real_ns;
    gaps_.push_back(gap);
  }
  absl::Status status = WriteAll();
  if (failing_) gaps_.pop_back();
  if (!status.ok()) {
    if (sqlite3_get_autocommit(db_.get()) == 0) db_.Exec("ROLLBACK").IgnoreError();
    writer_.reset();
    if (!failing_) {
      failing_ =
          RecorderGap{now.real_ns, now.real_ns,
                      fmt::format("nothing could be written: {}", std::string(status.message()))};
    }
    return status;
  }
  failing_.reset();
  last_commit_mono_ns_ = now.mono_ns;
  Committed();
  return absl::OkStatus();
}

absl::Status IncidentWriter::Impl::WriteAll() {
  if (!writer_) writer_.emplace(&db_);
  if (absl::Status status = db_.Exec("BEGIN IMMEDIATE"); !status.ok()) return status;
  for (const PendingRecord& record : pending_) {
    if (absl::Status status = writer_->Write(record); !status.ok()) return status;
  }
  for (const RecorderGap& gap : gaps_) {
    if (absl::Status status = writer_->Write(gap); !status.ok()) return status;
  }
  if (absl::Status status = writer_->WriteStreams(); !status.ok()) return status;
  if (absl::Status status = WriteMeta(closing_); !status.ok()) return status;
  return db_.Exec("COMMIT");
}

absl::Status IncidentWriter::Impl::WriteMeta(bool closing) {
  return db_.Exec(fmt::format(
      "INSERT OR REPLACE INTO meta VALUES('real_from_ns', {}), ('real_to_ns', {}), ('closed', {}),"
      " ('merged', {})",
      real_from_ns_, real_to_ns_, closing ? closed_value_ : 0, merged_ ? 1 : 0));
}

void IncidentWriter::Impl::Committed() {
  for (const PendingRecord& record : pending_) {
    WriterStream& stream = *record.stream;
    stream.committed_number = std::max(stream.committed_number, record.record.number);
    stream.pending_hashes.clear();
  }
  pending_.clear();
  gaps_.clear();
  pending_bytes_ = 0;
}

absl::Status IncidentWriter::Impl::Close() {
  closing_ = true;
  if (absl::Status status = Commit(last_clock_.value_or(ClockReading{})); !status.ok()) {
    closing_ = false;
    return status;
  }
  writer_.reset();  // its statements would hold the file
  sqlite3_busy_timeout(db_.get(), kReaderWait_ms);
  const absl::StatusOr<std::string> mode = db_.Query("PRAGMA journal_mode = DELETE");
  if (mode.ok() && *mode == "delete") return absl::OkStatus();
  if (!mode.ok() && !absl::IsUnavailable(mode.status())) return mode.status();
  return absl::UnavailableError(fmt::format(
      "{}: complete, but another program reads it: keep {}-wal beside it", path_, path_));
}

IncidentWriter::IncidentWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IncidentWriter::~IncidentWriter() = default;

absl::StatusOr<std::unique_ptr<IncidentWriter>> IncidentWriter::Create(
    const std::string& path, const std::string& recorder) {
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
  sqlite3_busy_timeout(db->get(), kReaderWait_ms);
  return std::unique_ptr<IncidentWriter>(
      new IncidentWriter(std::make_unique<Impl>(path, *std::move(db))));
}

absl::Status IncidentWriter::Append(const StreamKey& key, NumberedRecord record) {
  return impl_->Append(key, std::move(record));
}
absl::Status IncidentWriter::Append(RecorderGap gap) { return impl_->Append(std::move(gap)); }
absl::Status IncidentWriter::Continue(const StreamKey& key, uint64_t last_number) {
  return impl_->Continue(key, last_number);
}
absl::Status IncidentWriter::Commit(const ClockReading& now) { return impl_->Commit(now); }
absl::Status IncidentWriter::Close() { return impl_->Close(); }
uint64_t IncidentWriter::CommittedNumber(const StreamKey& key) const {
  const WriterStream* stream = impl_->Find(key);
  return stream == nullptr ? 0 : stream->committed_number;
}
bool IncidentWriter::Knows(const StreamKey& key) const {
  const WriterStream* stream = impl_->Find(key);
  return stream != nullptr && stream->known;
}
void IncidentWriter::SetMerged(bool closed, int64_t real_from_ns, int64_t real_to_ns) {
  impl_->SetMerged(closed, real_from_ns, real_to_ns);
}
absl::Status IncidentWriter::SetPagesMax(int64_t pages) {
  return impl_->db().Exec(fmt::format("PRAGMA max_page_count = {}", pages));
}
const std::string& IncidentWriter::path() const { return impl_->path(); }

}  // namespace ringside
