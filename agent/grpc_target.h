// SPDX-License-Identifier: Apache-2.0
// How a sink reaches its collector (directly, or relayed over vsock), and what only the wire has.
// Free of state.
#ifndef RINGSIDE_AGENT_GRPC_TARGET_H_
#define RINGSIDE_AGENT_GRPC_TARGET_H_

#include <memory>

#include "absl/status/statusor.h"
#include "agent/grpc_call.h"
#include "agent/grpc_sink.h"
#include "agent/lease.h"
#include "proto/ringside.pb.h"

namespace ringside {

// INVALID_ARGUMENT for an address that is none or needs `insecure`, RESOURCE_EXHAUSTED without
// descriptors.
absl::StatusOr<std::unique_ptr<CollectorClient>> NewClientFor(const GrpcSinkOptions& options);

// Adds to a Gap which agent it tells of; nothing if it tells of none.
void TellOf(const Orphan* orphan, v1::FromAgent& message);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_GRPC_TARGET_H_
