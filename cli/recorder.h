// SPDX-License-Identifier: Apache-2.0
// Agent and store in one process: what `ringside record` does once its options are right. Main
// thread only; handles SIGINT, SIGTERM and SIGHUP while it runs.
#ifndef RINGSIDE_CLI_RECORDER_H_
#define RINGSIDE_CLI_RECORDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/agent.h"

namespace ringside {

struct RecorderOptions {
  AgentOptions agent;
  std::string output;
  int64_t duration_ns = 0;       // 0: until a signal
  std::vector<std::string> vms;  // only these; empty: all
  std::string collector;         // host:port, unix:/path or vsock:CID:PORT; empty: none
  std::string relay;             // vsock:PORT at which guests are passed on to it; empty: none
  bool insecure = false;         // may send in the clear to another machine
  bool quiet = false;
};

// Records until the duration is over or a signal comes, then closes the file. A failure on the way
// leaves what was committed before it; a failure to start leaves no file.
absl::Status RunRecorder(const RecorderOptions& options);

// Removes an incident file with what SQLite keeps beside it.
void RemoveIncident(const std::string& path);

}  // namespace ringside

#endif  // RINGSIDE_CLI_RECORDER_H_
