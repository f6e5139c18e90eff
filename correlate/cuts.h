// SPDX-License-Identifier: Apache-2.0
// Common cuts: positions of a queue at which the counts of both sides are known exactly.
//
// Two sources. A mark says what one writer domain had counted before the index passed it; where all
// domains of both sides have it, it is a common mark. A quiet snapshot (nothing moved while it was
// read) knows all counts at the position it read; where both sides have one at the same position,
// that is a common cut too. A cut at `pos` means: everything with an index below `pos`.
#ifndef RINGSIDE_CORRELATE_CUTS_H_
#define RINGSIDE_CORRELATE_CUTS_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "correlate/counts.h"
#include "correlate/pairing.h"

namespace ringside {

struct CommonCut {
  uint64_t pos = 0;  // on the host's axis of positions
  bool mark = false;
  // A quiet cut at which both sides stood for a whole interval, counts unchanged: nothing pending.
  bool settled = false;
  uint32_t epoch = 0;   // of the route's message
  int64_t time_ns = 0;  // axis, about: when the host was there
  // Cumulative counts of both sides below `pos`, by count and hook. Hooks of host and guest do not
  // meet: no count is on both sides.
  std::map<std::pair<Count, HookId>, uint64_t> counts;
};

// All common cuts of a bound pair with a known turn, by position; only those whose time may lie
// within [from_ns, to_ns] on the axis. Empty if either side has no positions.
std::vector<CommonCut> FindCuts(const QueuePair& pair, int64_t from_ns, int64_t to_ns);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CUTS_H_
