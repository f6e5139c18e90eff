// SPDX-License-Identifier: Apache-2.0
#include "correlate/fold.h"

#include <map>
#include <tuple>
#include <utility>

namespace ringside {
namespace {

auto KeyOf(const Sample& row) { return std::tuple(row.queue, row.count, row.hook); }
auto KeyOf(const GaugeSample& row) { return std::tuple(row.queue, row.gauge); }
auto KeyOf(const HookSample& row) { return row.hook; }
auto KeyOf(const Part& row) { return std::tuple(row.queue, row.count, row.label); }

// Rows of both; where both have one, the newer one's.
template <typename Row>
std::vector<Row> Overlay(const std::vector<Row>& older, const std::vector<Row>& newer) {
  std::map<decltype(KeyOf(std::declval<Row>())), Row> rows;
  for (const Row& row : older) rows[KeyOf(row)] = row;
  for (const Row& row : newer) rows[KeyOf(row)] = row;
  std::vector<Row> merged;
  merged.reserve(rows.size());
  for (const auto& [key, row] : rows) merged.push_back(row);
  return merged;
}

}  // namespace

Snapshot FoldSnapshot(const Snapshot& older, const Snapshot& newer) {
  Snapshot folded = newer;
  folded.folded = newer.folded + 1 + older.folded;
  if (newer.full) return folded;
  folded.full = older.full;
  folded.samples = Overlay(older.samples, newer.samples);
  folded.gauges = Overlay(older.gauges, newer.gauges);
  folded.hooks = Overlay(older.hooks, newer.hooks);
  folded.parts = Overlay(older.parts, newer.parts);
  return folded;
}

}  // namespace ringside
