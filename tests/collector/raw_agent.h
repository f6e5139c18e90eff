// SPDX-License-Identifier: Apache-2.0
// An agent that speaks the protocol by hand, to say what the sink never would. One thread.
#ifndef RINGSIDE_TESTS_COLLECTOR_RAW_AGENT_H_
#define RINGSIDE_TESTS_COLLECTOR_RAW_AGENT_H_

#include <memory>
#include <string>

#include "correlate/records.h"
#include "proto/ringside.pb.h"

namespace ringside {

class RawAgent {
 public:
  explicit RawAgent(const std::string& address);
  ~RawAgent();
  void Say(const NumberedRecord& record);
  void Say(const v1::FromAgent& message);
  // The refusal that ends the stream, which must also be what its status says.
  std::string Refusal();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringside

#endif  // RINGSIDE_TESTS_COLLECTOR_RAW_AGENT_H_
