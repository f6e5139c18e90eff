// SPDX-License-Identifier: Apache-2.0
#include "collector/grpc_server.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "proto/convert.h"
#include "proto/handover.h"
#include "proto/ringside.grpc.pb.h"

namespace ringside {
namespace {

constexpr std::chrono::seconds kShutdownMax(2);

using Bidi = grpc::ServerBidiReactor<v1::FromAgent, v1::ToAgent>;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// Belongs to gRPC until OnDone, where it deletes itself.
class Reactor : public Bidi, public AgentStream {
 public:
  explicit Reactor(const GrpcServer::Accept& accept) : session_(accept(this)) { HandOver(this); }

  void StartRead() override {
    HandOver(this);
    Bidi::StartRead(&in_);
  }
  void StartWrite(const v1::ToAgent* message) override {
    HandOver(this);
    Bidi::StartWrite(message);
  }
  void Finish(const absl::Status& status) override {
    HandOver(this);
    Bidi::Finish(ToGrpc(status));
  }

  void OnReadDone(bool ok) override {
    TakeOver(this);
    session_->OnRead(ok ? &in_ : nullptr);
  }
  void OnWriteDone(bool ok) override {
    TakeOver(this);
    session_->OnWritten(ok);
  }
  void OnCancel() override {
    TakeOver(this);
    session_->OnCancel();
  }
  void OnDone() override {
    TakeOver(this);
    session_->OnDone();
    delete this;
  }

 private:
  v1::FromAgent in_;
  const std::shared_ptr<Session> session_;
};

using Writer = grpc::ServerWriteReactor<v1::WatchEvent>;

// Likewise, of somebody who watches.
class WatchReactor : public Writer, public WatchStream {
 public:
  explicit WatchReactor(const GrpcServer::AcceptWatch& accept) : session_(accept(this)) {
    HandOver(this);
  }

  void StartWrite(const WatchEvent& event) override {
    EncodeWatch(event, &out_);
    HandOver(this);
    Writer::StartWrite(&out_);
  }
  void Finish(const absl::Status& status) override {
    HandOver(this);
    Writer::Finish(ToGrpc(status));
  }

  void OnWriteDone(bool ok) override {
    TakeOver(this);
    session_->OnWritten(ok);
  }
  void OnCancel() override {
    TakeOver(this);
    session_->OnCancel();
  }
  void OnDone() override {
    TakeOver(this);
    session_->OnDone();
    delete this;
  }

 private:
  v1::WatchEvent out_;
  const std::shared_ptr<WatchSession> session_;
};

using PieceWriter = grpc::ServerWriteReactor<v1::FetchPiece>;

// Likewise, of somebody who fetches.
class FetchReactor : public PieceWriter, public FetchStream {
 public:
  FetchReactor(const GrpcServer::AcceptFetch& accept, const v1::FetchRequest& request)
      : session_(accept(this, {request.from_real_ns(), request.to_real_ns()})) {
    HandOver(this);
  }

  void StartWrite(std::string data, uint64_t total) override {
    out_.set_data(std::move(data));
    out_.set_total(total);
    HandOver(this);
    PieceWriter::StartWrite(&out_);
  }
  void Finish(const absl::Status& status) override {
    HandOver(this);
    PieceWriter::Finish(ToGrpc(status));
  }

  void OnWriteDone(bool ok) override {
    TakeOver(this);
    session_->OnWritten(ok);
  }
  void OnCancel() override {
    TakeOver(this);
    session_->Cancel();
  }
  void OnDone() override {
    TakeOver(this);
    delete this;
  }

 private:
  v1::FetchPiece out_;
  const std::shared_ptr<FetchSession> session_;
};

class Server : public GrpcServer, public v1::Collector::CallbackService {
 public:
  Server(Accept accept, AcceptWatch accept_watch, AcceptFetch accept_fetch, Control* control)
      : accept_(std::move(accept)),
        accept_watch_(std::move(accept_watch)),
        accept_fetch_(std::move(accept_fetch)),
        control_(*control) {}
  ~Server() override { Shutdown(); }

  bool Listen(const Address& address) {
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // else two collectors share a port
    builder.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
    builder.AddListeningPort(address.target, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    return server_ != nullptr && (port_ != 0 || !address.unix_path.empty());
  }
  int port() const override { return port_; }
  void Shutdown() override {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + kShutdownMax);
    server_->Wait();
    server_.reset();
  }

 private:
  Bidi* Attach(grpc::CallbackServerContext*) override { return new Reactor(accept_); }
  Writer* Watch(grpc::CallbackServerContext*, const v1::WatchRequest*) override {
    return new WatchReactor(accept_watch_);
  }
  PieceWriter* Fetch(grpc::CallbackServerContext*, const v1::FetchRequest* request) override {
    return new FetchReactor(accept_fetch_, *request);
  }

  grpc::ServerUnaryReactor* SetDetail(grpc::CallbackServerContext* context,
                                      const v1::SetDetailRequest* request,
                                      v1::ControlReply* reply) override {
    const absl::StatusOr<DetailOrder> order = DecodeDetailOrder(*request);
    return Answer(context, order.ok() ? control_.SetDetail(*order) : order.status(), reply);
  }
  grpc::ServerUnaryReactor* Trigger(grpc::CallbackServerContext* context,
                                    const v1::TriggerRequest* request,
                                    v1::ControlReply* reply) override {
    return Answer(context, control_.Command(DecodeTrigger(*request)), reply);
  }
  static grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                          const absl::StatusOr<size_t>& agents,
                                          v1::ControlReply* reply) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    if (agents.ok()) reply->set_agents(*agents);
    reactor->Finish(ToGrpc(agents.status()));
    return reactor;
  }

  const Accept accept_;
  const AcceptWatch accept_watch_;
  const AcceptFetch accept_fetch_;
  Control& control_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

std::unique_ptr<GrpcServer> GrpcServer::Listen(const Address& address, Accept accept,
                                               AcceptWatch accept_watch, AcceptFetch accept_fetch,
                                               Control* control) {
  auto server = std::make_unique<Server>(std::move(accept), std::move(accept_watch),
                                         std::move(accept_fetch), control);
  if (!server->Listen(address)) return nullptr;
  return server;
}

}  // namespace ringside
