// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "collector/store/events_table.h"
#include "collector/store/incident_file.h"
#include "collector/store/incident_writer.h"
#include "collector/store/schema.h"
#include "collector/store/stream_union.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;
using Sources = std::vector<std::unique_ptr<IncidentSource>>;

// Each takes up to three file descriptors, of which a process has 1,024 by default.
constexpr size_t kStoreFilesMax = 256;

std::string Text(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

absl::StatusOr<std::vector<std::string>> FilesIn(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (entries->path().extension() == ".rsi") files.push_back(entries->path().string());
  }
  if (error) {
    const std::string line = fmt::format("{}: {}", directory, error.message());
    if (error == std::errc::permission_denied) return absl::PermissionDeniedError(line);
    return absl::UnavailableError(line);
  }
  if (files.empty()) {
    return absl::NotFoundError(fmt::format("{}: no incidents (*.rsi) in it", directory));
  }
  std::sort(files.begin(), files.end());  // named after their times
  return files;
}

bool IsDirectory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// The file, or the files of a directory. In a directory one file that cannot be read does not keep
// the others from being read: it is noted in `gaps`.
absl::StatusOr<Sources> OpenAll(const std::string& path, std::vector<RecorderGap>& gaps) {
  Sources sources;
  if (!IsDirectory(path)) {
    absl::StatusOr<std::unique_ptr<IncidentSource>> source = IncidentSource::Open(path);
    if (!source.ok()) return source.status();
    sources.push_back(*std::move(source));
    return sources;
  }
  const absl::StatusOr<std::vector<std::string>> files = FilesIn(path);
  if (!files.ok()) return files.status();
  if (files->size() > kStoreFilesMax) {
    return absl::FailedPreconditionError(
        fmt::format("{}: {} incidents, at most {} can be read as one: name one of them", path,
                    files->size(), kStoreFilesMax));
  }
  absl::Status first_failure;
  for (const std::string& file : *files) {
    absl::StatusOr<std::unique_ptr<IncidentSource>> source = IncidentSource::Open(file);
    if (source.ok()) {
      sources.push_back(*std::move(source));
      continue;
    }
    first_failure.Update(source.status());
    gaps.push_back(RecorderGap{0, 0, "left out: " + Text(source.status())});
  }
  if (sources.empty()) return first_failure;
  return sources;
}

// What the files together are: closed if all are, from the first to the last time.
Recording About(const Sources& sources) {
  Recording about = sources.front()->about();
  about.gaps.clear();
  for (const std::unique_ptr<IncidentSource>& source : sources) {
    const Recording& other = source->about();
    about.closed &= other.closed;
    about.merged |= other.merged;
    about.gaps.insert(about.gaps.end(), other.gaps.begin(), other.gaps.end());
    if (other.real_to_ns == 0) continue;  // died before its first commit
    if (about.real_from_ns == 0) about.real_from_ns = other.real_from_ns;
    about.real_from_ns = std::min(about.real_from_ns, other.real_from_ns);
    about.real_to_ns = std::max(about.real_to_ns, other.real_to_ns);
  }
  return about;
}

// Sorts a stream's records by kind, and counts the numbers that are not there.
class StreamBuilder {
 public:
  StreamBuilder(Stream& stream, uint64_t base_number) : stream_(stream), last_(base_number) {}

  void Add(NumberedRecord record) {
    if (record.number > 0) {
      Count(record);
      if (const auto* snapshot = std::get_if<Snapshot>(&record.record)) {
        last_mono_ns_ = std::max(last_mono_ns_, snapshot->end.mono_ns);
      }
    }
    std::visit([this](auto& body) { Take(std::move(body)); }, record.record);
  }

