// SPDX-License-Identifier: Apache-2.0
#include "agent/spurious_track.h"

#include <algorithm>

#include "bpf/spurious.h"

namespace ringside {
namespace {

// Between two calls of a busy interrupt there may be no room for two readings of a file; the next
// snapshot tries again.
constexpr int kTries = 4;
constexpr uint32_t kSerialMask = UINT32_MAX / RS_SPURIOUS_SERIAL;

uint64_t Calls(const volatile rs_guest_slot* slot) { return slot->handled + slot->none; }

rs_spurious CopyOf(const rs_guest_slot* slot) {
  const volatile rs_spurious& s = slot->spurious;
  rs_spurious copy{};
  copy.last_none = s.last_none;
  copy.count = s.count;
  copy.lo = s.lo;  // before hi: a call in between must not make the interval too small
  copy.hi = s.hi;
  copy.state = s.state;
  return copy;
}

// The kernel prints jiffies as milliseconds in 32 bits: an age of less than 49 days is exact where
// a tick is a whole number of milliseconds, else within a tick.
uint64_t JiffiesOfMs(uint32_t ms, uint64_t now_jiffies, uint32_t hz) {
  const auto now_ms = static_cast<uint32_t>(now_jiffies * 1000 / hz);
  const uint64_t age_ms = static_cast<uint32_t>(now_ms - ms);
  const uint64_t age = age_ms * hz / 1000;
  return now_jiffies >= age ? now_jiffies - age : 0;
}

// The kernel counts in windows: how far its count is ahead of the hook's.
uint64_t Ahead(uint32_t kernel, uint32_t hook) {
  return (kernel + RS_SPURIOUS_WINDOW - hook % RS_SPURIOUS_WINDOW) % RS_SPURIOUS_WINDOW;
}

}  // namespace

void SpuriousVariant::Learn(const SpuriousNumbers& now, uint64_t total) {
  if (now.unhandled != 0) return;
  if (now.count != 0) {
    every_ = true;
  } else if (total % RS_SPURIOUS_WINDOW != 0) {
    frozen_ = true;  // unless another interrupt proves the opposite
  }
}

void SpuriousVariant::Learn(const SpuriousNumbers& before, const SpuriousNumbers& now,
                            uint64_t calls) {
  if (before.unhandled != 0 || now.unhandled != 0 || calls % RS_SPURIOUS_WINDOW == 0) return;
  if (now.count == before.count) {
    frozen_ = true;
    every_ = false;
  } else if (now.count == (before.count + calls) % RS_SPURIOUS_WINDOW) {
    every_ = true;
  }
}

std::optional<SpuriousTrack::Quiet> SpuriousTrack::ReadQuiet(const Kernel& kernel,
                                                             const rs_guest_slot* slot) {
  const volatile rs_guest_slot* s = slot;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t calls = Calls(slot);
    const uint64_t none = s->none;
    const uint64_t entries = s->irqs;
    if (s->irq_open) continue;
    const rs_spurious followed = CopyOf(slot);
    // Twice: the hook sees a call's end a moment before the kernel counts it.
    const std::optional<SpuriousNumbers> first = kernel.numbers();
    newest_ = kernel.numbers();
    if (!newest_) return std::nullopt;
    if (first == newest_ && Calls(slot) == calls && s->irqs == entries && !s->irq_open) {
      return Quiet{*newest_, calls, none, entries, followed};
    }
  }
  return std::nullopt;
}

void SpuriousTrack::Seed(const Quiet& quiet, const Now& now, bool frozen, rs_guest_slot* slot) {
  rs_spurious_seed& seed = slot->seed;
  const uint32_t looked_at = quiet.followed.state / RS_SPURIOUS_SERIAL;
  // Not asked while it is being written.
  __atomic_store_n(&seed.serial, looked_at, __ATOMIC_SEQ_CST);
  seed.calls = quiet.calls;
  seed.last_none = JiffiesOfMs(quiet.kernel.last_unhandled_ms, now.jiffies, now.hz);
  seed.count = quiet.kernel.count;
  seed.unhandled = quiet.kernel.unhandled;
  seed.frozen = frozen ? 1 : 0;
  __atomic_store_n(&seed.serial, (looked_at + 1) & kSerialMask, __ATOMIC_SEQ_CST);
}

// Whether the hook has ended the window that was counted for it; whether it has looked at the last
// seed, and adopted it.
void SpuriousTrack::Settle(const rs_guest_slot& slot) {
  const volatile rs_spurious_ends& ends = slot.ends;
  if (window_to_come_ && ends.windows > *window_to_come_) {
    --windows_missed_;
    window_to_come_.reset();
  }
  const rs_spurious s = CopyOf(&slot);
  if (!seeded_ || rs_spurious_asked(&s, &slot.seed)) return;
  seeded_ = false;
  strayed_ = (s.state & RS_SPURIOUS_LATE) != 0;
  if (!strayed_) window_to_come_.reset();
}

SpuriousTrack::Range SpuriousTrack::Reach(const rs_spurious& s, uint64_t none) const {
  if (unseen_ == 0 && !strayed_) return {std::min(s.lo, s.hi), std::max(s.lo, s.hi)};
  const uint64_t hi = last_->kernel.unhandled + (none - last_->none) + unseen_;
  return {0, static_cast<uint32_t>(std::min<uint64_t>(hi, RS_SPURIOUS_WINDOW))};
}

