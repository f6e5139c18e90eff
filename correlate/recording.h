// SPDX-License-Identifier: Apache-2.0
// An incident in memory: everything the agents said, as the store gives it and the ledger reads it.
// Plain values; nothing here is derived.
#ifndef RINGSIDE_CORRELATE_RECORDING_H_
#define RINGSIDE_CORRELATE_RECORDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "correlate/records.h"

namespace ringside {

// One stream's records, each kind in the order of its numbers.
struct Stream {
  Hello hello;
  std::vector<QueueInfo> queues;  // all versions, oldest first
  std::vector<Snapshot> snapshots;
  std::vector<Mark> marks;
  std::vector<LogLine> log;
  std::vector<Fact> facts;
  std::vector<ClockExchange> clocks;
  std::vector<Gap> gaps;
  std::optional<Bye> bye;        // absent: the agent was cut off
  uint64_t last_number = 0;      // newest record present
  uint64_t missing_numbers = 0;  // holes below it
  uint64_t unknown_names = 0;    // rows with a count or gauge that this version does not know
};

// A Hello that is said again (hooks came, or have proven themselves) is news about the hooks; the
// stream began when the first one was said.
inline void TakeHello(Hello hello, Stream* stream) {
  const ClockReading began = stream->hello.clock;
  stream->hello = std::move(hello);
  if (began.mono_ns != 0) stream->hello.clock = began;
}

// Something that the recorder itself lost or noticed, and that concerns every stream: a full disk,
// its clock set back. Its own REALTIME.
struct RecorderGap {
  int64_t from_real_ns = 0;
  int64_t to_real_ns = 0;
  std::string what;
  friend bool operator==(const RecorderGap&, const RecorderGap&) = default;
};

struct Recording {
  std::vector<Stream> streams;
  std::vector<RecorderGap> gaps;
  std::string recorder;      // name of the collector or embedded recorder
  bool closed = false;       // the recorder ended the file itself; else it was cut off
  bool merged = false;       // joined from files recorded without a link
  int64_t real_from_ns = 0;  // first and last commit, recorder's REALTIME
  int64_t real_to_ns = 0;
  // A window of a longer recording (`ringside save`), the same clock; 0: not cut at that end. A
  // little of what was before comes along, because counts are differences.
  int64_t saved_from_ns = 0;
  int64_t saved_to_ns = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_RECORDING_H_
