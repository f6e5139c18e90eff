// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "collector/store/evaluation_rows.h"
#include "collector/store/new_incident.h"
#include "collector/store/record_writer.h"
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
  Impl(std::string path, std::string recorder, Db db)
      : path_(std::move(path)), recorder_(std::move(recorder)), db_(std::move(db)) {}

  absl::Status Append(const StreamKey& key, NumberedRecord record);
  absl::Status Append(RecorderGap gap) {
    CleanText(gap.what, kTextBytesMax);
    gaps_.push_back(std::move(gap));
    return absl::OkStatus();
  }
  absl::Status Append(EvaluationChange change);
  absl::Status Append(NumberedChange change);
  absl::Status Continue(const StreamKey& key, uint64_t last_number);
  absl::Status Commit(const ClockReading& now);
  absl::Status Close();

  void SetCopied(const Recording& about) {
    copied_ = true;
    merged_ = about.merged;
    closed_value_ = about.closed ? 1 : 0;
    real_from_ns_ = about.real_from_ns;
    real_to_ns_ = about.real_to_ns;
    saved_from_ns_ = about.saved_from_ns;
    saved_to_ns_ = about.saved_to_ns;
  }
  const WriterStream* Find(const StreamKey& key) const {
    const auto at = streams_.find(key);
    return at == streams_.end() ? nullptr : &at->second;
  }
  const std::map<StreamKey, WriterStream>& streams() const { return streams_; }
  const std::string& path() const { return path_; }
  Db& db() { return db_; }

  absl::StatusOr<std::optional<uint64_t>> KnownHash(const WriterStream& stream, uint64_t number);

 private:
  absl::StatusOr<Repeat> CheckRepeat(const WriterStream& stream, const NumberedRecord& record,
                                     uint64_t hash);
  void NoteClock(const ClockReading& now);
  absl::Status WriteAll();
  absl::Status WriteMeta(bool closing);
  void Committed();

  const std::string path_;
  const std::string recorder_;
  Db db_;
  std::optional<RecordWriter> writer_;  // none after a rollback
  std::map<StreamKey, WriterStream> streams_;
  std::vector<PendingRecord> pending_;
  std::vector<RecorderGap> gaps_;        // pending too
  std::vector<NumberedChange> changes_;  // likewise
  std::optional<EvaluatorInfo> evaluator_;
  uint64_t changes_made_ = 0;
  size_t pending_bytes_ = 0;
  std::optional<ClockReading> last_clock_;
  int64_t last_commit_mono_ns_ = 0;
  std::optional<RecorderGap> failing_;  // since when commits fail, and why
  bool copied_ = false;
  bool merged_ = false;
  bool closing_ = false;
  int closed_value_ = 1;
  int64_t real_from_ns_ = 0;
  int64_t saved_from_ns_ = 0;  // 0: not cut
  int64_t saved_to_ns_ = 0;
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

absl::Status IncidentWriter::Impl::Append(EvaluationChange change) {
  if (changes_made_ >= kChangesMax) {
    return absl::OutOfRangeError(fmt::format(
        "{}: has {} changes of verdicts and findings, and takes no more", path_, kChangesMax));
  }
  if (!evaluator_) {
    const int64_t at_ns = std::visit([](const auto& body) { return body.at_real_ns; }, change);
    evaluator_ = EvaluatorInfo{recorder_, at_ns, std::filesystem::path(path_).filename().string()};
  }
  CleanChange(change);
  absl::Status status = Append(NumberedChange{*evaluator_, changes_made_ + 1, std::move(change)});
  if (status.ok()) ++changes_made_;
  return status;
}

absl::Status IncidentWriter::Impl::Append(NumberedChange change) {
  const size_t bytes = ApproximateBytes(change.change);
  if (changes_.size() >= kChangesPendingMax ||
      (pending_bytes_ > 0 && pending_bytes_ + bytes > kPendingBytesMax)) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: {} changes wait to be written", path_, changes_.size()));
  }
  pending_bytes_ += bytes;
  changes_.push_back(std::move(change));
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
                       std::holds_alternative<QueueInfo>(record.record) ||
                       std::holds_alternative<Fact>(record.record);
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
  absl::StatusOr<SqlStatement> select = db_.Prepare(
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
  if (copied_) return;
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
  const bool idle = pending_.empty() && gaps_.empty() && changes_.empty() && !failing_ && !closing_;
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
  for (const NumberedChange& change : changes_) {
    if (absl::Status status = WriteChange(db_, change); !status.ok()) return status;
  }
  if (absl::Status status = writer_->WriteStreams(); !status.ok()) return status;
  if (absl::Status status = WriteMeta(closing_); !status.ok()) return status;
  return db_.Exec("COMMIT");
}

