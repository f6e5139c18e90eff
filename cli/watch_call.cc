// SPDX-License-Identifier: Apache-2.0
#include "cli/watch_call.h"

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "proto/convert.h"
#include "proto/handover.h"
#include "proto/ringside.grpc.pb.h"
#include "proto/sync.h"

namespace ringside {
namespace {

absl::Status AsStatus(const grpc::Status& status) {
  if (status.ok()) return absl::UnavailableError("the collector ended it");
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// One message is read ahead: a reader that does not come holds the collector's side up, which cuts
// it off.
class Call : public WatchCall, public grpc::ClientReadReactor<v1::WatchEvent> {
 public:
  explicit Call(const Address& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
    // A channel of its own: else gRPC would reuse the failed one, with its waiting time.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::Collector::NewStub(
        grpc::CreateCustomChannel(address.target, grpc::InsecureChannelCredentials(), arguments));
    HandOver(this);
    stub_->async()->Watch(&context_, &request_, this);
    AddHold();  // keeps OnDone away while no read is under way
    StartRead(&in_);
    StartCall();
  }
  ~Call() override {
    context_.TryCancel();
    bool idle = false;
    {
      MutexLock lock(mutex_);
      closing_ = true;
      idle = ready_;
    }
    if (idle) RemoveHold();  // else the read under way does, when it ends
    MutexLock lock(mutex_);
    while (!done_) changed_.Wait(mutex_);
  }

  absl::StatusOr<std::optional<WatchEvent>> Next(std::chrono::milliseconds wait) override {
    const CondVar::Clock::time_point until = CondVar::Clock::now() + wait;
    std::optional<absl::StatusOr<WatchEvent>> event;
    {
      MutexLock lock(mutex_);
      while (!ready_ && !done_) {
        if (!changed_.WaitUntil(mutex_, until)) return std::optional<WatchEvent>();
      }
      if (!ready_) return AsStatus(*done_);
      event = DecodeWatch(in_);
      ready_ = false;
    }
    HandOver(this);
    StartRead(&in_);
    if (!event->ok()) return event->status();
    return std::optional<WatchEvent>(**std::move(event));
  }

  void OnReadDone(bool ok) override {
    TakeOver(this);
    bool last = false;
    {
      MutexLock lock(mutex_);
      last = !ok || closing_;
      ready_ = !last;
      changed_.NotifyAll();
    }
    if (last) RemoveHold();
  }
  void OnDone(const grpc::Status& status) override {
    TakeOver(this);
    MutexLock lock(mutex_);
    done_ = status;
    changed_.NotifyAll();
  }

 private:
  std::unique_ptr<v1::Collector::Stub> stub_;
  grpc::ClientContext context_;
  const v1::WatchRequest request_;
  v1::WatchEvent in_;
  Mutex mutex_;
  CondVar changed_;
  bool ready_ = false;  // a message waits in in_; else a read is under way, or none will be
  bool closing_ = false;
  std::optional<grpc::Status> done_;
};

}  // namespace

std::unique_ptr<WatchCall> WatchCall::Start(const Address& address) {
  return std::make_unique<Call>(address);
}

}  // namespace ringside
