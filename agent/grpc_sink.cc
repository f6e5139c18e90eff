// SPDX-License-Identifier: Apache-2.0
#include "agent/grpc_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "agent/grpc_call.h"
#include "agent/grpc_orders.h"
#include "agent/grpc_spool.h"
#include "agent/grpc_target.h"
#include "agent/lease.h"
#include "proto/convert.h"
#include "proto/ringside.pb.h"
#include "proto/sync.h"
#include "proto/texts.h"

namespace ringside {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kHeartbeatEvery(1000);
// A collector probes the clocks every second: one that says nothing for so long is not there.
constexpr milliseconds kSilenceMax(10000);
constexpr milliseconds kGoodbyeMax(1000);
constexpr milliseconds kLookEvery(100);  // for time-outs; records wake the thread by themselves

}  // namespace

class GrpcSink::Impl {
 public:
  Impl(const GrpcSinkOptions& options, std::unique_ptr<CollectorClient> client);
  ~Impl();

  absl::Status Put(const NumberedRecord& record);
  std::optional<std::vector<std::string>> TakeDetailRequest() {
    MutexLock lock(mutex_);
    return orders_.TakeDetail(SteadyClock::now());
  }
  Sink::RecorderRequest TakeRecorderRequest() {
    MutexLock lock(mutex_);
    return orders_.TakeRecorder(SteadyClock::now());
  }
  std::vector<Gap> TakeInherited() {
    MutexLock lock(mutex_);
    return estate_.TakeGaps(options_.clock().mono_ns);
  }
  absl::Status Flush(int timeout_ms);
  bool connected() const {
    MutexLock lock(mutex_);
    return attempt_ != nullptr && attempt_->welcomed;
  }

 private:
  // One connection, and what has been said on it. Made and destroyed by the sink's thread, which
  // waits for `done` in between.
  struct Attempt : CallEvents {
    explicit Attempt(Impl& owner) : sink(owner), call(owner.client_->NewCall(this)) {}
    void OnRead(const v1::ToAgent* message) override { sink.ReadDone(*this, message); }
    void OnWritten(bool ok) override { sink.WriteDone(*this, ok); }
    void OnDone(const std::string& why) override { sink.Done(*this, why); }

    Impl& sink;
    const std::unique_ptr<CollectorCall> call;
    v1::FromAgent out;  // of the write under way
    // Guarded by the sink's mutex:
    bool writing = false;
    bool ended = false;    // nothing can be sent any more
    bool held = true;      // keeps OnDone away while other threads may start a write
    bool greeted = false;  // the Hello is sent
    bool welcomed = false;
    bool said_goodbye = false;
    bool done = false;
    std::deque<v1::FromAgent> urgent;  // clock answers and heartbeats: before records
    std::deque<SharedRecord> context_records;
    SteadyClock::time_point heard = SteadyClock::now();
    SteadyClock::time_point next_heartbeat = SteadyClock::now();
  };

