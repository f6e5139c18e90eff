// SPDX-License-Identifier: Apache-2.0
// Which events are sent as they come, which are kept for a trigger, and what triggers: wishes from
// the command line and the collector, lines of the kernel's log, thresholds.
//
// While details of any queue are sent, all that is recorded is: the recorder is for when nobody
// looks. Agent thread only; times come in.
#ifndef RINGSIDE_AGENT_RECORDING_H_
#define RINGSIDE_AGENT_RECORDING_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/flight_recorder.h"
#include "agent/probe.h"
#include "proto/chunk.h"
#include "proto/detail_wish.h"

namespace ringside {

struct RecordingOptions {
  std::string node;                   // this node's name
  std::vector<std::string> detail;    // wishes from the command line, which always hold
  std::vector<std::string> recorder;  // likewise
  std::vector<std::string> trigger;   // wishes whose events are triggers: "all:guest.handled>1ms"
};

class EventRecording {
 public:
  EventRecording(RecordingOptions options, const QueueRegistry* registry);

  // What the collector asks for, beside the command line's; empty lists: nothing.
  void SetDetail(const std::vector<std::string>& wishes);
  void SetRecorder(const std::vector<std::string>& wishes);
  // What the programs shall record, all together.
  std::vector<std::string> Wishes() const;
  // What is kept for a trigger, as text in one line; "off" if nothing is.
  std::string RecorderText() const;

  // A packed chunk: what of it, or instead of it, is to be sent now.
  std::vector<EventChunk> Take(EventChunk chunk, int64_t now_ns);

  // Somebody's trigger; nothing if it means no queue here, or nothing is recorded.
  std::optional<FlightRecorder::Opened> Open(const Trigger& trigger, int64_t now_ns);
  // What is a reason here: a line of the kernel's log, one of these events.
  std::optional<Trigger> OnLogLine(const LogLine& line) const;
  std::optional<Trigger> OnEvents(const std::vector<Event>& events, size_t from);

 private:
  bool Means(const Trigger& trigger) const;
  std::string NameOf(QueueId id) const;

  const RecordingOptions options_;
  const QueueRegistry& registry_;
  std::vector<std::string> detail_;
  std::vector<std::string> recorder_;
  std::vector<DetailWish> thresholds_;
  FlightRecorder flight_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_RECORDING_H_
