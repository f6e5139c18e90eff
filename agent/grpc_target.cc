// SPDX-License-Identifier: Apache-2.0
#include "agent/grpc_target.h"

#include <fmt/format.h>

#include <utility>

#include "proto/address.h"

namespace ringside {

absl::StatusOr<std::unique_ptr<CollectorClient>> NewClientFor(const GrpcSinkOptions& options) {
  if (!options.address.starts_with(kVsockPrefix)) {
    const absl::StatusOr<Address> address = ParseAddress(options.address);
    if (!address.ok()) return address.status();
    if (!address->local && !options.insecure) {
      return absl::InvalidArgumentError(fmt::format(
          "{} is another machine and records would travel in the clear: add --insecure to accept "
          "it",
          options.address));
    }
    return NewCollectorClient(*address, options.backoff_ms_min, options.backoff_ms_max);
  }
  const absl::StatusOr<RelayConnect> connect = ConnectVsock(options.address);
  if (!connect.ok()) return connect.status();
  if (!options.insecure) {
    return absl::InvalidArgumentError(
        options.address +
        ": the host passes records on, in the clear: add --insecure to accept it");
  }
  auto client = NewRelayedClient(options.connect ? options.connect : *connect);
  if (client == nullptr) return absl::ResourceExhaustedError("no descriptor left for a relay");
  return client;
}

void TellOf(const Orphan* orphan, v1::FromAgent& message) {
  if (orphan == nullptr || !message.has_gap()) return;
  v1::LostAgent* lost = message.mutable_gap()->mutable_lost();
  lost->set_instance(orphan->instance());
  lost->set_last_number(orphan->state().number);
  lost->set_last_event(orphan->state().event);
}

}  // namespace ringside
