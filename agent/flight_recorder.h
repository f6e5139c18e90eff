// SPDX-License-Identifier: Apache-2.0
// Details that nobody has asked to see yet: packed chunks of the last half minute, in memory, sent
// only if something happens (a *trigger*): what led up to it, and what follows.
//
//            |<-- before -->|trigger|<-- after -->|
//   kept ... |  sent at once        | sent as they come | kept again ...
//
// What is older than the bounds is dropped, which is no loss: nobody had asked. But when a trigger
// then wants it, the answer says from when on there is something. A trigger during a window extends
// it, up to a bound; after a window the recorder rests, so that a fault which triggers all the time
// does not make a recording of everything. A command is never told to wait.
//
// Pure: times come in. Agent thread only.
#ifndef RINGSIDE_AGENT_FLIGHT_RECORDER_H_
#define RINGSIDE_AGENT_FLIGHT_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "correlate/records.h"
#include "proto/trigger.h"

namespace ringside {

// At 3 bytes per event ten million of them: 300,000 a second for half a minute.
inline constexpr size_t kRecorderBytesMax = size_t{32} << 20;
inline constexpr int64_t kRecorderKeep_ns = kTriggerSpanMax_ns;
inline constexpr int64_t kRecorderWindowMax_ns = 60'000'000'000;
inline constexpr int64_t kRecorderRest_ns = 10'000'000'000;

class FlightRecorder {
 public:
  explicit FlightRecorder(size_t bytes_max = kRecorderBytesMax) : bytes_max_(bytes_max) {}

  // Takes a chunk: what is to be sent now is returned, what is not is kept. `now_ns` is MONOTONIC.
  std::vector<EventChunk> Take(EventChunk chunk, int64_t now_ns);

  struct Opened {
    std::string fact;                // to be stored: kTriggerFact's value; empty: not taken
    std::vector<EventChunk> chunks;  // to be sent now
  };
  Opened Open(Trigger trigger, int64_t now_ns);

  // Everything that is kept is let go, as nobody wants a recorder any more.
  void Clear();

  size_t bytes() const { return bytes_; }
  // Events that were dropped because nothing had triggered for half a minute; and before that, as
  // there was no room.
  uint64_t expired() const { return expired_; }
  uint64_t not_kept() const { return not_kept_; }
  uint64_t refused() const { return refused_; }  // triggers while it rested

 private:
  void Drop(int64_t now_ns);
  bool Resting(const Trigger& trigger, int64_t now_ns) const;

  const size_t bytes_max_;
  std::deque<EventChunk> kept_;
  size_t bytes_ = 0;
  // The window, while events of it may still come; then the last one.
  bool any_ = false;
  int64_t from_ns_ = 0;
  int64_t to_ns_ = 0;
  // Nothing is there of what was before this: dropped for want of room, or never recorded.
  std::optional<int64_t> since_ns_;
  uint64_t expired_ = 0;
  uint64_t not_kept_ = 0;
  uint64_t refused_ = 0;
  uint64_t refused_said_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_FLIGHT_RECORDER_H_
