// SPDX-License-Identifier: Apache-2.0
// A gRPC stream that carries bytes and nothing else: what the transport alone takes.
#ifndef RINGSIDE_TESTS_BENCH_BARE_STREAM_H_
#define RINGSIDE_TESTS_BENCH_BARE_STREAM_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace ringside {

// Sends `count` messages, going round in `messages`, over one stream to a server of its own at
// `address`, which throws them away; until the server has had all of them.
absl::Status SendBare(const std::vector<std::string>& messages, size_t count,
                      const std::string& address);

}  // namespace ringside

#endif  // RINGSIDE_TESTS_BENCH_BARE_STREAM_H_
