// SPDX-License-Identifier: Apache-2.0
// Where `ringside record` puts what its agent says: an incident file. Agent's thread only.
#ifndef RINGSIDE_CLI_STORE_SINK_H_
#define RINGSIDE_CLI_STORE_SINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/sink.h"
#include "collector/store/incident_writer.h"

namespace ringside {

class StoreSink : public Sink {
 public:
  using Clock = std::function<ClockReading()>;

  // Makes a new file at `path`; ALREADY_EXISTS if there is one. `recorder` is the shown name of
  // this machine, `clock` reads its clocks.
  static absl::StatusOr<std::unique_ptr<StoreSink>> Create(const std::string& path,
                                                           const std::string& recorder,
                                                           Clock clock);

  // Commits about every 200 ms, so that kill -9 costs no more than that. A failure to write (a full
  // disk: RESOURCE_EXHAUSTED) ends the recording: what was committed before stays readable.
  absl::Status Put(const NumberedRecord& record) override;
  absl::Status Flush(int timeout_ms) override;

  // Writes the rest and makes the file a single closed one. Nothing may be put after it.
  absl::Status Close();

 private:
  StoreSink(std::unique_ptr<IncidentWriter> writer, Clock clock);
  absl::Status Commit();

  std::unique_ptr<IncidentWriter> writer_;
  const Clock clock_;
  StreamKey key_;  // of the Hello, which comes first
  int64_t committed_mono_ns_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_CLI_STORE_SINK_H_