  void Work();
  bool WorkOnAttempt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Connect() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Send(Attempt& attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  SharedRecord ChooseRecord(Attempt& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadDone(Attempt& attempt, const v1::ToAgent* message);
  void WriteDone(Attempt& attempt, bool ok);
  void Done(Attempt& attempt, const std::string& why);
  void Take(Attempt& attempt, const v1::ToAgent& message);
  void Acknowledge(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    spool_.Acknowledge(number);
    estate_.Acknowledge(number);
  }
  void TakeWelcome(Attempt& attempt, const v1::Welcome& welcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool EndLocked(Attempt& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const GrpcSinkOptions options_;
  const std::unique_ptr<CollectorClient> client_;

  mutable Mutex mutex_;
  CondVar changed_;
  Spool spool_ ABSL_GUARDED_BY(mutex_);
  Estate estate_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Attempt> attempt_ ABSL_GUARDED_BY(mutex_);
  SteadyClock::time_point next_connect_ ABSL_GUARDED_BY(mutex_) = SteadyClock::now();
  int backoff_ms_ ABSL_GUARDED_BY(mutex_);
  absl::Status refused_ ABSL_GUARDED_BY(mutex_);
  std::string last_failure_ ABSL_GUARDED_BY(mutex_) = "not yet connected";
  GrpcOrders orders_ ABSL_GUARDED_BY(mutex_);
  bool work_ ABSL_GUARDED_BY(mutex_) = false;  // something new to send
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  SteadyClock::time_point stop_by_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses all of the above
};

GrpcSink::Impl::Impl(const GrpcSinkOptions& options, std::unique_ptr<CollectorClient> client)
    : options_(options),
      client_(std::move(client)),
      spool_(options.spool_bytes_max),
      estate_(options.lease_folder, options.address),
      backoff_ms_(options.backoff_ms_min),
      thread_([this] { Work(); }) {}

GrpcSink::Impl::~Impl() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stop_by_ = SteadyClock::now() + kGoodbyeMax;
    changed_.NotifyAll();
  }
  thread_.join();
  MutexLock lock(mutex_);
  if (spool_.empty() || absl::IsAborted(refused_)) estate_.End();
}

absl::Status GrpcSink::Impl::Put(const NumberedRecord& record) {
  if (std::holds_alternative<ClockExchange>(record.record)) {
    return absl::InvalidArgumentError("clock exchanges are made by collectors, not sent to them");
  }
  MutexLock lock(mutex_);
  if (!refused_.ok()) return refused_;
  if (spool_.newest() == 0) {
    if (const auto* hello = std::get_if<Hello>(&record.record)) estate_.Begin(hello->key);
  }
  if (absl::Status status = spool_.Put(record); !status.ok()) return status;
  estate_.Note(record);
  work_ = true;
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::Status GrpcSink::Impl::Flush(int timeout_ms) {
  const SteadyClock::time_point until = SteadyClock::now() + milliseconds(timeout_ms);
  MutexLock lock(mutex_);
  while (!spool_.empty()) {
    if (!refused_.ok()) return refused_;
    if (!changed_.WaitUntil(mutex_, until) && !spool_.empty()) {
      return absl::DeadlineExceededError(
          fmt::format("{} records are not yet safe with the collector {} ({})", spool_.size(),
                      options_.address, last_failure_));
    }
  }
  return absl::OkStatus();
}

void GrpcSink::Impl::Work() {
  mutex_.Lock();
  for (;;) {
    work_ = false;
    if (attempt_ != nullptr) {
      if (!WorkOnAttempt()) continue;
    } else if (stopping_) {
      break;
    } else if (refused_.ok() && spool_.first_hello() != nullptr &&
               SteadyClock::now() >= next_connect_) {
      Connect();
      continue;
    }
    if (work_) continue;  // came while the lock was given up
    const SteadyClock::time_point now = SteadyClock::now();
    const bool waits = attempt_ == nullptr && next_connect_ > now;
    changed_.WaitUntil(mutex_, waits ? next_connect_ : now + kLookEvery);
  }
  mutex_.Unlock();
}

// Heartbeats, new records, the end. False if the attempt is over: look again.
bool GrpcSink::Impl::WorkOnAttempt() {
  Attempt& attempt = *attempt_;
  const SteadyClock::time_point now = SteadyClock::now();
  if (attempt.done) {
    // Destroyed without the lock: the reactor's last callback may still be about to give it back.
    std::unique_ptr<Attempt> ended = std::move(attempt_);
    mutex_.Unlock();
    ended.reset();
    mutex_.Lock();
    return false;
  }
  const bool silent = now - attempt.heard > kSilenceMax;
  if (silent) last_failure_ = "it says nothing";
  if (silent || (stopping_ && now >= stop_by_) || !refused_.ok()) attempt.call->Cancel();
  if (attempt.welcomed && now >= attempt.next_heartbeat) {
    attempt.next_heartbeat = now + kHeartbeatEvery;
    v1::FromAgent heartbeat;
    EncodeClock(options_.clock(), heartbeat.mutable_heartbeat()->mutable_clock());
    attempt.urgent.push_back(std::move(heartbeat));
  }
  mutex_.Unlock();
  Send(attempt);
  mutex_.Lock();
  return true;
}

void GrpcSink::Impl::Connect() {
  attempt_ = std::make_unique<Attempt>(*this);
  Attempt& attempt = *attempt_;
  spool_.MarkSent(spool_.acknowledged());
  mutex_.Unlock();
  attempt.call->Start();
  Send(attempt);
  mutex_.Lock();
}

// The next record of the stream, in the order: Hello, what the collector lacks, the spool.
SharedRecord GrpcSink::Impl::ChooseRecord(Attempt& attempt) {
  if (!attempt.greeted) {
    attempt.greeted = true;
    return spool_.first_hello();
  }
  if (!attempt.welcomed) return nullptr;
  if (!attempt.context_records.empty()) {
    SharedRecord record = attempt.context_records.front();
    attempt.context_records.pop_front();
    return record;
  }
  SharedRecord record = spool_.NextToSend();
  if (record != nullptr) spool_.MarkSent(record->number);
  return record;
}

// Starts one write if none is under way and there is something to send. Any thread.
void GrpcSink::Impl::Send(Attempt& attempt) {
  SharedRecord record;
  {
    MutexLock lock(mutex_);
    if (attempt.writing || attempt.ended || attempt.said_goodbye) return;
    if (!attempt.urgent.empty()) {
      attempt.out = std::move(attempt.urgent.front());
      attempt.urgent.pop_front();
    } else {
      record = ChooseRecord(attempt);
      if (record == nullptr) {
        attempt.said_goodbye = stopping_ && spool_.empty();
        if (!attempt.said_goodbye) return;
      }
    }
    attempt.writing = true;
  }
  if (attempt.said_goodbye) {
    attempt.call->EndWrites();
    bool release = false;
    {
      MutexLock lock(mutex_);
      attempt.writing = false;
      release = attempt.ended && EndLocked(attempt);
    }
    if (release) attempt.call->GiveUpHold();
    return;
  }
  if (record != nullptr) {
    EncodeRecord(*record, &attempt.out).IgnoreError();  // Put has checked it
    MutexLock lock(mutex_);
    TellOf(estate_.ToldBy(record->number), attempt.out);
  }
  attempt.call->StartWrite(&attempt.out);
}

void GrpcSink::Impl::WriteDone(Attempt& attempt, bool ok) {
  bool release = false;
  {
    MutexLock lock(mutex_);
    attempt.writing = false;
    if (!ok) attempt.ended = true;
    if (attempt.ended) release = EndLocked(attempt);
  }
  if (release) attempt.call->GiveUpHold();
  if (!release) Send(attempt);
}

void GrpcSink::Impl::ReadDone(Attempt& attempt, const v1::ToAgent* message) {
  if (message == nullptr) {
    bool release = false;
    {
      MutexLock lock(mutex_);
      attempt.ended = true;
      if (!attempt.writing) release = EndLocked(attempt);
    }
    if (release) attempt.call->GiveUpHold();
    return;
  }
  Take(attempt, *message);
  attempt.call->StartRead();
  Send(attempt);
}

// Whether the caller has to give up the hold: once per attempt.
bool GrpcSink::Impl::EndLocked(Attempt& attempt) { return std::exchange(attempt.held, false); }

void GrpcSink::Impl::Done(Attempt& attempt, const std::string& why) {
  MutexLock lock(mutex_);
  last_failure_ = why.empty() ? "it ended the stream" : why;
  CleanText(last_failure_, kNameBytesMax);
  next_connect_ = SteadyClock::now() + milliseconds(backoff_ms_);
  backoff_ms_ = std::min(backoff_ms_ * 2, options_.backoff_ms_max);
  attempt.done = true;
  attempt.welcomed = false;
  changed_.NotifyAll();
}

void GrpcSink::Impl::Take(Attempt& attempt, const v1::ToAgent& message) {
  if (message.has_probe()) {
    v1::FromAgent answer;
    answer.mutable_clock()->set_id(message.probe().id());
    EncodeClock(options_.clock(), answer.mutable_clock()->mutable_clock());
    MutexLock lock(mutex_);
    attempt.heard = SteadyClock::now();
    if (attempt.urgent.size() < 16) attempt.urgent.push_back(std::move(answer));
    return;
  }
  MutexLock lock(mutex_);
  attempt.heard = SteadyClock::now();
  if (message.has_welcome()) {
    TakeWelcome(attempt, message.welcome());
  } else if (message.has_ack()) {
    Acknowledge(message.ack().number());
  } else if (message.has_refusal()) {
    std::string why = message.refusal().why();
    CleanText(why, kTextBytesMax);
    refused_ = absl::FailedPreconditionError(
        fmt::format("the collector {} refuses this agent: {}", options_.address, why));
  } else if (message.has_detail()) {
    orders_.SetWishes(DecodeWishes(message.detail()), attempt.heard);
  } else if (message.has_trigger()) {
    orders_.AddTrigger(DecodeTrigger(message.trigger()));
  }
  changed_.NotifyAll();
}

void GrpcSink::Impl::TakeWelcome(Attempt& attempt, const v1::Welcome& welcome) {
  if (welcome.protocol() != kProtocol) {
    refused_ = absl::FailedPreconditionError(
        fmt::format("the collector {} speaks protocol {}, this agent {}: update the older one",
                    options_.address, welcome.protocol(), kProtocol));
    return;
  }
  if (!spool_.CouldHaveSent(welcome.last_number(), welcome.last_hash())) {
    refused_ = absl::AbortedError(
        fmt::format("this machine or the collector was set back to an earlier state: the collector "
                    "has records of this agent up to {}, and the agent made {} (others, if it is "
                    "not fewer)",
                    welcome.last_number(), spool_.newest()));
    return;
  }
  attempt.welcomed = true;
  backoff_ms_ = options_.backoff_ms_min;
  last_failure_ = "connected";
  Acknowledge(welcome.last_number());
  const uint64_t safe = std::max<uint64_t>(spool_.acknowledged(), 1);  // 1: the Hello, just sent
  spool_.MarkSent(safe);
  if (!welcome.fresh()) return;
  const std::vector<SharedRecord> context = spool_.ContextUpTo(safe);
  attempt.context_records.assign(context.begin(), context.end());
}

GrpcSink::GrpcSink(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcSink::~GrpcSink() = default;

absl::StatusOr<std::unique_ptr<GrpcSink>> GrpcSink::Create(const GrpcSinkOptions& options) {
  auto client = NewClientFor(options);
  if (!client.ok()) return client.status();
  return std::unique_ptr<GrpcSink>(
      new GrpcSink(std::make_unique<Impl>(options, *std::move(client))));
}

absl::Status GrpcSink::Put(const NumberedRecord& record) { return impl_->Put(record); }
std::optional<std::vector<std::string>> GrpcSink::TakeDetailRequest() {
  return impl_->TakeDetailRequest();
}
Sink::RecorderRequest GrpcSink::TakeRecorderRequest() { return impl_->TakeRecorderRequest(); }
std::vector<Gap> GrpcSink::TakeInherited() { return impl_->TakeInherited(); }
absl::Status GrpcSink::Flush(int timeout_ms) { return impl_->Flush(timeout_ms); }
bool GrpcSink::connected() const { return impl_->connected(); }

}  // namespace ringside