bool SpuriousTrack::Agrees(const Quiet& quiet) const {
  const rs_spurious& s = quiet.followed;
  const SpuriousNumbers& kernel = quiet.kernel;
  if (Ahead(kernel.count, s.count) > shift_) return false;
  if (kernel.count < s.count) return true;  // a window ended between the hook's hits
  const Range range = Reach(s, quiet.none);
  return range.lo <= kernel.unhandled && kernel.unhandled <= range.hi;
}

// The hook's account ends the same window later, unless it takes over the kernel's before.
void SpuriousTrack::CountMissedWindow(const Quiet& quiet, const rs_guest_slot& slot) {
  if (window_to_come_ || quiet.kernel.count >= quiet.followed.count) return;
  ++windows_missed_;
  const volatile rs_spurious_ends& ends = slot.ends;
  window_to_come_ = ends.windows;
  peak_missed_ = std::max(peak_missed_, Reach(quiet.followed, quiet.none).hi);
}

// What the hook followed against what the kernel says of the same moment.
void SpuriousTrack::Compare(const Quiet& quiet, const Now& now, bool frozen, rs_guest_slot* slot) {
  const rs_spurious& s = quiet.followed;
  const SpuriousNumbers& kernel = quiet.kernel;
  const bool waiting = rs_spurious_asked(&s, &slot->seed);
  if (waiting && slot->seed.calls == quiet.calls && slot->seed.count == kernel.count &&
      slot->seed.unhandled == kernel.unhandled) {
    return;  // no call since: still to be adopted
  }
  const bool known = (s.state & RS_SPURIOUS_KNOWN) != 0;
  const bool agrees = known && Agrees(quiet);
  if (agrees) CountMissedWindow(quiet, *slot);
  if (known && !waiting) {
    ++(agrees ? agreements_ : disagreements_);
    const bool same_rule = ((s.state & RS_SPURIOUS_FROZEN) != 0) == frozen;
    const bool exact =
        s.count == kernel.count && s.lo == kernel.unhandled && s.hi == kernel.unhandled;
    strayed_ = false;
    if (exact && same_rule) return;
  }
  Seed(quiet, now, frozen, slot);
  seeded_ = strayed_ = true;  // until it is adopted
}

SpuriousTrack::Numbers SpuriousTrack::Read(const Kernel& kernel, const Now& now,
                                           SpuriousVariant* variant, rs_guest_slot* slot) {
  const auto set_unseen = [&](uint64_t total) {
    const uint64_t all = total > now.irqs ? total - now.irqs : 0;
    unseen_ = last_ && all > unseen_then_ ? all - unseen_then_ : 0;
    // An unseen one may have started a frozen count, and the seen ones after it were counted.
    shift_ = unseen_ == 0 && !strayed_ ? 0 : unseen_ + Calls(slot) - last_->calls;
    if (strayed_) shift_ += Ahead(last_->kernel.count, last_->followed.count);
  };
  Settle(*slot);
  set_unseen(now.total);
  const bool moved = !last_ || last_->calls != Calls(slot) || unseen_ != 0;
  const std::optional<Quiet> quiet =
      moved && now.hz != 0 ? ReadQuiet(kernel, slot) : std::optional<Quiet>();
  if (quiet) {
    // Some more may have come unseen since the total was read.
    if (last_ && !Agrees(*quiet)) set_unseen(kernel.total());
    variant->Learn(quiet->kernel, now.total);
    if (last_) {
      variant->Learn(last_->kernel, quiet->kernel, quiet->calls - last_->calls + unseen_);
    }
    if (variant->known()) Compare(*quiet, now, variant->frozen(), slot);
    last_ = quiet;
    // The total was read before: at least this many.
    const uint64_t unseen = now.total > quiet->irqs ? now.total - quiet->irqs : 0;
    unseen_then_ = std::max(unseen_then_, unseen);
    unseen_ = shift_ = 0;
  }
  Settle(*slot);
  Numbers numbers{.kernel = newest_};
  const rs_spurious s = CopyOf(slot);
  const rs_spurious_seed& seed = slot->seed;
  if (rs_spurious_asked(&s, &seed) && seed.calls == Calls(slot)) {
    numbers.lo = numbers.hi = seed.unhandled;
  } else if ((s.state & RS_SPURIOUS_KNOWN) != 0) {
    const volatile rs_guest_slot& now_slot = *slot;
    const Range range = Reach(s, now_slot.none);
    numbers.lo = range.lo;
    numbers.hi = range.hi;
  }
  return numbers;
}

rs_spurious_ends SpuriousTrack::Ends(const rs_guest_slot& slot) const {
  const volatile rs_spurious_ends& e = slot.ends;
  rs_spurious_ends ends{};
  ends.windows = e.windows;
  const bool twice = window_to_come_ && ends.windows > *window_to_come_;
  ends.windows += windows_missed_ - (twice ? 1 : 0);
  ends.peak_lo = e.peak_lo;
  const uint32_t peak_hi = e.peak_hi;
  ends.peak_hi = std::max(peak_hi, peak_missed_);
  ends.trips_lo = e.trips_lo;
  ends.trips_hi = e.trips_hi;
  return ends;
}

}  // namespace ringside
