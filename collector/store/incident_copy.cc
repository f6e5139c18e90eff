// SPDX-License-Identifier: Apache-2.0
#include "collector/store/incident_copy.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <system_error>
#include <utility>

#include "collector/store/incident_set.h"
#include "collector/store/incident_writer.h"
#include "collector/store/redact.h"
#include "collector/store/slice.h"

namespace ringside {
namespace {

// Clock exchanges bound the axis from both sides: some from around the window come along.
constexpr int64_t kClocksAround_ns = 60'000'000'000;
constexpr uint64_t kProgressEvery = 1024;  // records

// Puts the parts of some streams into a new file.
class Copier {
 public:
  Copier(const SaveOptions& options, IncidentWriter& writer) : options_(options), writer_(writer) {
    if (options.redact) redactor_.emplace(std::random_device()() * uint64_t{0x100000001} + 1);
  }

  absl::Status Copy(const Sources& sources, const Slice& slice, const Recording& about);

 private:
  absl::Status Learn(const Slice& slice);
  absl::Status CopyStream(const StreamSlice& slice);
  absl::Status CopyChanges(const Sources& sources);
  absl::Status Put(const StreamKey& key, NumberedRecord record);
  absl::Status PutChange(NumberedChange change);
  bool Before(int64_t real_ns) const { return options_.from_ns && real_ns < *options_.from_ns; }
  bool After(int64_t real_ns) const { return options_.to_ns && real_ns > *options_.to_ns; }

