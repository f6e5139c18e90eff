// SPDX-License-Identifier: Apache-2.0
// A sink that keeps a stream in memory, as the store would give it back.
#ifndef RINGSIDE_TESTS_AGENT_COLLECT_SINK_H_
#define RINGSIDE_TESTS_AGENT_COLLECT_SINK_H_

#include <variant>
#include <vector>

#include "agent/sink.h"
#include "correlate/recording.h"

namespace ringside {

class CollectSink : public Sink {
 public:
  absl::Status Put(const NumberedRecord& record) override {
    if (record.number != stream_.last_number + 1) {
      return absl::InternalError("records are not numbered without holes");
    }
    stream_.last_number = record.number;
    std::visit([this](const auto& body) { Keep(body); }, record.record);
    return absl::OkStatus();
  }
  absl::Status Flush(int) override { return absl::OkStatus(); }

  // The stream as an embedded recording of it would hold it.
  Recording AsRecording() const {
    Recording recording;
    recording.streams.push_back(stream_);
    recording.recorder = stream_.hello.name;
    recording.closed = true;
    return recording;
  }
  const Stream& stream() const { return stream_; }
  const std::vector<EventChunk>& chunks() const { return chunks_; }

 private:
  void Keep(const Hello& hello) { TakeHello(hello, &stream_); }
  void Keep(const QueueInfo& queue) { stream_.queues.push_back(queue); }
  void Keep(const Snapshot& snapshot) { stream_.snapshots.push_back(snapshot); }
  void Keep(const Marks& marks) {
    stream_.marks.insert(stream_.marks.end(), marks.marks.begin(), marks.marks.end());
  }
  void Keep(const EventChunk& chunk) { chunks_.push_back(chunk); }
  void Keep(const LogLine& line) { stream_.log.push_back(line); }
  void Keep(const Fact& fact) { stream_.facts.push_back(fact); }
  void Keep(const ClockExchange& exchange) { stream_.clocks.push_back(exchange); }
  void Keep(const Gap& gap) { stream_.gaps.push_back(gap); }
  void Keep(const Bye& bye) { stream_.bye = bye; }

  Stream stream_;
  std::vector<EventChunk> chunks_;
};

}  // namespace ringside

#endif  // RINGSIDE_TESTS_AGENT_COLLECT_SINK_H_
