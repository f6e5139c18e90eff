// SPDX-License-Identifier: Apache-2.0
// The collector: listens for agents and keeps what they say in an incident file.
//
// Made by main and by tests, in one thread. Threads of its own: gRPC's, the writer (ingest.h), the
// evaluator (evaluator.h), and a pacer that looks after clock probes, silent agents and watchers.
#ifndef RINGSIDE_COLLECTOR_SERVER_H_
#define RINGSIDE_COLLECTOR_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "correlate/records.h"

namespace ringside {

struct CollectorOptions {
  std::string listen;                   // host:port (port 0: any) or unix:/path
  std::string store;                    // directory for incident files; made if it is not there
  std::string name;                     // shown name of this collector
  bool insecure = false;                // may listen where other machines can reach it in the clear
  int64_t keep_bytes = 0;               // of the store's files together; 0: no limit
  int64_t keep_age_ns = 0;              // of what is in them; 0: no limit
  std::vector<std::string> detail;      // what every agent shall record event by event
  std::vector<std::string> recorder;    // likewise, kept there for a trigger
  std::function<ClockReading()> clock;  // any thread
  std::function<void(const std::string& line)> log;  // any thread
};

class CollectorServer {
 public:
  //   INVALID_ARGUMENT  the address is none, or needs `insecure`
  //   UNAVAILABLE       it is taken
  //   FAILED_PRECONDITION  another collector writes to the store
  //   others            the store cannot be written
  static absl::StatusOr<std::unique_ptr<CollectorServer>> Start(const CollectorOptions& options);
  ~CollectorServer();  // stops

  // Where it listens, with the port that was chosen.
  std::string address() const;
  // The incident file that this run began with.
  std::string file() const;
  // Ends all streams, writes and closes the file. Idempotent.
  absl::Status Stop();

 private:
  class Impl;
  explicit CollectorServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_SERVER_H_