 private:
  void Count(const NumberedRecord& record) {
    if (record.number > last_ + 1) {
      stream_.missing_numbers += record.number - last_ - 1;
      if (!std::holds_alternative<Gap>(record.record)) {
        stream_.gaps.push_back(
            Gap{last_mono_ns_, last_mono_ns_,
                fmt::format("records {} to {} are missing", last_ + 1, record.number - 1)});
      }
    }
    last_ = std::max(last_, record.number);
    stream_.last_number = last_;
  }
  void Take(Hello hello) { stream_.hello = std::move(hello); }
  void Take(QueueInfo queue) { stream_.queues.push_back(std::move(queue)); }
  void Take(Snapshot snapshot) { stream_.snapshots.push_back(std::move(snapshot)); }
  void Take(Marks marks) {
    for (Mark& mark : marks.marks) stream_.marks.push_back(std::move(mark));
  }
  void Take(const EventChunk&) {}  // not wanted here, but its number counts
  void Take(LogLine line) { stream_.log.push_back(std::move(line)); }
  void Take(Fact fact) { stream_.facts.push_back(std::move(fact)); }
  void Take(ClockExchange exchange) { stream_.clocks.push_back(exchange); }
  void Take(Gap gap) { stream_.gaps.push_back(std::move(gap)); }
  void Take(Bye bye) { stream_.bye = std::move(bye); }

  Stream& stream_;
  uint64_t last_;
  int64_t last_mono_ns_ = 0;
};

uint64_t BaseNumber(const std::vector<StreamPart>& parts) {
  uint64_t base = parts.front().stream.base_number;
  for (const StreamPart& part : parts) base = std::min(base, part.stream.base_number);
  return base;
}

