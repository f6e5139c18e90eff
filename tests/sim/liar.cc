// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/liar.h"

#include <algorithm>

#include "correlate/interval.h"

namespace ringside::sim {
namespace {

constexpr uint64_t kAheadBy = 300;  // more than a ring holds
constexpr char kFirstUuid[] = "7d9ee1b4-0000-4000-8000-000000000001";

bool IsIndex(Gauge gauge) {
  return gauge == Gauge::kPosition || gauge == Gauge::kUsed || gauge == Gauge::kLastUsed ||
         gauge == Gauge::kIrqSeen || gauge == Gauge::kUsedEvent;
}

uint64_t Ahead(Gauge gauge, uint64_t value) {
  return gauge == Gauge::kPosition ? value + kAheadBy : (value + kAheadBy) & 0xffff;
}

}  // namespace

const char* LieName(Lie lie) {
  constexpr const char* kNames[] = {"none", "fewer", "more", "spoilt", "ahead",
                                    "jump", "stuck", "uuid", "rings",  "wild"};
  return kNames[static_cast<size_t>(lie)];
}

uint64_t Liar::Told(Count count, uint64_t value) const {
  const bool interrupts = count == Count::kGuestIrq || count == Count::kGuestHandled ||
                          count == Count::kGuestNone || count == Count::kGuestProcIrq;
  if (!interrupts) return value;
  switch (lie_) {
    // Of handled and none together, so that its own account stays in order.
    case Lie::kFewer: return value / 2;
    case Lie::kMore: return value + value / 2;
    case Lie::kSpoilt: return count == Count::kGuestHandled ? 0 : value;
    default: return value;
  }
}

void Liar::TellSnapshot(bool late, Snapshot* snapshot) {
  if (lie_ == Lie::kStuck && late) {
    snapshot->samples.clear();
    snapshot->gauges.clear();
    return;
  }
  for (Sample& sample : snapshot->samples) {
    sample.lo = Told(sample.count, sample.lo);
    sample.hi = std::max(sample.lo, Told(sample.count, sample.hi));
    if (lie_ == Lie::kWild) sample.lo = sample.hi = late ? 0 : kValueMax;
  }
  for (GaugeSample& gauge : snapshot->gauges) {
    const bool moved = lie_ == Lie::kAhead || (lie_ == Lie::kJump && late);
    if (moved && IsIndex(gauge.gauge)) gauge.value = Ahead(gauge.gauge, gauge.value);
    if (lie_ == Lie::kWild) gauge.value = late ? 0 : kValueMax;
  }
}

void Liar::TellMark(bool late, Mark* mark) {
  if (lie_ == Lie::kAhead || (lie_ == Lie::kJump && late)) {
    mark->prev += kAheadBy;
    mark->pos += kAheadBy;
  }
  for (MarkCount& count : mark->counts) {
    count.value = lie_ == Lie::kWild ? kValueMax : Told(count.count, count.value);
  }
  if (lie_ == Lie::kWild) mark->pos = late ? mark->pos : kValueMax;
}

void Liar::Tell(bool late, Record* record) {
  if (auto* hello = std::get_if<Hello>(record); hello != nullptr && lie_ == Lie::kUuid) {
    hello->smbios_uuid = kFirstUuid;
  } else if (auto* queue = std::get_if<QueueInfo>(record);
             queue != nullptr && lie_ == Lie::kRings) {
    queue->ring_address ^= 0x4000;
    queue->msi.data ^= 1;
  } else if (auto* snapshot = std::get_if<Snapshot>(record)) {
    TellSnapshot(late, snapshot);
  } else if (auto* marks = std::get_if<Marks>(record)) {
    if (lie_ == Lie::kStuck && late) marks->marks.clear();
    for (Mark& mark : marks->marks) TellMark(late, &mark);
  }
}

}  // namespace ringside::sim
