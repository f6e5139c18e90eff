// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/wire.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "proto/ringside.pb.h"

namespace ringside::sim {

void Wire::Put(const StreamKey& key, const NumberedRecord& record) {
  v1::FromAgent message;
  Note(EncodeRecord(record, &message));
  OneStream& one = streams_[key];
  auto decoded = one.decoder.Decode(message);
  if (!decoded.ok()) {
    Note(decoded.status());
    return;
  }
  if (writer_ != nullptr) {
    Note(writer_->Append(key, *std::move(decoded)));
    return;
  }
  if (const auto* chunk = std::get_if<EventChunk>(&decoded->record)) KeepDetails(key, *chunk);
  Keep(&one, *std::move(decoded));
}

// The recording has no place for them: readers take them out of the store.
void Wire::KeepDetails(const StreamKey& key, const EventChunk& chunk) {
  absl::StatusOr<std::vector<ringside::Event>> events = DecodeChunk(chunk);
  Note(events.status());
  if (!events.ok()) return;
  std::vector<ringside::Event>& all = details_[key];
  all.insert(all.end(), events->begin(), events->end());
}

std::vector<ringside::Event> Wire::DetailsOf(const StreamKey& key) const {
  const auto found = details_.find(key);
  if (found == details_.end()) return {};
  std::vector<ringside::Event> events = found->second;
  std::stable_sort(
      events.begin(), events.end(),
      [](const ringside::Event& a, const ringside::Event& b) { return a.mono_ns < b.mono_ns; });
  return events;
}

void Wire::PutExchange(const StreamKey& key, const ClockExchange& exchange) {
  const auto one = streams_.find(key);
  if (one == streams_.end()) return;  // no Hello yet
  if (writer_ != nullptr) {
    Note(writer_->Append(key, {.number = 0, .record = exchange}));
  } else {
    one->second.stream.clocks.push_back(exchange);
  }
}

void Wire::Keep(OneStream* one, NumberedRecord record) {
  Stream& stream = one->stream;
  ++one->arrived;
  stream.last_number = record.number;
  if (auto* hello = std::get_if<Hello>(&record.record)) {
    stream.hello = std::move(*hello);
  } else if (auto* queue = std::get_if<QueueInfo>(&record.record)) {
    stream.queues.push_back(std::move(*queue));
  } else if (auto* snapshot = std::get_if<Snapshot>(&record.record)) {
    stream.snapshots.push_back(std::move(*snapshot));
  } else if (auto* marks = std::get_if<Marks>(&record.record)) {
    stream.marks.insert(stream.marks.end(), marks->marks.begin(), marks->marks.end());
  } else if (auto* line = std::get_if<LogLine>(&record.record)) {
    stream.log.push_back(std::move(*line));
  } else if (auto* fact = std::get_if<Fact>(&record.record)) {
    stream.facts.push_back(std::move(*fact));
  } else if (auto* gap = std::get_if<Gap>(&record.record)) {
    stream.gaps.push_back(std::move(*gap));
  } else if (auto* bye = std::get_if<Bye>(&record.record)) {
    stream.bye = std::move(*bye);
  }
}

Recording Wire::Finish(const ClockReading& from, const ClockReading& to,
                       const std::string& recorder) {
  Recording recording;
  if (writer_ != nullptr) {
    Note(writer_->Commit(to));
    Note(writer_->Close());
    return recording;
  }
  for (auto& [key, one] : streams_) {
    one.stream.missing_numbers = one.stream.last_number - one.arrived;
    recording.streams.push_back(std::move(one.stream));
  }
  recording.recorder = recorder;
  recording.closed = true;
  recording.real_from_ns = from.real_ns;
  recording.real_to_ns = to.real_ns;
  return recording;
}

}  // namespace ringside::sim
