// SPDX-License-Identifier: Apache-2.0
#include "cli/control_call.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "proto/ringside.grpc.pb.h"

namespace ringside {
namespace {

constexpr std::chrono::seconds kAnswerMax(10);

class Question {
 public:
  explicit Question(const Address& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    stub_ = v1::Collector::NewStub(
        grpc::CreateCustomChannel(address.target, grpc::InsecureChannelCredentials(), arguments));
    context_.set_deadline(std::chrono::system_clock::now() + kAnswerMax);
  }
  v1::Collector::Stub& stub() { return *stub_; }
  grpc::ClientContext* context() { return &context_; }
  absl::StatusOr<uint64_t> Answer(const grpc::Status& status) const {
    if (status.ok()) return reply_.agents();
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
  v1::ControlReply* reply() { return &reply_; }

 private:
  std::unique_ptr<v1::Collector::Stub> stub_;
  grpc::ClientContext context_;
  v1::ControlReply reply_;
};

}  // namespace

absl::StatusOr<uint64_t> CallSetDetail(const Address& address, const DetailOrder& order) {
  v1::SetDetailRequest request;
  EncodeDetailOrder(order, &request);
  Question question(address);
  return question.Answer(question.stub().SetDetail(question.context(), request, question.reply()));
}

absl::StatusOr<uint64_t> CallTrigger(const Address& address, const Trigger& trigger) {
  v1::TriggerRequest request;
  EncodeTrigger(trigger, &request);
  Question question(address);
  return question.Answer(question.stub().Trigger(question.context(), request, question.reply()));
}

}  // namespace ringside
