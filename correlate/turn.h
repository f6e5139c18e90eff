// SPDX-License-Identifier: Apache-2.0
// The turn of a queue: by how many times 65,536 the guest's positions lag the host's.
//
// Both sides extend the same 16-bit index, each from what it was when its agent came. At one instant
// both read the same index (the guest reads what the host wrote), so with clocks that agree to a
// bound, a guest's position read at [a, b] lies between the host's positions before a and after b:
//
//   host   --x---------------x----->      H(before a) <= G + turn * 65536 <= H(after b)
//   guest  ------[a  G  b]--------->
//
// One such reading leaves few turns; all readings of a recording leave one, or none: then the two
// are not the same queue, or a silence hid a turn.
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

struct Turn {
  std::optional<int64_t> turn;   // known only if exactly one remains
  bool contradiction = false;    // no turn fits all readings
  uint64_t readings = 0;         // guest readings that had a host reading on both sides
  uint64_t moved = 0;            // of those, at different positions, told apart from a random index
  uint64_t slack_max = 0;        // widest H(after) - H(before) used
};

// Both lists by time. Readings of the guest without a host reading before and after say nothing.
// vhost advances last_used_idx before it publishes used->idx: a host reading may be ahead of what
// the guest can see by one batch, at most `ring_size` entries.
Turn FindTurn(const std::vector<PositionReading>& host, const std::vector<PositionReading>& guest,
              uint32_t ring_size);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_TURN_H_
