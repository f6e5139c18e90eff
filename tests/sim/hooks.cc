// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/hooks.h"

#include "bpf/merges.h"
#include "bpf/position.h"

namespace ringside::sim {

bool HookContext::Dice(double p) {
  if (p <= 0) return false;
  mark_dice = mark_dice * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(mark_dice >> 11) * 0x1.0p-53 < p;
}

void HookContext::PutMark(Mark mark) {
  if (Dice(mark_loss)) {
    ++marks_dropped;
    return;
  }
  mark.mono_ns = Now();
  marks.push_back(std::move(mark));
}

bool HookContext::Hit(HookId hook) {
  const size_t at = static_cast<size_t>(hook);
  // A kprobe program is skipped where it interrupts another one: in softirqs, here tun_net_xmit.
  const bool nests = hook == host_hook::kTunEntry || hook == host_hook::kTunExit;
  if (kprobes && nests && Dice(hit_loss)) {
    ++lost[at];
    return false;
  }
  ++hits[at];
  return true;
}

// -- guest --

GuestHooks::GuestHooks(HookContext* context, Vq* queue, QueueId queue_id)
    : id(queue_id), vq(queue), context_(context) {
  slot.id.size = vq->size;
  slot.id.mark_shift = rs_mark_shift(vq->size);
  slot.irq_pos = slot.napi_pos = slot.walk_pos = static_cast<uint16_t>(vq->used);
}

void GuestHooks::IrqEntry() {
  if (!context_->Hit(guest_hook::kIrqEntry)) return;
  const uint64_t base = rs_max(rs_max(slot.irq_pos, slot.napi_pos), slot.walk_pos);
  uint64_t used = vq->used;
  const uint64_t pos = rs_max(rs_extend(base, static_cast<uint16_t>(used)), slot.irq_pos);
  if (rs_crosses_mark(slot.irq_pos, pos, slot.id.mark_shift)) {
    Mark mark{.queue = id, .domain = Domain::kIrq};
    mark.prev = slot.irq_pos;
    mark.pos = pos;
    mark.counts = {{Count::kGuestIrq, guest_hook::kIrqEntry, slot.irqs},
                   {Count::kGuestHandled, guest_hook::kIrqExit, slot.handled},
                   {Count::kGuestNone, guest_hook::kIrqExit, slot.none}};
    context_->PutMark(std::move(mark));
  }
  slot.irq_pos = pos;
  ++slot.irqs;
  slot.irq_open = 1;
}

void GuestHooks::IrqExit(bool handled) {
  if (!context_->Hit(guest_hook::kIrqExit) || !slot.irq_open) return;
  slot.irq_open = 0;
  ++(handled ? slot.handled : slot.none);
  follower.Note(handled, context_->Now());
}

void GuestHooks::Polled(PollBy by, uint64_t work, const std::string& who) {
  if (!context_->Hit(guest_hook::kNapi)) return;
  if (by == PollBy::kBusy) {
    ++slot.busy;
    packets_busy += work;
    ++busy_by[who];
  } else {
    ++(by == PollBy::kThread ? slot.thread : slot.softirq);
  }
  slot.packets += work;
  const uint64_t base = rs_max(slot.napi_pos, slot.walk_pos);
  slot.napi_pos = rs_max(slot.napi_pos, rs_extend(base, static_cast<uint16_t>(vq->last_used)));
}

void GuestHooks::Spun(uint64_t polls, const std::string& who) {
  context_->hits[static_cast<size_t>(guest_hook::kNapi)] += polls;
  slot.busy += polls;
  busy_by[who] += polls;
}

uint64_t GuestHooks::Walk() {
  const uint64_t base = rs_max(rs_max(slot.irq_pos, slot.napi_pos), slot.walk_pos);
  slot.walk_pos = rs_max(slot.walk_pos, rs_extend(base, static_cast<uint16_t>(vq->used)));
  return slot.walk_pos;
}

// -- host --

HostHooks::HostHooks(HookContext* context, Vq* queue, QueueId queue_id)
    : id(queue_id), vq(queue), context_(context) {
  v.id.size = vq->size;
  v.id.mark_shift = rs_mark_shift(vq->size);
  v.pos = v.pos_entry = v.walk_pos = r.pos = static_cast<uint16_t>(vq->host_used);
  origin_ = vq->host_used - v.pos;
}

void HostHooks::TunEntry(uint64_t packets) {
  for (uint64_t i = 0; i < packets; ++i) {
    tun_entered_ = context_->Hit(host_hook::kTunEntry);
    if (tun_entered_) ++tun.offered;
  }
}

void HostHooks::TunExit(uint64_t enqueued, uint64_t dropped) {
  for (uint64_t i = 0; i < enqueued + dropped; ++i) {
    if (!context_->Hit(host_hook::kTunExit) || !tun_entered_) continue;
    ++(i < enqueued ? tun.enqueued : tun.dropped);
    if (i >= enqueued) ++dropped_by["reason=FULL_RING"];
  }
}

void HostHooks::VhostEntry(bool wired) {
  if (!context_->Hit(host_hook::kVhostEntry)) return;
  v.pos_entry = rs_extend(v.pos, static_cast<uint16_t>(vq->host_used));
  if (v.pos_entry != v.pos) {
    if (v.batches) ++v.jumps;
    v.pos = v.pos_entry;
  }
  v.cur_ctx = wired ? 1 : 0;
  v.cur_flags = RS_CUR_OPEN;
  ++v.batches;
}

void HostHooks::VhostMark(uint64_t pos) {
  const HookId exit = host_hook::kVhostExit;
  Mark mark{.queue = id, .domain = Domain::kVhost};
  mark.prev = v.pos;
  mark.pos = pos;
  mark.counts = {{Count::kVhostBatches, host_hook::kVhostEntry, v.batches - 1},
                 {Count::kVhostSignalled, exit, v.signalled},
                 {Count::kVhostSuppressed, exit, v.suppressed},
                 {Count::kVhostUnwired, exit, v.unwired},
                 {Count::kVhostMasked, exit, v.masked},
                 {Count::kVhostUnwoken, exit, v.unwoken},
                 {Count::kVhostEmpty, exit, empty}};
  context_->PutMark(std::move(mark));
}

void HostHooks::VhostExit(bool irqfd_waits) {
  if (!context_->Hit(host_hook::kVhostExit) || !(v.cur_flags & RS_CUR_OPEN)) return;
  const uint64_t pos = rs_extend(v.pos, static_cast<uint16_t>(vq->host_used));
  if (rs_crosses_mark(v.pos, pos, v.id.mark_shift)) VhostMark(pos);
  const bool moved = pos != v.pos;
  v.pos = rs_max(v.pos, pos);
  const uint32_t flags = v.cur_flags;
  v.cur_flags = 0;
  if (v.cur_ctx == 0) {
    ++v.unwired;
  } else if (!(flags & RS_CUR_SIGNALLED)) {
    ++v.suppressed;
  } else {
    ++v.signalled;
    v.signal_pos = pos;
    if (!moved) ++empty;
    if (!(flags & RS_CUR_WOKEN)) ++(irqfd_waits ? v.unwoken : v.masked);
  }
}

void HostHooks::Signalled(bool own_batch) {
  if (!context_->Hit(host_hook::kSignal)) return;
  if (own_batch && (v.cur_flags & RS_CUR_OPEN)) {
    v.cur_flags |= RS_CUR_SIGNALLED;
  } else {
    ++r.signalled_in;
  }
}

void HostHooks::Written(const std::string& who, bool vmm) {
  if (!context_->Hit(host_hook::kWritten)) return;
  ++r.written;
  if (vmm) ++written_vmm;
  ++written_by[who];
}

void HostHooks::Woken() {
  woken_fentry_ = !context_->woken_fentry_silent && !context_->kprobes &&
                  context_->Hit(host_hook::kWokenFentry);
  woken_kprobe_ = context_->Hit(host_hook::kWokenKprobe);
  if (woken_fentry_) ++r.woken_fentry;
  if (woken_kprobe_) ++r.woken_kprobe;
}

void HostHooks::RouteMark(uint64_t pos) {
  const HookId exit = host_hook::kInatomicExit;
  Mark mark{.queue = id, .domain = Domain::kRoute, .epoch = r.epoch};
  mark.prev = r.pos;
  mark.pos = pos;
  if (!context_->kprobes) {
    mark.counts.push_back(
        {Count::kIrqfdWoken, host_hook::kWokenFentry, r.woken_fentry - (woken_fentry_ ? 1 : 0)});
  }
  mark.counts.push_back(
      {Count::kIrqfdWoken, host_hook::kWokenKprobe, r.woken_kprobe - (woken_kprobe_ ? 1 : 0)});
  mark.counts.push_back({Count::kKvmInjected, exit, r.injected + r.slow_injected});
  mark.counts.push_back({Count::kKvmRejected, exit, r.rejected + r.slow_rejected});
  mark.counts.push_back({Count::kKvmSlowpath, exit, r.slowpath});
  mark.counts.push_back({Count::kKvmMerged, host_hook::kAccept, r.merged_seen + r.slow_merged});
  mark.counts.push_back({Count::kKvmBlind, host_hook::kAccept, r.merge_blind});
  context_->PutMark(std::move(mark));
}

void HostHooks::InatomicEntry(const MsiMessage& message, bool own_batch) {
  entered_ = context_->Hit(host_hook::kInatomicEntry);
  if (own_batch && (v.cur_flags & RS_CUR_OPEN)) v.cur_flags |= RS_CUR_WOKEN;
  if (!entered_) return;
  if (r.address != message.address || r.data != message.data) {
    if (r.injected || r.rejected || r.slowpath) ++r.epoch;
    r.address = message.address;
    r.data = message.data;
  }
  const uint64_t pos = rs_max(r.pos, rs_extend(v.pos, static_cast<uint16_t>(vq->host_used)));
  if (rs_crosses_mark(r.pos, pos, v.id.mark_shift)) RouteMark(pos);
  r.pos = pos;
  woken_fentry_ = woken_kprobe_ = false;
}

void HostHooks::InatomicExit(int ret) {
  if (!context_->Hit(host_hook::kInatomicExit) || !entered_) return;
  entered_ = false;
  constexpr int kWouldBlock = -11;
  if (ret > 0) {
    ++r.injected;
  } else if (ret == kWouldBlock) {
    ++r.slowpath;
  } else {
    ++r.rejected;
  }
}

void HostHooks::Accept(bool pending, bool slow) {
  if (!context_->Hit(host_hook::kAccept)) return;
  if (blind) {
    if (!slow) ++r.merge_blind;
    return;
  }
  if (!slow && posted)
    r.merge_doubt += pending;
  else if (!slow)
    rs_note_injection(&r, pending);
  if (pending) ++(slow ? r.slow_merged : r.merged_seen);
}

void HostHooks::SlowExit(bool accepted) {
  if (!context_->Hit(host_hook::kSlowExit)) return;
  ++(accepted ? r.slow_injected : r.slow_rejected);
}

void HostHooks::Taken() {
  if (context_->Hit(host_hook::kTaken)) ++r.taken;
}

uint64_t HostHooks::Walk() {
  v.walk_pos = rs_max(v.walk_pos, rs_extend(v.pos, static_cast<uint16_t>(vq->host_used)));
  return v.walk_pos;
}

}  // namespace ringside::sim
