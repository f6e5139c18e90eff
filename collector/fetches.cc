// SPDX-License-Identifier: Apache-2.0
#include "collector/fetches.h"

#include <algorithm>
#include <fstream>
#include <utility>

namespace ringside {

void FetchSession::OnWritten(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  cancelled_ |= !ok;
  changed_.NotifyAll();
}

void FetchSession::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  changed_.NotifyAll();
}

bool FetchSession::cancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

bool FetchSession::ended() const {
  MutexLock lock(mutex_);
  return ended_;
}

void FetchSession::Run(const std::string& store, const FetchWindow& window) {
  SaveOptions options;
  if (window.from_real_ns != 0) options.from_ns = window.from_real_ns;
  if (window.to_real_ns != 0) options.to_ns = window.to_real_ns;
  options.progress = [this](uint64_t) {
    return cancelled() ? absl::CancelledError("the fetch was given up") : absl::OkStatus();
  };
  absl::StatusOr<std::unique_ptr<TemporaryIncident>> saved = SaveTemporary(store, options);
  stream_.Finish(saved.ok() ? Send((*saved)->path()) : saved.status());
  MutexLock lock(mutex_);
  ended_ = true;
}

absl::Status FetchSession::Send(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto total = static_cast<uint64_t>(file.tellg());
  file.seekg(0);
  uint64_t sent = 0;
  while (sent < total) {
    std::string piece(std::min<uint64_t>(kFetchPieceBytes, total - sent), '\0');
    if (!file.read(piece.data(), static_cast<std::streamsize>(piece.size()))) {
      return absl::UnavailableError("the temporary copy cannot be read");
    }
    sent += piece.size();
    {
      MutexLock lock(mutex_);
      if (cancelled_) return absl::CancelledError("the fetch was given up");
      writing_ = true;
    }
    stream_.StartWrite(std::move(piece), total);
    MutexLock lock(mutex_);
    while (writing_) changed_.Wait(mutex_);
  }
  return absl::OkStatus();
}

std::shared_ptr<FetchSession> Fetches::Accept(FetchStream* stream, const FetchWindow& window) {
  auto session = std::make_shared<FetchSession>(stream);
  MutexLock lock(mutex_);
  for (Fetch& fetch : fetches_) {
    if (fetch.session->ended()) fetch.thread.join();
  }
  std::erase_if(fetches_, [](const Fetch& fetch) { return !fetch.thread.joinable(); });
  if (closed_ || fetches_.size() >= kFetchesMax) {
    stream->Finish(absl::ResourceExhaustedError(
        "others are fetching from this collector; try again when they are done"));
    return session;
  }
  fetches_.push_back(
      {session, std::thread([session, window, this] { session->Run(store_, window); })});
  return session;
}

void Fetches::Close() {
  std::vector<Fetch> fetches;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    fetches.swap(fetches_);
  }
  for (Fetch& fetch : fetches) fetch.session->Cancel();
  for (Fetch& fetch : fetches) fetch.thread.join();
}

}  // namespace ringside
