// SPDX-License-Identifier: Apache-2.0
// Those who watch a collector: each is told how everything stands, then what changes.
//
//   evaluator --Publish--> Watchers --> WatchSession (bounded) --> WatchStream: gRPC
//
// A watcher that does not keep up is cut off with a word: it may come again and is told how things
// stand then. Nobody waits for it.
#ifndef RINGSIDE_COLLECTOR_WATCHERS_H_
#define RINGSIDE_COLLECTOR_WATCHERS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collector/store/evaluation.h"
#include "proto/sync.h"
#include "proto/watch.h"

namespace ringside {

// People, and the dashboards of a few.
inline constexpr size_t kWatchersMax = 64;
// Changes that wait for one watcher, besides the present state it began with: some minutes of the
// worst that a healthy collector has to say.
inline constexpr size_t kWatchQueueMax = 1024;

using SharedEvent = std::shared_ptr<const WatchEvent>;

// What a watch session needs of its connection. Implemented on gRPC by grpc_server.cc; by tests as
// they like. Operations are started from any thread, one write at a time and none after Finish;
// each ends in a call of the session, never from within the call that started it.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  virtual void StartWrite(const WatchEvent& event) = 0;  // ends in WatchSession::OnWritten
  virtual void Finish(const absl::Status& status) = 0;   // ends in WatchSession::OnDone
};

// One watcher. Any thread; under its lock nothing but gRPC is called.
class WatchSession {
 public:
  WatchSession(WatchStream* stream, std::function<void(WatchSession*)> on_done)
      : stream_(*stream), on_done_(std::move(on_done)) {}

  // Before anything else is pushed.
  void Begin(std::vector<SharedEvent> present);
  void Push(const SharedEvent& event);
  void Close(const absl::Status& status);

  void OnWritten(bool ok);
  void OnCancel();
  void OnDone();

 private:
  void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  WatchStream& stream_;
  const std::function<void(WatchSession*)> on_done_;
  Mutex mutex_;
  std::deque<SharedEvent> queue_ ABSL_GUARDED_BY(mutex_);
  size_t present_ ABSL_GUARDED_BY(mutex_) = 0;  // how many of them are the present state
  std::optional<absl::Status> finish_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

// All of them. Any thread.
class Watchers {
 public:
  explicit Watchers(std::string collector) : collector_(std::move(collector)) {}

  // `stream` must live until the session's OnDone has returned. Never null: one too many is closed.
  std::shared_ptr<WatchSession> Accept(WatchStream* stream);
  // What changed, and how things stand after it.
  void Publish(const std::vector<EvaluationChange>& changes,
               const std::vector<EvaluationChange>& present);
  // Often, with any MONOTONIC: says every few seconds that the collector lives.
  void Tick(int64_t mono_ns);
  void Close();
  size_t size();

 private:
  void Forget(WatchSession* session);
  std::vector<std::shared_ptr<WatchSession>> Sessions() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string collector_;
  Mutex mutex_;  // before the sessions' own
  std::map<WatchSession*, std::shared_ptr<WatchSession>> sessions_ ABSL_GUARDED_BY(mutex_);
  std::vector<SharedEvent> present_ ABSL_GUARDED_BY(mutex_);
  uint64_t queues_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t findings_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t beat_mono_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_WATCHERS_H_
