// SPDX-License-Identifier: Apache-2.0
#include "correlate/event_kinds.h"

#include <array>

namespace ringside {
namespace {

struct Entry {
  int number;
  Count count;
  EventValue value;
};

constexpr std::array<Entry, kEventKindMax> kKinds = {{
#define X(id, number, value) {number, Count::id, EventValue::value},
    RINGSIDE_EVENT_KINDS(X)
#undef X
}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].number != static_cast<int>(i) + 1) return false;
  }
  return true;
}
static_assert(InOrder(), "a kind's place in the table is its number less 1");

const Entry& Find(EventKind kind) { return kKinds.at(static_cast<size_t>(kind) - 1); }

}  // namespace

Count EventCount(EventKind kind) { return Find(kind).count; }
EventValue EventValueOf(EventKind kind) { return Find(kind).value; }

std::string_view EventKindName(uint16_t kind) {
  if (kind == 0 || kind > kEventKindMax) return "?";
  return CountName(EventCount(static_cast<EventKind>(kind)));
}

}  // namespace ringside
