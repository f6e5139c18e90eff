// SPDX-License-Identifier: Apache-2.0
#include "collector/watchers.h"

#include <fmt/format.h>

#include <utility>

namespace ringside {
namespace {

constexpr int64_t kBeat_ns = 5'000'000'000;

WatchEvent EventOf(const VerdictChange& change, bool present) {
  return WatchVerdict{change.at_real_ns,
                      change.queue,
                      change.host_queue,
                      std::string(VerdictName(change.verdict)),
                      present ? "" : std::string(VerdictName(change.before)),
                      change.why};
}

WatchEvent EventOf(const FindingChange& change, bool present) {
  return WatchFinding{
      change.at_real_ns, present ? "open" : std::string(FindingStepName(change.step)),
      change.cause,      change.queue,
      change.host_queue, change.root,
      change.certainty,  change.since_real_ns,
      change.title,      change.detail};
}

SharedEvent Shared(const EvaluationChange& change, bool present) {
  return std::make_shared<const WatchEvent>(
      std::visit([present](const auto& body) { return EventOf(body, present); }, change));
}

}  // namespace

void WatchSession::Begin(std::vector<SharedEvent> present) {
  MutexLock lock(mutex_);
  present_ = present.size();
  queue_.assign(present.begin(), present.end());
  Write();
}

void WatchSession::Push(const SharedEvent& event) {
  MutexLock lock(mutex_);
  if (finish_) return;
  if (queue_.size() >= present_ + kWatchQueueMax) {
    queue_.clear();
    finish_ = absl::ResourceExhaustedError(fmt::format(
        "too slow: {} changes wait; watch again to see how things stand", kWatchQueueMax));
  } else {
    queue_.push_back(event);
  }
  Write();
}

void WatchSession::Close(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!finish_) finish_ = status;
  Write();
}

void WatchSession::Write() {
  if (writing_ || finished_) return;
  if (!queue_.empty()) {
    const SharedEvent event = std::move(queue_.front());
    queue_.pop_front();
    if (present_ > 0) --present_;
    writing_ = true;
    stream_.StartWrite(*event);
  } else if (finish_) {
    finished_ = true;
    stream_.Finish(*finish_);
  }
}

void WatchSession::OnWritten(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) {
    queue_.clear();
    if (!finish_) finish_ = absl::UnavailableError("the watcher is gone");
  }
  Write();
}

void WatchSession::OnCancel() {
  MutexLock lock(mutex_);
  queue_.clear();
  if (!finish_) finish_ = absl::CancelledError("the watcher is gone");
  Write();
}

void WatchSession::OnDone() { on_done_(this); }

std::shared_ptr<WatchSession> Watchers::Accept(WatchStream* stream) {
  auto session =
      std::make_shared<WatchSession>(stream, [this](WatchSession* done) { Forget(done); });
  MutexLock lock(mutex_);
  if (closed_ || sessions_.size() >= kWatchersMax) {
    session->Close(closed_ ? absl::UnavailableError("the collector stops")
                           : absl::ResourceExhaustedError(fmt::format(
                                 "{} others watch already, as many as may", kWatchersMax)));
    return session;
  }
  std::vector<SharedEvent> events = present_;
  events.push_back(
      std::make_shared<const WatchEvent>(WatchPresent{collector_, queues_, findings_}));
  session->Begin(std::move(events));
  sessions_.emplace(session.get(), session);
  return session;
}

void Watchers::Forget(WatchSession* session) {
  std::shared_ptr<WatchSession> last;  // let go without the lock
  MutexLock lock(mutex_);
  const auto at = sessions_.find(session);
  if (at == sessions_.end()) return;
  last = std::move(at->second);
  sessions_.erase(at);
}

std::vector<std::shared_ptr<WatchSession>> Watchers::Sessions() {
  std::vector<std::shared_ptr<WatchSession>> sessions;
  for (const auto& [key, session] : sessions_) sessions.push_back(session);
  return sessions;
}

void Watchers::Publish(const std::vector<EvaluationChange>& changes,
                       const std::vector<EvaluationChange>& present) {
  std::vector<SharedEvent> state;
  uint64_t findings = 0;
  for (const EvaluationChange& change : present) {
    state.push_back(Shared(change, true));
    findings += std::holds_alternative<FindingChange>(change) ? 1 : 0;
  }
  MutexLock lock(mutex_);
  queues_ = state.size() - findings;
  findings_ = findings;
  present_ = std::move(state);
  for (const EvaluationChange& change : changes) {
    const SharedEvent event = Shared(change, false);
    for (const auto& [key, session] : sessions_) session->Push(event);
  }
}

void Watchers::Tick(int64_t mono_ns) {
  MutexLock lock(mutex_);
  if (mono_ns - beat_mono_ns_ < kBeat_ns) return;
  beat_mono_ns_ = mono_ns;
  const SharedEvent beat = std::make_shared<const WatchEvent>(WatchBeat{});
  for (const auto& [key, session] : sessions_) session->Push(beat);
}

void Watchers::Close() {
  std::vector<std::shared_ptr<WatchSession>> sessions;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    sessions = Sessions();
  }
  for (const auto& session : sessions)
    session->Close(absl::UnavailableError("the collector stops"));
}

size_t Watchers::size() {
  MutexLock lock(mutex_);
  return sessions_.size();
}

}  // namespace ringside