absl::Status IncidentWriter::Impl::WriteMeta(bool closing) {
  return db_.Exec(fmt::format(
      "INSERT OR REPLACE INTO meta VALUES('real_from_ns', {}), ('real_to_ns', {}), ('closed', {}),"
      " ('merged', {}), ('saved_from_ns', {}), ('saved_to_ns', {})",
      real_from_ns_, real_to_ns_, closing ? closed_value_ : 0, merged_ ? 1 : 0, saved_from_ns_,
      saved_to_ns_));
}

void IncidentWriter::Impl::Committed() {
  for (const PendingRecord& record : pending_) {
    WriterStream& stream = *record.stream;
    stream.committed_number = std::max(stream.committed_number, record.record.number);
    stream.pending_hashes.clear();
  }
  pending_.clear();
  gaps_.clear();
  changes_.clear();
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
  absl::StatusOr<Db> db = CreateIncidentFile(path, recorder);
  if (!db.ok()) return db.status();
  sqlite3_busy_timeout(db->get(), kReaderWait_ms);
  return std::unique_ptr<IncidentWriter>(
      new IncidentWriter(std::make_unique<Impl>(path, recorder, *std::move(db))));
}

absl::Status IncidentWriter::Append(const StreamKey& key, NumberedRecord record) {
  return impl_->Append(key, std::move(record));
}
absl::Status IncidentWriter::Append(RecorderGap gap) { return impl_->Append(std::move(gap)); }
absl::Status IncidentWriter::Append(EvaluationChange change) {
  return impl_->Append(std::move(change));
}
absl::Status IncidentWriter::AppendMerged(NumberedChange change) {
  return impl_->Append(std::move(change));
}
absl::Status IncidentWriter::Continue(const StreamKey& key, uint64_t last_number) {
  return impl_->Continue(key, last_number);
}
absl::Status IncidentWriter::Commit(const ClockReading& now) { return impl_->Commit(now); }
absl::Status IncidentWriter::Close() { return impl_->Close(); }
uint64_t IncidentWriter::CommittedNumber(const StreamKey& key) const {
  const WriterStream* stream = impl_->Find(key);
  return stream == nullptr ? 0 : stream->committed_number;
}
uint64_t IncidentWriter::AcceptedNumber(const StreamKey& key) const {
  const WriterStream* stream = impl_->Find(key);
  return stream == nullptr ? 0 : stream->accepted_number;
}
uint64_t IncidentWriter::CommittedHash(const StreamKey& key) const {
  const WriterStream* stream = impl_->Find(key);
  if (stream == nullptr) return 0;
  const auto hash = impl_->KnownHash(*stream, stream->committed_number);
  return hash.ok() ? hash->value_or(0) : 0;
}
std::map<StreamKey, uint64_t> IncidentWriter::CommittedNumbers() const {
  std::map<StreamKey, uint64_t> numbers;
  for (const auto& [key, stream] : impl_->streams()) numbers[key] = stream.committed_number;
  return numbers;
}
int64_t IncidentWriter::file_bytes() const {
  int64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    const uintmax_t size = std::filesystem::file_size(impl_->path() + suffix, error);
    if (!error) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}
bool IncidentWriter::Knows(const StreamKey& key) const {
  const WriterStream* stream = impl_->Find(key);
  return stream != nullptr && stream->known;
}
void IncidentWriter::SetCopied(const Recording& about) { impl_->SetCopied(about); }
absl::Status IncidentWriter::SetPagesMax(int64_t pages) {
  return impl_->db().Exec(fmt::format("PRAGMA max_page_count = {}", pages));
}
const std::string& IncidentWriter::path() const { return impl_->path(); }

}  // namespace ringside
