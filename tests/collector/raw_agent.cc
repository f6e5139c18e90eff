// SPDX-License-Identifier: Apache-2.0
#include "tests/collector/raw_agent.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "proto/convert.h"
#include "proto/ringside.grpc.pb.h"

namespace ringside {

class RawAgent::Impl {
 public:
  explicit Impl(const std::string& address)
      : stub_(v1::Collector::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        stream_(stub_->Attach(&context_)) {}
  void Say(const v1::FromAgent& message) { stream_->Write(message); }
  std::string Refusal() {
    v1::ToAgent message;
    std::string why;
    while (stream_->Read(&message)) {
      if (message.has_refusal()) why = message.refusal().why();
    }
    EXPECT_EQ(stream_->Finish().error_message(), why);
    return why;
  }

 private:
  std::unique_ptr<v1::Collector::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::FromAgent, v1::ToAgent>> stream_;
};

RawAgent::RawAgent(const std::string& address) : impl_(std::make_unique<Impl>(address)) {}
RawAgent::~RawAgent() = default;
void RawAgent::Say(const v1::FromAgent& message) { impl_->Say(message); }
void RawAgent::Say(const NumberedRecord& record) {
  v1::FromAgent message;
  ASSERT_TRUE(EncodeRecord(record, &message).ok());
  Say(message);
}
std::string RawAgent::Refusal() { return impl_->Refusal(); }

}  // namespace ringside
