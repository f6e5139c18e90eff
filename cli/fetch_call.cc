// SPDX-License-Identifier: Apache-2.0
#include "cli/fetch_call.h"

#include <grpcpp/grpcpp.h>

#include <string>

#include "proto/convert.h"
#include "proto/ringside.grpc.pb.h"

namespace ringside {

absl::Status FetchPieces(const Address& address, int64_t from_real_ns, int64_t to_real_ns,
                         const std::function<absl::Status(std::string_view, uint64_t)>& take) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMessageBytesMax));
  const auto stub = v1::Collector::NewStub(
      grpc::CreateCustomChannel(address.target, grpc::InsecureChannelCredentials(), arguments));
  v1::FetchRequest request;
  request.set_from_real_ns(from_real_ns);
  request.set_to_real_ns(to_real_ns);
  grpc::ClientContext context;
  const auto reader = stub->Fetch(&context, request);
  v1::FetchPiece piece;
  absl::Status status;
  while (status.ok() && reader->Read(&piece)) status = take(piece.data(), piece.total());
  if (!status.ok()) context.TryCancel();
  const grpc::Status ended = reader->Finish();
  if (!status.ok() || ended.ok()) return status;
  return absl::Status(static_cast<absl::StatusCode>(ended.error_code()), ended.error_message());
}

}  // namespace ringside
