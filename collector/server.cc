// SPDX-License-Identifier: Apache-2.0
#include "collector/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include "collector/control.h"
#include "collector/evaluator.h"
#include "collector/fetches.h"
#include "collector/grpc_server.h"
#include "collector/ingest.h"
#include "collector/retention.h"
#include "collector/session.h"
#include "collector/store/incident_reader.h"
#include "collector/store/incident_writer.h"
#include "collector/watchers.h"
#include "proto/address.h"
#include "proto/sync.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPace(20);  // how late a clock probe may be
constexpr size_t kSessionsMax = 4096;  // a thousand agents, and what they have not yet let go

// A socket that nobody listens on is left over from a collector that died: gRPC replaces it.
bool SomebodyListens(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool connected =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

// Held as long as the store is written: what one collector removes, another must not be writing, so
// one that removes is alone. Released by the kernel, however this ends. File systems without locks
// go without.
absl::StatusOr<int> LockStore(const std::string& store, bool removes) {
  const int fd = open(store.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || flock(fd, (removes ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return fd;
  close(fd);
  return absl::FailedPreconditionError(store + ": another collector writes to it");
}

}  // namespace

class CollectorServer::Impl : public IngestListener {
 public:
  explicit Impl(const CollectorOptions& options)
      : options_(options),
        watchers_(options.name),
        control_(ControlOptions{.start = {options.detail, options.recorder},
                                .clock = options.clock,
                                .log = options.log,
                                .peers = [this] { return Peers(); }}),
        fetches_(options.store),
        evaluator_(EvaluatorOptions{
            .recorder = options.name,
            .clock = options.clock,
            .log = options.log,
            .report = [this](const std::vector<Change>& changes, const VerdictTracker& tracker) {
              Report(changes, tracker);
            }}) {
    context_.clock = options.clock;
    context_.log = options.log;
    context_.name = options.name;
    context_.wishes = [this] { return control_.Present(); };
  }
  ~Impl() {
    Stop().IgnoreError();
    if (store_lock_ >= 0) close(store_lock_);
  }

  absl::Status OpenStore();
  absl::Status Listen(const Address& address);
  absl::Status Stop();
  const std::string& address() const { return address_; }
  const std::string& file() const { return file_; }

 private:
  std::shared_ptr<Session> Accept(AgentStream* stream) {
    std::shared_ptr<Session> session =
        Session::Start(context_, stream, [this](Session* ended) { Forget(ended); });
    bool turned_away = false;
    {
      MutexLock lock(mutex_);
      turned_away = stopping_ || sessions_.size() >= kSessionsMax;
      sessions_.emplace(session.get(), session);
    }
    if (turned_away) session->Close();
    return session;
  }
  void Forget(Session* session) {
    std::shared_ptr<Session> last;  // let go without the lock
    MutexLock lock(mutex_);
    const auto at = sessions_.find(session);
    if (at == sessions_.end()) return;
    last = std::move(at->second);
    sessions_.erase(at);
  }
  std::vector<std::shared_ptr<Session>> Sessions() {
    MutexLock lock(mutex_);
    std::vector<std::shared_ptr<Session>> sessions;
    for (const auto& [reactor, session] : sessions_) sessions.push_back(session);
    return sessions;
  }
  std::vector<std::shared_ptr<ControlPeer>> Peers() {
    std::vector<std::shared_ptr<ControlPeer>> peers;
    for (const std::shared_ptr<Session>& session : Sessions()) {
      if (session->welcomed()) peers.push_back(session);
    }
    return peers;
  }
  void OnRecord(const StreamKey& key, const NumberedRecord& record) override {
    evaluator_.OnRecord(key, record);
    control_.OnRecord(key, record);
  }
  void OnEnd(const StreamKey& key) override {
    evaluator_.OnEnd(key);
    control_.OnEnd(key);
  }
  absl::StatusOr<std::unique_ptr<IncidentWriter>> NextFile(int64_t real_ns) {
    return IncidentWriter::Create(StoreFileName(options_.store, real_ns), options_.name);
  }
  void Pace();
  void Report(const std::vector<Change>& changes, const VerdictTracker& tracker);

  const CollectorOptions options_;
  SessionContext context_;
  std::string address_;
  std::string file_;
  int store_lock_ = -1;
  Watchers watchers_;
  Control control_;
  Fetches fetches_;
  Evaluator evaluator_;  // hears of records from ingest_, and stores through it
  std::unique_ptr<Ingest> ingest_;
  std::unique_ptr<GrpcServer> server_;
  std::thread pacer_;
  absl::Status stopped_;
  Mutex mutex_;
  CondVar changed_;
  std::map<Session*, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status CollectorServer::Impl::OpenStore() {
  std::error_code error;
  fs::create_directories(options_.store, error);
  if (error) {
    return absl::PermissionDeniedError(fmt::format("{}: {}", options_.store, error.message()));
  }
  Retention retention{options_.store, options_.keep_bytes, options_.keep_age_ns};
  absl::StatusOr<int> lock = LockStore(options_.store, retention.limited());
  if (!lock.ok()) return lock.status();
  store_lock_ = *lock;
  std::vector<std::string> warnings;
  std::map<StreamKey, CommittedStream> earlier = CommittedStreams(options_.store, warnings);
  for (const std::string& warning : warnings) options_.log(warning);
  absl::StatusOr<std::unique_ptr<IncidentWriter>> writer = NextFile(options_.clock().real_ns);
  if (!writer.ok()) return writer.status();
  file_ = (*writer)->path();
  ingest_ = std::make_unique<Ingest>(*std::move(writer), std::move(earlier), options_.clock,
                                     options_.log, this);
  if (retention.limited()) {
    ingest_->KeepWithin(std::move(retention),
                        [this](int64_t real_ns) { return NextFile(real_ns); });
  }
  context_.ingest = ingest_.get();
  evaluator_.Start();
  return absl::OkStatus();
}

absl::Status CollectorServer::Impl::Listen(const Address& address) {
  server_ = GrpcServer::Listen(
      address, [this](AgentStream* stream) { return Accept(stream); },
      [this](WatchStream* stream) { return watchers_.Accept(stream); },
      [this](FetchStream* stream, const FetchWindow& window) {
        return fetches_.Accept(stream, window);
      },
      &control_);
  if (server_ == nullptr) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: it is taken, or not this machine's", options_.listen));
  }
  address_ = options_.listen;
  if (address.unix_path.empty()) {
    address_ = fmt::format("{}:{}", address_.substr(0, address_.rfind(':')), server_->port());
  }
  pacer_ = std::thread([this] { Pace(); });
  return absl::OkStatus();
}

void CollectorServer::Impl::Pace() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) changed_.WaitUntil(mutex_, CondVar::Clock::now() + kPace);
      if (stopping_) return;
    }
    const int64_t mono_ns = options_.clock().mono_ns;
    for (const std::shared_ptr<Session>& session : Sessions()) session->Tick(mono_ns);
    watchers_.Tick(mono_ns);
    control_.Tick(mono_ns);
  }
}

