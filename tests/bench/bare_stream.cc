// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bare_stream.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <thread>

namespace ringside {
namespace {

// Reads to the end of the stream, then says so.
class Reader : public grpc::ServerGenericBidiReactor {
 public:
  Reader() { StartRead(&buffer_); }
  void OnReadDone(bool ok) override {
    if (ok) {
      StartRead(&buffer_);
    } else {
      Finish(grpc::Status::OK);
    }
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer buffer_;
};

class Service : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Reader();
  }
};

bool Wait(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  return queue.Next(&tag, &ok) && ok;
}

}  // namespace

absl::Status SendBare(const std::vector<std::string>& messages, size_t count,
                      const std::string& address) {
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return absl::UnavailableError("no server at " + address);
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto stream = stub.PrepareCall(&context, "/bare/Stream", &queue);
  stream->StartCall(nullptr);
  bool ok = Wait(queue);
  for (size_t i = 0; i < count && ok; ++i) {
    const std::string& message = messages[i % messages.size()];
    const grpc::Slice slice(message.data(), message.size());
    stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    ok = Wait(queue);
  }
  stream->WritesDone(nullptr);
  ok = Wait(queue) && ok;
  grpc::Status status;
  stream->Finish(&status, nullptr);
  ok = Wait(queue) && ok && status.ok();
  queue.Shutdown();
  server->Shutdown();
  return ok ? absl::OkStatus() : absl::UnavailableError("the stream broke");
}

}  // namespace ringside
