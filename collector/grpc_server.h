// SPDX-License-Identifier: Apache-2.0
// gRPC's side of the collector: listens, and turns each call into an AgentStream with a Session, or
// a WatchStream with a WatchSession.
//
// The only files of the collector that include gRPC, and they decide nothing. (They are also built
// without ThreadSanitizer, which cannot see how gRPC's own library synchronises what its headers
// do.) Made and used by CollectorServer in one thread; sessions are called from gRPC's.
#ifndef RINGSIDE_COLLECTOR_GRPC_SERVER_H_
#define RINGSIDE_COLLECTOR_GRPC_SERVER_H_

#include <functional>
#include <memory>

#include "collector/agent_stream.h"
#include "collector/control.h"
#include "collector/fetches.h"
#include "collector/session.h"
#include "collector/watchers.h"
#include "proto/address.h"

namespace ringside {

class GrpcServer {
 public:
  // Makes the session of a new call; called from gRPC's threads. The stream lives until the
  // session's OnDone has returned.
  using Accept = std::function<std::shared_ptr<Session>(AgentStream* stream)>;

  // Likewise for somebody who watches.
  using AcceptWatch = std::function<std::shared_ptr<WatchSession>(WatchStream* stream)>;

  // Likewise for somebody who fetches a part of the store.
  using AcceptFetch =
      std::function<std::shared_ptr<FetchSession>(FetchStream* stream, const FetchWindow& window)>;

  // `control` answers commands. Null if the address is taken or is not this machine's.
  static std::unique_ptr<GrpcServer> Listen(const Address& address, Accept accept,
                                            AcceptWatch accept_watch, AcceptFetch accept_fetch,
                                            Control* control);
  virtual ~GrpcServer() = default;
  virtual int port() const = 0;
  // Ends calls that sessions have not finished within two seconds; returns when all are over.
  virtual void Shutdown() = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_GRPC_SERVER_H_
