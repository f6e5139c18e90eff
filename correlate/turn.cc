// SPDX-License-Identifier: Apache-2.0
#include "correlate/turn.h"

#include <algorithm>

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;
// More candidates than this are a day of full-speed traffic in one recording: not decided.
constexpr int64_t kTurnsMax = 4096;

struct Offsets {
  int64_t lo_ns;
  int64_t hi_ns;
};

// Offsets (to be added to guest times) under which every reading fits one turn; nothing if none.
std::optional<Offsets> Feasible(const std::vector<PositionReading>& host,
                                const std::vector<PositionReading>& guest, int64_t turn,
                                const TurnOptions& options) {
  const int64_t bound = options.offset_bound_ns + options.drift_ns;
  Offsets offsets{-bound, bound};
  for (const PositionReading& reading : guest) {
    const int64_t pos = static_cast<int64_t>(reading.pos) + turn * kTurn;
    const auto not_below = std::partition_point(
        host.begin(), host.end(),
        [&](const PositionReading& r) { return static_cast<int64_t>(r.pos) < pos; });
    const int64_t visible = pos + static_cast<int64_t>(options.ring_size);
    const auto above = std::partition_point(not_below, host.end(), [&](const PositionReading& r) {
      return static_cast<int64_t>(r.pos) <= visible;
    });
    if (not_below != host.begin()) {
      const int64_t least = (not_below - 1)->time.lo_ns - reading.time.hi_ns;
      offsets.lo_ns = std::max(offsets.lo_ns, least - options.drift_ns);
    }
    if (above != host.end()) {
      const int64_t most = above->time.hi_ns - reading.time.lo_ns;
      offsets.hi_ns = std::min(offsets.hi_ns, most + options.drift_ns);
    }
    if (offsets.lo_ns > offsets.hi_ns) return std::nullopt;
  }
  return offsets;
}

// Counts the readings whose position the host's readings pin down: a random index falls into a
// sixteenth of a turn once in sixteen times, so each of these speaks for the two being one queue.
void CountEvidence(const std::vector<PositionReading>& host,
                   const std::vector<PositionReading>& guest, const Offsets& offsets,
                   uint32_t ring_size, Turn* result) {
  std::optional<uint64_t> last;
  for (const PositionReading& reading : guest) {
    const int64_t from = reading.time.lo_ns + offsets.lo_ns;
    const int64_t to = reading.time.hi_ns + offsets.hi_ns;
    const auto before = std::partition_point(
        host.begin(), host.end(), [&](const PositionReading& r) { return r.time.hi_ns <= from; });
    const auto after = std::partition_point(
        host.begin(), host.end(), [&](const PositionReading& r) { return r.time.lo_ns < to; });
    if (before == host.begin() || after == host.end()) continue;
    ++result->readings;
    const uint64_t slack = after->pos - (before - 1)->pos + ring_size;
    if (slack < kTurn / 16 && last && *last != reading.pos) ++result->moved;
    last = reading.pos;
  }
}

}  // namespace

Turn FindTurn(const std::vector<PositionReading>& host, const std::vector<PositionReading>& guest,
              const TurnOptions& options) {
  Turn result;
  if (host.empty() || guest.empty()) return result;
  const auto difference = [](const PositionReading& a, const PositionReading& b) {
    return static_cast<int64_t>(a.pos) - static_cast<int64_t>(b.pos);
  };
  const int64_t first = difference(host.front(), guest.back()) / kTurn - 1;
  const int64_t last = difference(host.back(), guest.front()) / kTurn + 1;
  if (last - first > kTurnsMax) return result;
  std::optional<Offsets> found;
  int possible = 0;
  for (int64_t turn = first; turn <= last; ++turn) {
    const std::optional<Offsets> offsets = Feasible(host, guest, turn, options);
    if (!offsets) continue;
    ++possible;
    found = offsets;
    result.turn = turn;
  }
  result.contradiction = possible == 0;
  if (possible == 1) {
    CountEvidence(host, guest, *found, options.ring_size, &result);
  } else {
    result.turn.reset();
  }
  return result;
}

}  // namespace ringside
