// SPDX-License-Identifier: Apache-2.0
// From the model's agents to a recording: every record passes through the real wire types (encoded
// as an agent does, decoded as a collector does) before it is believed.
#ifndef RINGSIDE_TESTS_SIM_WIRE_H_
#define RINGSIDE_TESTS_SIM_WIRE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "collector/store/incident_writer.h"
#include "correlate/recording.h"
#include "proto/chunk.h"
#include "proto/convert.h"

namespace ringside::sim {

class Wire {
 public:
  // Into memory, or into an incident file if there is a writer.
  explicit Wire(std::unique_ptr<IncidentWriter> writer) : writer_(std::move(writer)) {}
  void Put(const StreamKey& key, const NumberedRecord& record);
  // What the collector itself adds.
  void PutExchange(const StreamKey& key, const ClockExchange& exchange);
  // The recorder stops. The recording is empty if all went into a file.
  Recording Finish(const ClockReading& from, const ClockReading& to, const std::string& recorder);
  // Details of a stream, if there is no writer, in order of time.
  std::vector<ringside::Event> DetailsOf(const StreamKey& key) const;
  // The first thing that went wrong: the model itself is at fault then.
  const absl::Status& status() const { return status_; }

 private:
  struct OneStream {
    StreamDecoder decoder;
    Stream stream;
    uint64_t arrived = 0;
  };
  void KeepDetails(const StreamKey& key, const EventChunk& chunk);
  void Keep(OneStream* stream, NumberedRecord record);
  void Note(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }

  std::unique_ptr<IncidentWriter> writer_;
  std::map<StreamKey, OneStream> streams_;
  std::map<StreamKey, std::vector<ringside::Event>> details_;
  absl::Status status_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_WIRE_H_
