// SPDX-License-Identifier: Apache-2.0
#include "collector/ingest.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "collector/store/incident_copy.h"
#include "proto/convert.h"

namespace ringside {
namespace {

constexpr std::chrono::milliseconds kCommitEvery(200);  // an agent's records are safe after that
constexpr int64_t kCommitEvery_ns = 200'000'000;
constexpr int64_t kRetryEvery_ns = 1'000'000'000;  // of a full disk: each try writes all that waits
// Taken from the queue at once: what was offered first must not wait for all that came after.
constexpr size_t kBatchMax = 4096;
// Agents that were killed, in one life of a collector: one a minute for a month and more.
constexpr size_t kKilledMax = size_t{1} << 16;

std::string Rfc3339(int64_t real_ns) {
  const std::time_t seconds = real_ns / 1'000'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds),
                     real_ns / 1'000'000 % 1000);
}

std::string Text(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

Ingest::Ingest(std::unique_ptr<IncidentWriter> writer, std::map<StreamKey, CommittedStream> earlier,
               Clock clock, Log log, IngestListener* listener)
    : writer_(std::move(writer)),
      earlier_(std::move(earlier)),
      clock_(std::move(clock)),
      log_(std::move(log)),
      listener_(listener),
      thread_([this] { Run(); }) {}

Ingest::~Ingest() { Stop().IgnoreError(); }

bool Ingest::Offer(IngestItem item) {
  const size_t bytes = ApproximateBytes(item.record.record);
  MutexLock lock(mutex_);
  if (stopping_) return false;  // never acknowledged: its agent keeps it
  bytes_ += bytes;
  const bool room = bytes_ <= kIngestBytesMax;
  if (!room && item.kind == IngestItem::Kind::kRecord) waiting_.push_back(item.peer);
  queue_.push_back(std::move(item));
  changed_.NotifyAll();
  return room;
}

bool Ingest::Offer(EvaluationChange change) {
  MutexLock lock(mutex_);
  if (stopping_ || changes_.size() >= kChangesPendingMax) return false;
  changes_.push_back(std::move(change));
  return true;
}

absl::Status Ingest::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  return result_;
}

