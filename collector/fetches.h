// SPDX-License-Identifier: Apache-2.0
// Those who fetch a part of the store: it is saved into a temporary file (incident_copy.h), which
// then goes out in pieces. One thread per fetch; few at a time, as each reads and writes the disk.
//
// Made by the server; any thread.
#ifndef RINGSIDE_COLLECTOR_FETCHES_H_
#define RINGSIDE_COLLECTOR_FETCHES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "collector/store/incident_copy.h"
#include "proto/sync.h"

namespace ringside {

inline constexpr size_t kFetchesMax = 2;  // a third is told to come again
inline constexpr size_t kFetchPieceBytes = size_t{256} << 10;

// The collector's REALTIME; 0: open.
struct FetchWindow {
  int64_t from_real_ns = 0;
  int64_t to_real_ns = 0;
};

// What a fetch needs of its connection. One write at a time and none after Finish, after which the
// stream is not touched any more.
class FetchStream {
 public:
  virtual ~FetchStream() = default;
  virtual void StartWrite(std::string data, uint64_t total) = 0;  // ends in FetchSession::OnWritten
  virtual void Finish(const absl::Status& status) = 0;
};

class FetchSession {
 public:
  explicit FetchSession(FetchStream* stream) : stream_(*stream) {}
  void OnWritten(bool ok);
  void Cancel();

  // Of the fetch's own thread: saves, sends, finishes.
  void Run(const std::string& store, const FetchWindow& window);
  bool ended() const;

 private:
  absl::Status Send(const std::string& path);
  bool cancelled() const;

  FetchStream& stream_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

class Fetches {
 public:
  explicit Fetches(std::string store) : store_(std::move(store)) {}
  ~Fetches() { Close(); }

  std::shared_ptr<FetchSession> Accept(FetchStream* stream, const FetchWindow& window);
  // Ends all of them.
  void Close();

 private:
  struct Fetch {
    std::shared_ptr<FetchSession> session;
    std::thread thread;
  };
  const std::string store_;
  Mutex mutex_;
  std::vector<Fetch> fetches_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_FETCHES_H_
