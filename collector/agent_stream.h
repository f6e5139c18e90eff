// SPDX-License-Identifier: Apache-2.0
// What a session needs of its connection. Implemented on gRPC by grpc_server.cc; by tests as they
// like.
//
// A session starts operations from any thread, at most one read and one write at a time and none
// after Finish; each ends in a call of the session, never from within the call that started it.
#ifndef RINGSIDE_COLLECTOR_AGENT_STREAM_H_
#define RINGSIDE_COLLECTOR_AGENT_STREAM_H_

#include "absl/status/status.h"
#include "proto/ringside.pb.h"

namespace ringside {

class AgentStream {
 public:
  virtual ~AgentStream() = default;
  virtual void StartRead() = 0;                             // ends in Session::OnRead
  virtual void StartWrite(const v1::ToAgent* message) = 0;  // kept until Session::OnWritten
  virtual void Finish(const absl::Status& status) = 0;      // ends in Session::OnDone
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_AGENT_STREAM_H_
