// SPDX-License-Identifier: Apache-2.0
#include "correlate/causes/stall.h"

#include <algorithm>

#include "correlate/queue_ledger.h"

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;
// virtio-net stops a transmit queue below 2 + MAX_SKB_FRAGS free descriptors.
constexpr uint64_t kTxStopsBelow = 19;
// Common marks after which one of them certainly had no interrupt under way: each does in most
// cases (kernel facts 15: 62 of 62, 78 of 78).
constexpr uint64_t kMarksEnough = 8;

constexpr Count kPolls[] = {Count::kGuestNapiSoftirq, Count::kGuestNapiBusy,
                            Count::kGuestNapiThread, Count::kGuestNapiNetpoll};

bool Polled(const Side& guest, const SnapshotRange& step) {
  return std::any_of(std::begin(kPolls), std::end(kPolls), [&](Count count) {
    const auto polls = guest.Growth(count, step);
    return polls && polls->lo > 0;
  });
}

// Entries wait at the snapshot; in a transmit queue they may, as long as it has room.
bool Waits(const QueueEvidence& evidence, size_t at) {
  const auto used = evidence.guest.At(Gauge::kUsed, at);
  const auto last = evidence.guest.At(Gauge::kLastUsed, at);
  if (!used || !last || static_cast<uint16_t>(*used) == static_cast<uint16_t>(*last)) return false;
  if (!evidence.tx()) return true;
  const auto free = evidence.guest.At(Gauge::kNumFree, at);
  return free && *free < kTxStopsBelow;
}

bool Stands(const QueueEvidence& evidence, size_t from) {
  const Side& guest = evidence.guest;
  return Waits(evidence, from) && Waits(evidence, from + 1) &&
         guest.At(Gauge::kLastUsed, from) == guest.At(Gauge::kLastUsed, from + 1) &&
         !Polled(guest, {from, from + 1});
}

// Delivered and never handled, counted up to the position the queue stands at.
std::optional<Interval> LostUpTo(const QueueEvidence& evidence, const Stall& stall) {
  if (!evidence.host || !evidence.pair->turn.turn) return std::nullopt;
  const QueueLedger ledger = MakeQueueLedger(*evidence.pair, evidence.window.from_ns, stall.to_ns);
  const auto pos = evidence.guest.At(Gauge::kPosition, stall.guest.last);
  const Cut& cut = ledger.cut;
  if (!cut.by_position || !pos) return std::nullopt;
  const int64_t stands_at = static_cast<int64_t>(*pos) + *evidence.pair->turn.turn * kTurn;
  if (static_cast<int64_t>(cut.to_pos) != stands_at + 1) return std::nullopt;
  const CountCell* injected = ledger.Find(Count::kKvmInjected);
  const CountCell* merged = ledger.Find(Count::kKvmMerged);
  const CountCell* irq = ledger.Find(Count::kGuestIrq);
  if (injected == nullptr || merged == nullptr || irq == nullptr) return std::nullopt;
  if (!injected->hi || !merged->hi || !irq->hi) return std::nullopt;
  const auto number = [](uint64_t value) { return static_cast<int64_t>(value); };
  Interval lost;
  // Nothing is pending any more after so long.
  lost.lo = number(injected->lo) - number(*merged->hi) - (number(*irq->hi) - cut.pending_last);
  lost.hi = number(*injected->hi) - number(merged->lo) - (number(irq->lo) + cut.pending_first);
  // What was under way at the first cut is in the difference, too. It is never negative, and none
  // was under way at the common mark where the difference was least.
  const bool grounded = cut.from_quiet || cut.common_marks >= kMarksEnough;
  const int64_t least = std::min<int64_t>(0, cut.difference_min);
  lost.lo -= least;
  *lost.hi += grounded ? -least : cut.in_flight;
  lost.lo = std::max<int64_t>(0, lost.lo);
  lost.hi = std::max<int64_t>(lost.lo, *lost.hi);
  return lost;
}

void Describe(const QueueEvidence& evidence, Stall* stall) {
  const Side& guest = evidence.guest;
  const size_t at = stall->guest.last;
  stall->from_ns = guest.Begin(stall->guest.first).mid_ns();
  stall->to_ns = guest.End(at).hi_ns;
  stall->to_end = at == guest.range().last;
  stall->used = static_cast<uint16_t>(*guest.At(Gauge::kUsed, at));
  stall->last_used = static_cast<uint16_t>(*guest.At(Gauge::kLastUsed, at));
  stall->waiting = static_cast<uint16_t>(stall->used - stall->last_used);
  if (const auto event = guest.At(Gauge::kUsedEvent, at)) {
    stall->used_event = static_cast<uint16_t>(*event);
    // vring_need_event's distance: beyond the index after which a signal was wanted.
    stall->owed = static_cast<uint16_t>(stall->used - *stall->used_event - 1) < 0x8000;
  }
  if (const auto shadow = guest.At(Gauge::kFlagsShadow, at)) {
    stall->armed = (*shadow & 1) == 0;
    if (!stall->used_event) stall->owed = *stall->armed;
  } else if (stall->used_event) {
    stall->armed = *stall->used_event == stall->last_used;
  }
  if (const auto seen = guest.At(Gauge::kIrqSeen, at)) {
    stall->told = static_cast<uint16_t>(*seen - stall->last_used - 1) < 0x8000;
  }
  stall->interrupts = guest.Growth(Count::kGuestIrq, stall->guest);
  stall->lost = LostUpTo(evidence, *stall);
}

}  // namespace

std::optional<Stall> FindStall(const QueueEvidence& evidence) {
  const Side& guest = evidence.guest;
  if (!guest) return std::nullopt;
  // Two whole intervals: one may have begun right after the entries came.
  const auto best =
      LongestStretch(guest.range(), 2, [&](size_t from) { return Stands(evidence, from); });
  if (!best) return std::nullopt;
  Stall stall{.guest = *best};
  Describe(evidence, &stall);
  return stall;
}

}  // namespace ringside
