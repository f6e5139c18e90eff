// SPDX-License-Identifier: Apache-2.0
// gRPC's side of the sink: one call to a collector, without any decision of its own.
//
// The only files of the agent that include gRPC. (They are also built without ThreadSanitizer,
// which cannot see how gRPC's own library synchronises what its headers do.) Operations may be
// started from any thread, at most one read and one write at a time, none after the hold is given
// up.
#ifndef RINGSIDE_AGENT_GRPC_CALL_H_
#define RINGSIDE_AGENT_GRPC_CALL_H_

#include <memory>
#include <string>

#include "agent/byte_relay.h"
#include "proto/address.h"
#include "proto/ringside.pb.h"

namespace ringside {

// What a call tells; from gRPC's threads, never from within an operation that is being started.
class CallEvents {
 public:
  virtual ~CallEvents() = default;
  virtual void OnRead(const v1::ToAgent* message) = 0;  // null: nothing comes any more
  virtual void OnWritten(bool ok) = 0;
  // Nothing follows; the call may be destroyed once this has returned. `why` is empty if the
  // collector ended it in order.
  virtual void OnDone(const std::string& why) = 0;
};

class CollectorCall {
 public:
  virtual ~CollectorCall() = default;
  virtual void Start() = 0;  // with the first read, and a hold that keeps OnDone away
  virtual void StartRead() = 0;
  virtual void StartWrite(const v1::FromAgent* message) = 0;  // kept until OnWritten
  virtual void EndWrites() = 0;
  virtual void GiveUpHold() = 0;  // once, when no operation will be started any more
  virtual void Cancel() = 0;
};

class CollectorClient {
 public:
  virtual ~CollectorClient() = default;
  virtual std::unique_ptr<CollectorCall> NewCall(CallEvents* events) = 0;
};

// `backoff_ms`: how long gRPC itself waits between attempts to connect.
std::unique_ptr<CollectorClient> NewCollectorClient(const Address& address, int backoff_ms_min,
                                                    int backoff_ms_max);

// The same over connections that `connect` makes, a new one for each call. Null if the process has
// no descriptor left.
std::unique_ptr<CollectorClient> NewRelayedClient(RelayConnect connect);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_GRPC_CALL_H_
