// SPDX-License-Identifier: Apache-2.0
#include "correlate/turn.h"

#include <algorithm>
#include <limits>

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
int64_t CeilDivide(int64_t a, int64_t b) { return -FloorDivide(-a, b); }

// The host's positions that surround an instant; nothing if it has none on one side.
struct Surround {
  int64_t low = 0;
  int64_t high = 0;
};
std::optional<Surround> Around(const std::vector<PositionReading>& host, const AxisTime& time) {
  // Last reading that certainly came before, first that certainly came after.
  const auto before = std::partition_point(
      host.begin(), host.end(), [&](const PositionReading& r) { return r.time.hi_ns <= time.lo_ns; });
  const auto after = std::partition_point(
      host.begin(), host.end(), [&](const PositionReading& r) { return r.time.lo_ns < time.hi_ns; });
  if (before == host.begin() || after == host.end()) return std::nullopt;
  return Surround{static_cast<int64_t>((before - 1)->pos), static_cast<int64_t>(after->pos)};
}

}  // namespace

Turn FindTurn(const std::vector<PositionReading>& host, const std::vector<PositionReading>& guest,
              uint32_t ring_size) {
  Turn result;
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
  std::optional<uint64_t> last;
  for (const PositionReading& reading : guest) {
    const std::optional<Surround> around = Around(host, reading.time);
    if (!around || around->high < around->low) continue;
    ++result.readings;
    const int64_t published = around->low - static_cast<int64_t>(ring_size);
    const int64_t slack = around->high - published;
    result.slack_max = std::max<uint64_t>(result.slack_max, slack);
    const int64_t pos = static_cast<int64_t>(reading.pos);
    low = std::max(low, CeilDivide(published - pos, kTurn));
    high = std::min(high, FloorDivide(around->high - pos, kTurn));
    // A random index falls into a sixteenth of a turn once in sixteen times: only such readings,
    // at new positions, speak for the two being one queue.
    if (slack < kTurn / 16 && last && *last != reading.pos) ++result.moved;
    last = reading.pos;
  }
  result.contradiction = result.readings > 0 && low > high;
  if (result.readings > 0 && low == high) result.turn = low;
  return result;
}

}  // namespace ringside