  const SaveOptions& options_;
  IncidentWriter& writer_;
  std::optional<Redactor> redactor_;
  uint64_t records_ = 0;
};

absl::Status Copier::Copy(const Sources& sources, const Slice& slice, const Recording& about) {
  if (redactor_) {
    if (absl::Status status = Learn(slice); !status.ok()) return status;
    redactor_->LearnRecorder(about.recorder);
  }
  for (RecorderGap gap : about.gaps) {
    const bool dated = gap.to_real_ns != 0;
    if (dated && (Before(gap.to_real_ns) || After(gap.from_real_ns))) continue;
    if (redactor_) gap.what = redactor_->Text(gap.what);
    if (absl::Status status = writer_.Append(std::move(gap)); !status.ok()) return status;
  }
  for (const StreamSlice& stream : slice.streams) {
    if (absl::Status status = CopyStream(stream); !status.ok()) return status;
  }
  if (redactor_) return absl::OkStatus();  // they quote names in every sentence
  return CopyChanges(sources);
}

absl::Status Copier::Learn(const Slice& slice) {
  // Nodes first: a VM's name is often its guest's own.
  for (const RecordKind kind : {RecordKind::kHello, RecordKind::kQueue}) {
    for (const StreamSlice& stream : slice.streams) {
      for (const StreamPart& part : stream.parts) {
        const auto entries = part.source->ContextBelow(part.stream.id, INT64_MAX);
        if (!entries.ok()) return entries.status();
        for (const SourceEntry& entry : *entries) {
          if (entry.kind != kind) continue;
          const absl::StatusOr<Record> record = part.source->Load(entry);
          if (!record.ok()) return record.status();
          redactor_->Learn(*record);
        }
      }
    }
  }
  return absl::OkStatus();
}

// The time that an addition of the recorder is about; false if it is none of the slice's.
bool Wanted(const Record& record, const StreamSlice& slice) {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  if (const auto* clock = std::get_if<ClockExchange>(&record)) {
    from_ns = clock->agent.mono_ns - kClocksAround_ns;
    to_ns = clock->agent.mono_ns + kClocksAround_ns;
  } else if (const auto* gap = std::get_if<Gap>(&record)) {
    from_ns = gap->from_mono_ns;
    to_ns = gap->to_mono_ns;
  } else {
    return !slice.cut();  // where it was saved before it had ended
  }
  return to_ns >= slice.from_mono_ns && from_ns <= slice.to_mono_ns;
}

absl::Status Copier::CopyStream(const StreamSlice& slice) {
  StreamKey key = slice.parts.front().stream.key;
  if (redactor_) key = redactor_->Key(key);
  if (absl::Status status = writer_.Continue(key, slice.base_number()); !status.ok()) {
    return status;
  }
  UnionOptions options;
  options.first = slice.first;
  options.last = slice.last;
  const absl::Status status = ForEachRecord(slice.parts, options, [&](NumberedRecord record) {
    if (record.number == 0 && !Wanted(record.record, slice)) return absl::OkStatus();
    return Put(key, std::move(record));
  });
  if (!status.ok() || !slice.cut()) return status;
  // Else it would look cut off.
  return Put(key, {0, Bye{slice.end, "saved up to here"}});
}

absl::Status Copier::Put(const StreamKey& key, NumberedRecord record) {
  if (options_.progress && ++records_ % kProgressEvery == 0) {
    if (absl::Status status = options_.progress(records_); !status.ok()) return status;
  }
  if (redactor_) redactor_->Apply(record.record);
  absl::Status put = writer_.Append(key, record);
  if (!absl::IsResourceExhausted(put)) return put;
  put = writer_.Commit({});
  return put.ok() ? writer_.Append(key, std::move(record)) : put;
}

absl::Status Copier::PutChange(NumberedChange change) {
  absl::Status put = writer_.AppendMerged(change);
  if (!absl::IsResourceExhausted(put)) return put;
  put = writer_.Commit({});
  return put.ok() ? writer_.AppendMerged(std::move(change)) : put;
}

// What a change is the newest word on.
std::string SubjectOf(const NumberedChange& change) {
  const std::string recorder =
      fmt::format("{}/{}/", change.evaluator.recorder, change.evaluator.begun_real_ns);
  if (const auto* verdict = std::get_if<VerdictChange>(&change.change)) {
    return recorder + verdict->queue + "/" + verdict->host_queue + "/" + verdict->identity;
  }
  return fmt::format("{}{}", recorder, std::get<FindingChange>(change.change).episode);
}

// Each file's changes stay its own: clocks and windows of two recorders are not one. From before
// the window comes what still held when it began.
absl::Status Copier::CopyChanges(const Sources& sources) {
  for (const std::unique_ptr<IncidentSource>& source : sources) {
    std::map<std::string, NumberedChange> before;
    absl::Status status = source->ForEachChange([&](NumberedChange change) {
      const int64_t at_ns = std::visit([](const auto& c) { return c.at_real_ns; }, change.change);
      if (After(at_ns)) return absl::OkStatus();
      if (!Before(at_ns)) return PutChange(std::move(change));
      before.insert_or_assign(SubjectOf(change), std::move(change));
      return absl::OkStatus();
    });
    for (auto& [subject, change] : before) {
      const auto* finding = std::get_if<FindingChange>(&change.change);
      if (finding != nullptr && finding->step == FindingStep::kEnded) continue;
      if (status.ok()) status = PutChange(std::move(change));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Copy(const Sources& sources, const Slice& slice, const Recording& about,
                  const SaveOptions& options, const std::string& output) {
  const std::string recorder = options.redact ? "collector1" : about.recorder;
  absl::StatusOr<std::unique_ptr<IncidentWriter>> writer = IncidentWriter::Create(output, recorder);
  if (!writer.ok()) return writer.status();
  (*writer)->SetCopied(about);
  absl::Status status = Copier(options, **writer).Copy(sources, slice, about);
  if (status.ok()) status = (*writer)->Close();
  if (status.ok()) return status;
  writer->reset();
  for (const char* suffix : {"", "-wal", "-shm"}) unlink((output + suffix).c_str());
  return status;
}

}  // namespace

absl::Status MergeIncidents(const std::vector<std::string>& inputs, const std::string& output) {
  if (inputs.empty()) return absl::InvalidArgumentError("no incidents to merge");
  Sources sources;
  std::vector<RecorderGap> gaps;
  for (const std::string& input : inputs) {
    std::error_code ignored;
    for (const std::unique_ptr<IncidentSource>& other : sources) {
      if (std::filesystem::equivalent(input, other->path(), ignored)) {
        return absl::InvalidArgumentError(fmt::format("{}: named twice", input));
      }
    }
    absl::StatusOr<Sources> opened = OpenAll(input, gaps);
    if (!opened.ok()) return opened.status();
    if (!gaps.empty()) return absl::DataLossError(gaps.front().what);
    for (std::unique_ptr<IncidentSource>& source : *opened) sources.push_back(std::move(source));
  }
  const absl::StatusOr<Slice> slice = SliceStreams(sources, {});
  if (!slice.ok()) return slice.status();
  Recording about = About(sources);
  about.merged = true;
  return Copy(sources, *slice, about, {}, output);
}

absl::Status SaveIncident(const std::string& path, const SaveOptions& options,
                          const std::string& output) {
  std::vector<RecorderGap> gaps;
  const absl::StatusOr<Sources> sources = OpenAll(path, gaps);
  if (!sources.ok()) return sources.status();
  const absl::StatusOr<Slice> slice =
      SliceStreams(*sources, SliceWindow{options.from_ns, options.to_ns});
  if (!slice.ok()) return slice.status();
  if (slice->streams.empty()) {
    return absl::OutOfRangeError(fmt::format("{}: nothing was recorded in that window", path));
  }
  Recording about = About(*sources);
  about.gaps.insert(about.gaps.end(), gaps.begin(), gaps.end());
  // Whether it still records, or was cut off, is no matter where something comes after the window.
  about.closed |= options.to_ns && *options.to_ns < slice->end_ns;
  if (options.from_ns) about.real_from_ns = std::max(about.real_from_ns, *options.from_ns);
  if (options.to_ns) about.real_to_ns = std::min(about.real_to_ns, *options.to_ns);
  if (options.from_ns) about.saved_from_ns = std::max(about.saved_from_ns, *options.from_ns);
  if (options.to_ns) about.saved_to_ns = *options.to_ns;
  return Copy(*sources, *slice, about, options, output);
}

TemporaryIncident::TemporaryIncident(std::unique_ptr<TemporaryDirectory> directory)
    : directory_(std::move(directory)), path_(directory_->path() + "/incident.rsi") {}
TemporaryIncident::~TemporaryIncident() = default;

absl::StatusOr<std::unique_ptr<TemporaryIncident>> TemporaryIncident::Create() {
  absl::StatusOr<std::unique_ptr<TemporaryDirectory>> directory = TemporaryDirectory::Create();
  if (!directory.ok()) return directory.status();
  return std::unique_ptr<TemporaryIncident>(new TemporaryIncident(*std::move(directory)));
}

absl::StatusOr<std::unique_ptr<TemporaryIncident>> SaveTemporary(const std::string& path,
                                                                 const SaveOptions& options) {
  absl::StatusOr<std::unique_ptr<TemporaryIncident>> file = TemporaryIncident::Create();
  if (!file.ok()) return file;
  absl::Status status = SaveIncident(path, options, (*file)->path());
  if (!status.ok()) return status;
  return file;
}

absl::Status ContinueStreams(const std::string& from, const std::map<StreamKey, uint64_t>& streams,
                             IncidentWriter& to) {
  absl::StatusOr<std::unique_ptr<IncidentSource>> source = IncidentSource::Open(from);
  if (!source.ok()) return source.status();
  for (const SourceStream& stream : (*source)->streams()) {
    const auto wanted = streams.find(stream.key);
    if (wanted == streams.end()) continue;
    absl::Status status = to.Continue(stream.key, wanted->second);
    if (!status.ok()) return status;
    UnionOptions options;
    options.first = wanted->second + 1;
    options.last = wanted->second;
    status =
        ForEachRecord({StreamPart{source->get(), stream}}, options, [&](NumberedRecord record) {
          if (record.number == 0) return absl::OkStatus();
          return to.Append(stream.key, std::move(record));
        });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<IncidentSpan> SpanOf(const std::string& path) {
  std::vector<RecorderGap> gaps;
  const absl::StatusOr<Sources> sources = OpenAll(path, gaps);
  if (!sources.ok()) return sources.status();
  const absl::StatusOr<Slice> slice = SliceStreams(*sources, {});
  if (!slice.ok()) return slice.status();
  return IncidentSpan{slice->zero_ns, slice->end_ns};
}

}  // namespace ringside
