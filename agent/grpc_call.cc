// SPDX-License-Identifier: Apache-2.0
#include "agent/grpc_call.h"

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/handover.h"
#include "proto/ringside.grpc.pb.h"

namespace ringside {
namespace {

using Bidi = grpc::ClientBidiReactor<v1::FromAgent, v1::ToAgent>;

class Call : public Bidi, public CollectorCall {
 public:
  Call(std::shared_ptr<v1::Collector::Stub> stub, CallEvents* events)
      : stub_(std::move(stub)), events_(*events) {}

  void Start() override {
    HandOver(this);
    stub_->async()->Attach(&context_, this);
    AddHold();
    Bidi::StartRead(&in_);
    StartCall();
  }
  void StartRead() override {
    HandOver(this);
    Bidi::StartRead(&in_);
  }
  void StartWrite(const v1::FromAgent* message) override {
    HandOver(this);
    Bidi::StartWrite(message);
  }
  void EndWrites() override {
    HandOver(this);
    StartWritesDone();
  }
  void GiveUpHold() override {
    HandOver(this);
    RemoveHold();
  }
  void Cancel() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    TakeOver(this);
    events_.OnRead(ok ? &in_ : nullptr);
  }
  void OnWriteDone(bool ok) override {
    TakeOver(this);
    events_.OnWritten(ok);
  }
  void OnDone(const grpc::Status& status) override {
    TakeOver(this);
    events_.OnDone(status.error_message());
  }

 private:
  const std::shared_ptr<v1::Collector::Stub> stub_;
  CallEvents& events_;
  grpc::ClientContext context_;
  v1::ToAgent in_;
};

class Client : public CollectorClient {
 public:
  explicit Client(std::shared_ptr<v1::Collector::Stub> stub) : stub_(std::move(stub)) {}
  std::unique_ptr<CollectorCall> NewCall(CallEvents* events) override {
    return std::make_unique<Call>(stub_, events);
  }

 private:
  const std::shared_ptr<v1::Collector::Stub> stub_;
};

// gRPC is given one end of a socket pair for each call, and the relay carries what goes through it.
class RelayedClient : public CollectorClient {
 public:
  explicit RelayedClient(std::unique_ptr<ByteRelay> relay) : relay_(std::move(relay)) {}
  std::unique_ptr<CollectorCall> NewCall(CallEvents* events) override {
    int fd = relay_->Open();
    if (fd < 0) fd = ClosedEnd();
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    // Its connection is this one: there is no other to come.
    return std::make_unique<Call>(
        v1::Collector::NewStub(grpc::CreateCustomInsecureChannelFromFd("relay", fd, arguments)),
        events);
  }

 private:
  // Reads as closed: the call ends by itself, as any other that finds nobody.
  static int ClosedEnd() {
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0) {
      close(ends[1]);
    }
    return ends[0];
  }

  const std::unique_ptr<ByteRelay> relay_;
};

}  // namespace

std::unique_ptr<CollectorClient> NewCollectorClient(const Address& address, int backoff_ms_min,
                                                    int backoff_ms_max) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // records go where they were sent
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, backoff_ms_min);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, backoff_ms_min);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, backoff_ms_max);
  return std::make_unique<Client>(v1::Collector::NewStub(
      grpc::CreateCustomChannel(address.target, grpc::InsecureChannelCredentials(), arguments)));
}

std::unique_ptr<CollectorClient> NewRelayedClient(RelayConnect connect) {
  auto relay = ByteRelay::Start(-1, std::move(connect));
  if (!relay.ok()) return nullptr;
  return std::make_unique<RelayedClient>(*std::move(relay));
}

}  // namespace ringside