void Ingest::Run() {
  bool stopping = false;
  while (!stopping || !work_.empty()) {
    std::vector<EvaluationChange> changes;
    {
      MutexLock lock(mutex_);
      Wait();
      stopping = stopping_ && queue_.empty();
      while (!queue_.empty() && work_.size() < kBatchMax) {
        work_.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      if (!failing_) changes.swap(changes_);  // else they wait here, where they are bounded
    }
    AppendChanges(std::move(changes));
    while (!work_.empty() && Handle(work_.front())) {
      const size_t bytes = ApproximateBytes(work_.front().record.record);
      work_.pop_front();
      MutexLock lock(mutex_);
      bytes_ -= bytes;
    }
    const int64_t every_ns = failing_ ? kRetryEvery_ns : kCommitEvery_ns;
    const bool due = clock_().mono_ns - last_commit_mono_ns_ >= every_ns;
    if ((commit_now_ && !failing_) || due || stopping) Commit();
    GiveRoom();
    if (stopping && failing_) break;  // there is nobody left to wait for room with
  }
  const absl::Status closed = writer_->Close();
  if (!closed.ok()) log_(Text(closed));
  result_.Update(closed);
}

// Until there is something to take, something to commit, or the end.
void Ingest::Wait() {
  const CondVar::Clock::time_point until = CondVar::Clock::now() + kCommitEvery;
  const bool blocked = failing_ && !work_.empty();  // taking more would not help
  while (!stopping_ && (queue_.empty() || blocked)) {
    if (!changed_.WaitUntil(mutex_, until)) return;
  }
}

bool Ingest::Handle(IngestItem& item) {
  if (item.kind == IngestItem::Kind::kEnd) {
    HandleEnd(item);
    return true;
  }
  if (std::holds_alternative<Hello>(item.record.record) && item.record.number == 1) {
    return HandleHello(item);
  }
  const auto stream = streams_.find(item.key);
  if (stream == streams_.end() || stream->second.peer != item.peer) return true;  // superseded
  const bool repeated = item.record.number > 0 && item.record.number <= stream->second.taken;
  absl::Status status;
  if (!Append(item, status)) return false;
  if (status.ok() && listener_ != nullptr) listener_->OnRecord(item.key, item.record);
  if (status.ok() && !repeated) {
    stream->second.taken = std::max(stream->second.taken, item.record.number);
    NoteEvents(item.key, item.record.record);
    HandleLost(item);
  }
  if (std::holds_alternative<Bye>(item.record.record)) stream->second.said_bye = true;
  if (!status.ok()) {
    item.peer->OnRefused(Text(status));
    streams_.erase(stream);
  }
  return true;
}

bool Ingest::HandleHello(IngestItem& item) {
  const bool known = writer_->Knows(item.key);
  const auto earlier = earlier_.find(item.key);
  if (!known && earlier != earlier_.end()) {
    // Fails if it was done before.
    writer_->Continue(item.key, earlier->second.number).IgnoreError();
  }
  if (killed_.contains(item.key)) {
    item.peer->OnRefused("another agent of its machine has said that it was killed");
    return true;
  }
  absl::Status status;
  if (!Append(item, status)) return false;
  if (!status.ok()) {
    item.peer->OnRefused(Text(status));
    return true;
  }
  if (listener_ != nullptr) listener_->OnRecord(item.key, item.record);
  Stream& stream = streams_[item.key];
  if (stream.peer != nullptr && stream.peer != item.peer) {
    stream.peer->OnRefused("a newer connection of the same agent took its place");
  }
  stream = Stream{};
  stream.peer = item.peer;
  stream.name = std::get<Hello>(item.record.record).name;
  stream.fresh = !known;
  stream.taken = writer_->CommittedNumber(item.key);
  commit_now_ = true;
  return true;
}

void Ingest::NoteEvents(const StreamKey& key, const Record& record) {
  const auto* chunk = std::get_if<EventChunk>(&record);
  if (chunk == nullptr) return;
  uint64_t& event = events_[key];
  event = std::max(event, chunk->first_number + chunk->count - 1);
}

// An agent was killed, and the next one says how far it had come: what is not here is lost.
void Ingest::HandleLost(const IngestItem& item) {
  const auto* gap = std::get_if<Gap>(&item.record.record);
  if (gap == nullptr || !item.lost) return;
  const LostAgent& lost = *item.lost;
  const StreamKey key = {item.key.machine_id, item.key.boot_id, lost.instance};
  if (key == item.key || killed_.size() >= kKilledMax || !killed_.insert(key).second) return;
  const auto old = streams_.find(key);
  if (old != streams_.end()) {
    old->second.peer->OnRefused("another agent of its machine has said that it was killed");
    streams_.erase(old);
  }
  CommittedStream have;
  if (const auto earlier = earlier_.find(key); earlier != earlier_.end()) have = earlier->second;
  have.number = std::max(have.number, writer_->AcceptedNumber(key));
  if (const auto event = events_.find(key); event != events_.end()) {
    have.event = std::max(have.event, event->second);
  }
  if (lost.last_number <= have.number) return;
  const Gap known{gap->from_mono_ns, gap->to_mono_ns,
                  fmt::format("of the agent {}, which was killed, records {} to {} are lost, with "
                              "at most {} events",
                              lost.instance, have.number + 1, lost.last_number,
                              lost.last_event > have.event ? lost.last_event - have.event : 0)};
  log_(known.what);
  if (const absl::Status status = writer_->Append(item.key, {0, known}); !status.ok()) {
    log_(Text(status));
  } else if (listener_ != nullptr) {
    listener_->OnRecord(item.key, {0, known});
  }
}

void Ingest::HandleEnd(const IngestItem& item) {
  ended_.emplace_back(item.peer, std::nullopt);
  commit_now_ = true;
  const auto stream = streams_.find(item.key);
  if (stream == streams_.end() || stream->second.peer != item.peer) return;
  ended_.back().second = item.key;
  if (listener_ != nullptr) listener_->OnEnd(item.key);
  bool stopping = false;
  {
    MutexLock lock(mutex_);
    stopping = stopping_;
  }
  if (!stream->second.said_bye && !stopping) {
    const std::string when = Rfc3339(clock_().real_ns);
    const std::string what =
        item.why.empty()
            ? fmt::format("agent {} lost at {}", stream->second.name, when)
            : fmt::format("agent {} sent away at {}: {}", stream->second.name, when, item.why);
    log_(what);
    const Gap gap{item.last_mono_ns, item.last_mono_ns, what};
    if (const absl::Status status = writer_->Append(item.key, {0, gap}); !status.ok()) {
      log_(Text(status));
    }
  }
  streams_.erase(stream);
}

// False if there is no room for it now. Otherwise `status` is what the store says.
bool Ingest::Append(const IngestItem& item, absl::Status& status) {
  status = writer_->Append(item.key, item.record);
  if (!absl::IsResourceExhausted(status)) return true;
  Commit();
  if (failing_) return false;
  status = writer_->Append(item.key, item.record);
  return true;
}

void Ingest::AppendChanges(std::vector<EvaluationChange> changes) {
  for (EvaluationChange& change : changes) {
    absl::Status status = writer_->Append(change);
    if (absl::IsResourceExhausted(status)) {
      Commit();
      status = writer_->Append(std::move(change));
    }
    if (status.ok() || changes_full_) continue;
    changes_full_ = absl::IsOutOfRange(status);
    log_(Text(status));
    const int64_t now_ns = clock_().real_ns;
    writer_->Append(RecorderGap{now_ns, now_ns, Text(status)}).IgnoreError();
  }
}

void Ingest::Commit() {
  commit_now_ = false;
  const ClockReading now = clock_();
  last_commit_mono_ns_ = now.mono_ns;
  const absl::Status status = writer_->Commit(now);
  if (status.ok() == failing_) {  // changed
    log_(status.ok() ? fmt::format("{}: writing again", writer_->path())
                     : Text(status) + ": agents keep their records until there is");
  }
  failing_ = !status.ok();
  result_ = status;
  if (!status.ok()) return;
  Acknowledge();
  Rotate();
}

void Ingest::KeepWithin(Retention retention, NextFile next_file) {
  MutexLock lock(mutex_);
  keep_.emplace(std::move(retention), std::move(next_file));
}

// With nothing waiting to be written: between two commits.
void Ingest::Rotate() {
  std::optional<std::pair<Retention, NextFile>> keep;
  {
    MutexLock lock(mutex_);
    if (!keep_ || stopping_) return;
    keep = keep_;
  }
  const ClockReading now = clock_();
  if (begun_real_ns_ == 0) {
    begun_real_ns_ = now.real_ns;
    Trim(keep->first, now.real_ns);
  }
  if (!keep->first.Due(writer_->file_bytes(), begun_real_ns_, now.real_ns)) return;
  absl::StatusOr<std::unique_ptr<IncidentWriter>> next = keep->second(now.real_ns);
  const absl::Status status = next.ok() ? MoveTo(*std::move(next), now) : next.status();
  if (status.ok()) {
    Trim(keep->first, now.real_ns);
  } else if (!rotation_failed_) {
    log_(Text(status) + ": the store goes on in the file it has");
  }
  rotation_failed_ = !status.ok();
  begun_real_ns_ = now.real_ns;  // of this file, or of the next try
}

// Into the next file go on only the streams of agents that are there; the others begin anew where
// they come back, from the numbers that are kept here.
absl::Status Ingest::MoveTo(std::unique_ptr<IncidentWriter> next, const ClockReading& now) {
  std::map<StreamKey, uint64_t> present;
  for (const auto& [key, stream] : streams_) present[key] = writer_->CommittedNumber(key);
  absl::Status status = ContinueStreams(writer_->path(), present, *next);
  if (status.ok()) status = next->Commit(now);
  if (!status.ok()) {
    const std::string path = next->path();
    next.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) unlink((path + suffix).c_str());
    return status;
  }
  for (const auto& [key, number] : writer_->CommittedNumbers()) {
    CommittedStream& earlier = earlier_[key];
    if (number > earlier.number) earlier.hash = writer_->CommittedHash(key);
    earlier.number = std::max(earlier.number, number);
    const auto event = events_.find(key);
    if (event != events_.end()) earlier.event = std::max(earlier.event, event->second);
  }
  // What a reader keeps from being a single file stays readable with its -wal.
  if (const absl::Status closed = writer_->Close(); !closed.ok()) log_(Text(closed));
  writer_ = std::move(next);
  changes_full_ = false;
  log_("the store goes on in " + writer_->path());
  return absl::OkStatus();
}