void CollectorServer::Impl::Report(const std::vector<Change>& changes,
                                   const VerdictTracker& tracker) {
  std::vector<EvaluationChange> news;
  size_t lost = 0;
  for (const Change& change : changes) {
    if (!ingest_->Offer(change.what)) ++lost;
    if (change.news) news.push_back(change.what);
  }
  if (lost > 0) options_.log(fmt::format("{} changes of verdicts could not be stored", lost));
  watchers_.Publish(news, tracker.Present());
  std::vector<EvaluationChange> all;
  for (const Change& change : changes) all.push_back(change.what);
  control_.OnChanges(all);
}

absl::Status CollectorServer::Impl::Stop() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(stopping_, true)) return stopped_;
    changed_.NotifyAll();
  }
  if (pacer_.joinable()) pacer_.join();
  evaluator_.Stop();
  watchers_.Close();
  fetches_.Close();
  // First what was received is written and acknowledged, then the streams end.
  if (ingest_ != nullptr) stopped_ = ingest_->Stop();
  for (const std::shared_ptr<Session>& session : Sessions()) session->Close();
  if (server_ != nullptr) server_->Shutdown();
  return stopped_;
}

CollectorServer::CollectorServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CollectorServer::~CollectorServer() = default;
std::string CollectorServer::address() const { return impl_->address(); }
std::string CollectorServer::file() const { return impl_->file(); }
absl::Status CollectorServer::Stop() { return impl_->Stop(); }

absl::StatusOr<std::unique_ptr<CollectorServer>> CollectorServer::Start(
    const CollectorOptions& options) {
  const absl::StatusOr<Address> address = ParseAddress(options.listen);
  if (!address.ok()) return address.status();
  if (!address->local && !options.insecure) {
    return absl::InvalidArgumentError(fmt::format(
        "{} can be reached from other machines, in the clear: add --insecure to accept that",
        options.listen));
  }
  if (!address->unix_path.empty() && SomebodyListens(address->unix_path)) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: another program does", options.listen));
  }
  auto impl = std::make_unique<Impl>(options);
  if (absl::Status status = impl->OpenStore(); !status.ok()) return status;
  if (absl::Status status = impl->Listen(*address); !status.ok()) {
    // No incident is left behind of a run that never was.
    impl->Stop().IgnoreError();
    std::error_code ignored;
    fs::remove(impl->file(), ignored);
    return status;
  }
  return std::unique_ptr<CollectorServer>(new CollectorServer(std::move(impl)));
}

}  // namespace ringside