// Each file's changes stay its own: clocks and windows of two recorders are not one.
absl::Status MergeChanges(const Sources& sources, IncidentWriter& writer) {
  for (const std::unique_ptr<IncidentSource>& source : sources) {
    const absl::Status status = source->ForEachChange([&](NumberedChange change) {
      absl::Status put = writer.AppendMerged(change);
      if (!absl::IsResourceExhausted(put)) return put;
      put = writer.Commit({});
      return put.ok() ? writer.AppendMerged(std::move(change)) : put;
    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status WriteMerged(const Sources& sources, IncidentWriter& writer) {
  const Recording about = About(sources);
  writer.SetMerged(about.closed, about.real_from_ns, about.real_to_ns);
  for (const RecorderGap& gap : about.gaps) {
    if (absl::Status status = writer.Append(gap); !status.ok()) return status;
  }
  for (const std::vector<StreamPart>& parts : StreamsOf(sources)) {
    const StreamKey& key = parts.front().stream.key;
    if (absl::Status status = writer.Continue(key, BaseNumber(parts)); !status.ok()) return status;
    absl::Status status = ForEachRecord(parts, {}, [&](NumberedRecord record) {
      absl::Status put = writer.Append(key, record);
      if (!absl::IsResourceExhausted(put)) return put;
      put = writer.Commit({});
      return put.ok() ? writer.Append(key, std::move(record)) : put;
    });
    if (!status.ok()) return status;
  }
  if (absl::Status status = MergeChanges(sources, writer); !status.ok()) return status;
  return writer.Close();
}

absl::Status Merge(const Sources& sources, const std::string& output) {
  absl::StatusOr<std::unique_ptr<IncidentWriter>> writer =
      IncidentWriter::Create(output, sources.front()->about().recorder);
  if (!writer.ok()) return writer.status();
  absl::Status status = WriteMerged(sources, **writer);
  if (status.ok()) return status;
  writer->reset();
  for (const char* suffix : {"", "-wal", "-shm"}) unlink((output + suffix).c_str());
  return status;
}

}  // namespace

absl::StatusOr<Recording> ReadIncident(const std::string& path) {
  std::vector<RecorderGap> gaps;
  const absl::StatusOr<Sources> sources = OpenAll(path, gaps);
  if (!sources.ok()) return sources.status();
  Recording recording = About(*sources);
  UnionOptions options;
  options.with_chunks = false;
  options.on_conflict = [&gaps](const std::string& what) {
    gaps.push_back(RecorderGap{0, 0, what + ": the first is used"});
  };
  for (const std::vector<StreamPart>& parts : StreamsOf(*sources)) {
    Stream stream;
    stream.hello.key = parts.front().stream.key;
    StreamBuilder builder(stream, BaseNumber(parts));
    absl::Status status = ForEachRecord(parts, options, [&](NumberedRecord record) {
      builder.Add(std::move(record));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    for (const StreamPart& part : parts) stream.unknown_names += part.source->TakeUnknownRows();
    recording.streams.push_back(std::move(stream));
  }
  recording.gaps.insert(recording.gaps.end(), gaps.begin(), gaps.end());
  return recording;
}

absl::Status MergeIncidents(const std::vector<std::string>& inputs, const std::string& output) {
  if (inputs.empty()) return absl::InvalidArgumentError("no incidents to merge");
  Sources sources;
  std::vector<RecorderGap> gaps;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    for (const std::unique_ptr<IncidentSource>& other : sources) {
      if (fs::equivalent(input, other->path(), ignored)) {
        return absl::InvalidArgumentError(fmt::format("{}: named twice", input));
      }
    }
    absl::StatusOr<Sources> opened = OpenAll(input, gaps);
    if (!opened.ok()) return opened.status();
    if (!gaps.empty()) return absl::DataLossError(gaps.front().what);
    for (std::unique_ptr<IncidentSource>& source : *opened) sources.push_back(std::move(source));
  }
  return Merge(sources, output);
}

std::map<StreamKey, CommittedStream> CommittedStreams(const std::string& directory,
                                                      std::vector<std::string>& warnings) {
  std::map<StreamKey, CommittedStream> streams;
  const absl::StatusOr<std::vector<std::string>> files = FilesIn(directory);
  if (!files.ok()) {
    if (!absl::IsNotFound(files.status())) warnings.push_back(Text(files.status()));
    return streams;
  }
  for (const std::string& path : *files) {
    absl::StatusOr<IncidentFile> file = OpenIncidentFile(path);
    if (!file.ok()) {
      warnings.push_back(Text(file.status()));
      continue;
    }
    absl::StatusOr<SqlStatement> select = file->db.Prepare(
        "SELECT n.machine_id, n.boot_id, s.instance, max(s.last_number, s.base_number),"
        " (SELECT hash FROM records r WHERE r.stream = s.id AND r.number = s.last_number),"
        " (SELECT max(first_number + count - 1) FROM event_chunks c WHERE c.stream = s.id)"
        " FROM streams s JOIN nodes n ON n.id = s.node");
    while (select.ok() && select->Next().value_or(false)) {
      CommittedStream& stream =
          streams[StreamKey{select->Text(0), select->Text(1), select->Text(2)}];
      if (select->Unsigned(3) > stream.number) stream.hash = select->Unsigned(4);
      stream.number = std::max(stream.number, select->Unsigned(3));
      stream.event = std::max(stream.event, select->Unsigned(5));
    }
  }
  return streams;
}

class IncidentDb::Impl {
 public:
  std::unique_ptr<TemporaryDirectory> merged;  // a directory's files, joined
  IncidentFile file;
};

IncidentDb::IncidentDb(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IncidentDb::~IncidentDb() = default;
sqlite3* IncidentDb::db() const { return impl_->file.db.get(); }

absl::StatusOr<std::unique_ptr<IncidentDb>> IncidentDb::Open(const std::string& path) {
  auto impl = std::make_unique<Impl>();
  std::string file = path;
  if (IsDirectory(path)) {
    absl::StatusOr<std::unique_ptr<TemporaryDirectory>> directory = TemporaryDirectory::Create();
    if (!directory.ok()) return directory.status();
    impl->merged = *std::move(directory);
    file = impl->merged->path() + "/store.rsi";
    if (absl::Status status = MergeIncidents({path}, file); !status.ok()) return status;
  }
  absl::StatusOr<IncidentFile> opened = OpenIncidentFile(file);
  if (!opened.ok()) return opened.status();
  impl->file = *std::move(opened);
  if (absl::Status status = RegisterEventsTable(impl->file.db.get()); !status.ok()) return status;
  // This version's views, whatever the file's own are.
  for (const std::string& sql : {TemporaryViewsSql(), std::string("PRAGMA query_only = ON")}) {
    if (absl::Status status = impl->file.db.Exec(sql); !status.ok()) return status;
  }
  return std::unique_ptr<IncidentDb>(new IncidentDb(std::move(impl)));
}

}  // namespace ringside
