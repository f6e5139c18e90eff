// SPDX-License-Identifier: Apache-2.0
// Which records of an incident belong to a window of time. Used by reading and saving a part of an
// incident; one thread.
//
// A snapshot says what changed since the one before, so a part begins with the last full one before
// the window, and ends with the first one after it. Its records are the stream's own, with their
// numbers and without holes; only what a stream is about (Hello, queues, settings) comes from
// before.
#ifndef RINGSIDE_COLLECTOR_STORE_SLICE_H_
#define RINGSIDE_COLLECTOR_STORE_SLICE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/store/incident_set.h"
#include "collector/store/stream_union.h"

namespace ringside {

// On the incident's axis (correlate/axis.h): the recorder's REALTIME. Nothing: from the beginning,
// to the end.
struct SliceWindow {
  std::optional<int64_t> from_ns;
  std::optional<int64_t> to_ns;
  bool chunks = true;  // chunks that reach into the window but came later belong to it
  bool whole() const { return !from_ns && !to_ns; }
};

struct StreamSlice {
  std::vector<StreamPart> parts;
  uint64_t first = 0;                // number of the first record; 0: from the stream's beginning
  uint64_t last = UINT64_MAX;        // of the last one
  int64_t from_mono_ns = INT64_MIN;  // the stream's own time of the same
  int64_t to_mono_ns = INT64_MAX;
  ClockReading end;  // of the last snapshot in it; where the stream goes on after `last`
  bool cut() const { return last != UINT64_MAX; }
  // Numbers up to this one are elsewhere.
  uint64_t base_number() const;
};

struct Slice {
  std::vector<StreamSlice> streams;  // those that have anything in the window
  // The whole incident, whatever the window: first and last snapshot. 0 if there is none.
  int64_t zero_ns = 0;
  int64_t end_ns = 0;
};

absl::StatusOr<Slice> SliceStreams(const Sources& sources, const SliceWindow& window);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_SLICE_H_
