// SPDX-License-Identifier: Apache-2.0
// What really happened to one virtqueue, kept beside the model: every count at this instant, and a
// log from which the truth of any cut can be counted.
#ifndef RINGSIDE_TESTS_SIM_TRUTH_H_
#define RINGSIDE_TESTS_SIM_TRUTH_H_

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "correlate/counts.h"
#include "tests/sim/path_times.h"

namespace ringside::sim {

using Counts = std::array<uint64_t, kCounts>;
static_assert(kCounts <= 64, "a mask of counts is one word");

inline constexpr uint64_t Bit(Count count) { return uint64_t{1} << static_cast<int>(count); }

// Something happened at a position of the queue: one more of each count in `mask`.
struct LogEntry {
  int64_t time = 0;
  uint64_t pos = 0;
  uint64_t mask = 0;
};

struct QueueTruth {
  Counts now{};
  std::vector<LogEntry> log;
  PathTimes path;

  void Add(Count count, uint64_t n = 1) { now[static_cast<size_t>(count)] += n; }
  uint64_t Get(Count count) const { return now[static_cast<size_t>(count)]; }
  void Log(int64_t time, uint64_t pos, uint64_t mask) { log.push_back({time, pos, mask}); }

  // How often each count happened at positions in [from, to) of one of the pieces, which are in
  // order and apart.
  Counts At(const std::vector<std::pair<uint64_t, uint64_t>>& pieces) const;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_TRUTH_H_
