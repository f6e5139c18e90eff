// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/truth.h"

#include <algorithm>
#include <bit>

namespace ringside::sim {

Counts QueueTruth::At(const std::vector<std::pair<uint64_t, uint64_t>>& pieces) const {
  Counts sum{};
  for (const LogEntry& entry : log) {
    const auto piece = std::partition_point(pieces.begin(), pieces.end(),
                                            [&](const auto& p) { return p.second <= entry.pos; });
    if (piece == pieces.end() || entry.pos < piece->first) continue;
    for (uint64_t rest = entry.mask; rest != 0; rest &= rest - 1) {
      ++sum[static_cast<size_t>(std::countr_zero(rest))];
    }
  }
  return sum;
}

}  // namespace ringside::sim
