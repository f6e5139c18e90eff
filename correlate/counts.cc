// SPDX-License-Identifier: Apache-2.0
#include "correlate/counts.h"

#include <array>

namespace ringside {
namespace {

struct Entry {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Entry, kCounts> kCountTable = {{
#define X(id, name, text) {name, text},
    RINGSIDE_COUNTS(X)
#undef X
}};

constexpr std::array<Entry, kGauges> kGaugeTable = {{
#define X(id, name, text) {name, text},
    RINGSIDE_GAUGES(X)
#undef X
}};

template <typename Id, size_t kSize>
std::optional<Id> Find(const std::array<Entry, kSize>& table, std::string_view name) {
  for (size_t i = 0; i < kSize; ++i) {
    if (table[i].name == name) return static_cast<Id>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view CountName(Count count) { return kCountTable.at(static_cast<size_t>(count)).name; }
std::string_view CountText(Count count) { return kCountTable.at(static_cast<size_t>(count)).text; }
std::optional<Count> CountByName(std::string_view name) { return Find<Count>(kCountTable, name); }

std::string_view GaugeName(Gauge gauge) { return kGaugeTable.at(static_cast<size_t>(gauge)).name; }
std::optional<Gauge> GaugeByName(std::string_view name) { return Find<Gauge>(kGaugeTable, name); }

}  // namespace ringside