void Ingest::Trim(const Retention& retention, int64_t now_real_ns) {
  std::vector<std::string> failures;
  for (RecorderGap& gap : retention.Trim(writer_->path(), now_real_ns, failures)) {
    log_(gap.what);
    writer_->Append(std::move(gap)).IgnoreError();  // never fails
  }
  for (const std::string& failure : failures) log_(failure);
}

void Ingest::Acknowledge() {
  for (auto& [key, stream] : streams_) {
    const uint64_t number = writer_->CommittedNumber(key);
    if (!stream.welcomed) {
      stream.welcomed = true;
      uint64_t hash = writer_->CommittedHash(key);
      const auto earlier = earlier_.find(key);
      if (earlier != earlier_.end() && earlier->second.number == number) {
        hash = earlier->second.hash;
      }
      stream.peer->OnWelcome(number, hash, stream.fresh);
    } else if (number > stream.acknowledged) {
      stream.peer->OnCommitted(number);
    }
    stream.acknowledged = number;
  }
  for (const auto& [peer, key] : ended_) {
    if (key) peer->OnCommitted(writer_->CommittedNumber(*key));
    peer->OnEnded();
  }
  ended_.clear();
}

void Ingest::GiveRoom() {
  std::vector<std::shared_ptr<IngestPeer>> waiting;
  {
    MutexLock lock(mutex_);
    if (bytes_ > kIngestBytesMax / 2) return;
    waiting.swap(waiting_);
  }
  for (const std::shared_ptr<IngestPeer>& peer : waiting) peer->OnRoom();
}

}  // namespace ringside
