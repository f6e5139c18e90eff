// SPDX-License-Identifier: Apache-2.0
// The turn of a queue: by how many times 65,536 the guest's positions lag the host's.
//
// Both sides extend the same 16-bit index, each from what it was when its agent came. The guest
// reads what the host wrote, so in time
//
//   host   --x---------------x----->      a guest reading G' = G + turn * 65536
//   guest  ------[a  G  b]--------->      comes after every host reading below G',
//                                         before every host reading above G' (plus one batch)
//
// up to a constant offset between the clocks of the two, which is bounded too. A turn is possible
// if some offset satisfies every reading; all readings of a recording leave one turn, or none: then
// the two are not the same queue, or a silence hid a turn.
#ifndef RINGSIDE_CORRELATE_TURN_H_
#define RINGSIDE_CORRELATE_TURN_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "correlate/axis.h"

namespace ringside {

struct PositionReading {
  AxisTime time;
  uint64_t pos = 0;
};

struct TurnOptions {
  // vhost advances last_used_idx before it publishes used->idx: a host reading may be ahead of what
  // the guest can see by one batch, at most the ring's size.
  uint32_t ring_size = 0;
  // |host time - guest time| of one instant, the same for all readings; 0 if the readings' own
  // intervals hold all error.
  int64_t offset_bound_ns = 0;
  // How much that offset may change over the recording.
  int64_t drift_ns = 0;
};

struct Turn {
  std::optional<int64_t> turn;  // known only if exactly one remains
  bool contradiction = false;   // no turn fits all readings
  uint64_t readings = 0;        // guest readings that had a host reading on both sides
  uint64_t moved = 0;           // of those, at new positions, that a random index would rarely fit
};

// Both lists by time, positions not falling. Without readings on both sides nothing is known.
Turn FindTurn(const std::vector<PositionReading>& host, const std::vector<PositionReading>& guest,
              const TurnOptions& options);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_TURN_H_
