// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "collector/store/events_table.h"
#include "collector/store/incident_copy.h"
#include "collector/store/incident_file.h"
#include "collector/store/schema.h"
#include "collector/store/slice.h"

namespace ringside {
namespace {

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
    } else if (const auto* bye = std::get_if<Bye>(&record.record)) {
      // The end of what was saved; none if the stream goes on in another file.
      if (bye->clock.mono_ns < last_mono_ns_ || stream_.bye) return;
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
  void Take(Hello hello) { TakeHello(std::move(hello), &stream_); }
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

absl::StatusOr<Recording> Read(const std::string& path, const SliceWindow& window) {
  std::vector<RecorderGap> gaps;
  const absl::StatusOr<Sources> sources = OpenAll(path, gaps);
  if (!sources.ok()) return sources.status();
  Recording recording = About(*sources);
  UnionOptions options;
  options.with_chunks = false;
  options.on_conflict = [&gaps](const std::string& what) {
    gaps.push_back(RecorderGap{0, 0, what + ": the first is used"});
  };
  const absl::StatusOr<Slice> slice = SliceStreams(*sources, window);
  if (!slice.ok()) return slice.status();
  for (const StreamSlice& part : slice->streams) {
    Stream stream;
    stream.hello.key = part.parts.front().stream.key;
    options.first = part.first;
    options.last = part.last;
    StreamBuilder builder(stream, part.base_number());
    absl::Status status = ForEachRecord(part.parts, options, [&](NumberedRecord record) {
      builder.Add(std::move(record));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    for (const StreamPart& p : part.parts) stream.unknown_names += p.source->TakeUnknownRows();
    recording.streams.push_back(std::move(stream));
  }
  recording.gaps.insert(recording.gaps.end(), gaps.begin(), gaps.end());
  return recording;
}

}  // namespace

absl::StatusOr<Recording> ReadIncident(const std::string& path) { return Read(path, {}); }

absl::StatusOr<Recording> ReadPart(const std::string& path, int64_t from_ns, int64_t to_ns) {
  return Read(path, SliceWindow{from_ns, to_ns, false});
}

std::map<StreamKey, CommittedStream> CommittedStreams(const std::string& directory,
                                                      std::vector<std::string>& warnings) {
  std::map<StreamKey, CommittedStream> streams;
  const absl::StatusOr<std::vector<std::string>> files = FilesIn(directory);
  if (!files.ok()) {
    if (!absl::IsNotFound(files.status())) warnings.push_back(StatusText(files.status()));
    return streams;
  }
  for (const std::string& path : *files) {
    absl::StatusOr<IncidentFile> file = OpenIncidentFile(path);
    if (!file.ok()) {
      warnings.push_back(StatusText(file.status()));
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
