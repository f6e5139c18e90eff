// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/hooks.h"

#include <algorithm>

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

// What finds the ring full is counted and gone, and so is what follows for a while.
void HookContext::PutDetail(EventKind kind, QueueId queue, const DetailHit& hit) {
  if (!details.wish.on || hit.at_ns < details.wish.from_ns) return;
  if (!details.wish.busy && kind == EventKind::kGuestNapiBusy) return;
  if (Dice(details.wish.full)) details.full_until_ns = hit.at_ns + details.wish.full_ns;
  if (details.wish.full > 0 && hit.at_ns <= details.full_until_ns) {
    ++details.dropped;
    return;
  }
  DetailEvent event{.mono_ns = clock->Mono(hit.at_ns), .pos = hit.pos, .queue = queue};
  event.kind = static_cast<uint16_t>(kind);
  event.cpu = static_cast<uint16_t>(hit.cpu);
  event.number = hit.number;
  event.value = static_cast<uint32_t>(std::min<int64_t>(hit.value, UINT32_MAX));
  details.ring.push_back(event);
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

void GuestHooks::IrqEntry(int cpu) {
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
  entered_ns_ = context_->loop->now();
  context_->PutDetail(EventKind::kGuestIrq, id,
                      {.at_ns = entered_ns_, .pos = pos, .number = slot.irqs, .cpu = cpu});
  ++slot.irqs;
  slot.irq_open = 1;
}

void GuestHooks::IrqExit(bool handled, int cpu) {
  if (!context_->Hit(guest_hook::kIrqExit) || !slot.irq_open) return;
  slot.irq_open = 0;
  const int64_t now = context_->loop->now();
  auto& count = handled ? slot.handled : slot.none;
  context_->PutDetail(handled ? EventKind::kGuestHandled : EventKind::kGuestNone, id,
                      {now, slot.irq_pos, count, context_->Between(entered_ns_, now), cpu});
  ++count;
  follower.Note(handled, context_->Now());
}

void GuestHooks::Polled(PollBy by, uint64_t work, const std::string& who, int cpu) {
  if (!context_->Hit(guest_hook::kNapi)) return;
  const uint64_t base = rs_max(slot.napi_pos, slot.walk_pos);
  slot.napi_pos = rs_max(slot.napi_pos, rs_extend(base, static_cast<uint16_t>(vq->last_used)));
  const EventKind kind = by == PollBy::kBusy     ? EventKind::kGuestNapiBusy
                         : by == PollBy::kThread ? EventKind::kGuestNapiThread
                                                 : EventKind::kGuestNapiSoftirq;
  auto& count = by == PollBy::kBusy     ? slot.busy
                : by == PollBy::kThread ? slot.thread
                                        : slot.softirq;
  context_->PutDetail(
      kind, id, {context_->loop->now(), slot.napi_pos, count, static_cast<int64_t>(work), cpu});
  ++count;
  slot.packets += work;
  if (by != PollBy::kBusy) return;
  packets_busy += work;
  ++busy_by[who];
}

void GuestHooks::Spun(const Turns& turns, const std::string& who) {
  context_->hits[static_cast<size_t>(guest_hook::kNapi)] += turns.polls;
  for (uint64_t i = 0; i < turns.polls && context_->details.wish.on; ++i) {
    const int64_t at_ns = turns.first_ns + static_cast<int64_t>(i) * turns.period_ns;
    context_->PutDetail(EventKind::kGuestNapiBusy, id,
                        {at_ns, slot.napi_pos, slot.busy + i, 0, turns.cpu});
  }
  slot.busy += turns.polls;
  busy_by[who] += turns.polls;
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
    Transmitted(i >= enqueued);
    ++(i < enqueued ? tun.enqueued : tun.dropped);
    if (i >= enqueued) ++dropped_by["reason=FULL_RING"];
  }
}

// One packet in forty is larger than an entry is sure to hold.
void HostHooks::Transmitted(bool dropped) {
  const size_t cpu = transmits_ / 16 % 2;
  const int64_t bytes = transmits_ % 40 == 39 ? 2900 : 60 + static_cast<int64_t>(transmits_ % 1400);
  ++transmits_;
  uint64_t& number = dropped ? dropped_on_[cpu] : enqueued_on_[cpu];
  context_->PutDetail(dropped ? EventKind::kTunDropped : EventKind::kTunEnqueued, id,
                      {context_->loop->now(), 0, number, bytes, static_cast<int>(cpu)});
  ++number;
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
  context_->PutDetail(EventKind::kVhostBatches, id,
                      {.at_ns = context_->loop->now(), .pos = v.pos_entry, .number = v.batches});
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

void HostHooks::RecordBatch(EventKind kind, uint64_t pos, uint64_t number) {
  const int64_t entries = static_cast<int64_t>(pos - v.pos_entry);
  context_->PutDetail(kind, id, {context_->loop->now(), pos, number, entries});
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
    RecordBatch(EventKind::kVhostUnwired, pos, v.unwired);
    ++v.unwired;
  } else if (!(flags & RS_CUR_SIGNALLED)) {
    RecordBatch(EventKind::kVhostSuppressed, pos, v.suppressed);
    ++v.suppressed;
  } else {
    RecordBatch(EventKind::kVhostSignalled, pos, v.signalled);
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
  context_->PutDetail(EventKind::kEventfdWritten, id,
                      {context_->loop->now(), RouteIndex(), r.written, vmm ? 4100 : 4242});
  ++r.written;
  if (vmm) ++written_vmm;
  ++written_by[who];
}

// What the queue has published by now, or is about to: the backend's own index.
uint64_t HostHooks::RouteIndex() const {
  return rs_max(r.pos, rs_extend(v.pos, static_cast<uint16_t>(vq->host_used)));
}

void HostHooks::Woken() {
  woken_fentry_ = !context_->woken_fentry_silent && !context_->kprobes &&
                  context_->Hit(host_hook::kWokenFentry);
  woken_kprobe_ = context_->Hit(host_hook::kWokenKprobe);
  // Of both hooks one records (agent/host_details.cc).
  const bool by_kprobe = context_->kprobes || context_->woken_fentry_silent;
  if (by_kprobe ? woken_kprobe_ : woken_fentry_) {
    const uint64_t number = by_kprobe ? r.woken_kprobe : r.woken_fentry;
    context_->PutDetail(EventKind::kIrqfdWoken, id,
                        {.at_ns = context_->loop->now(), .pos = RouteIndex(), .number = number});
  }
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
  const uint64_t pos = RouteIndex();
  if (rs_crosses_mark(r.pos, pos, v.id.mark_shift)) RouteMark(pos);
  r.pos = pos;
  entered_ns_ = context_->loop->now();
  woken_fentry_ = woken_kprobe_ = false;
}

void HostHooks::RecordInjection(EventKind kind, uint64_t number, int64_t entered_ns) {
  const int64_t now = context_->loop->now();
  context_->PutDetail(kind, id, {now, r.pos, number, context_->Between(entered_ns, now)});
}

void HostHooks::InatomicExit(int ret) {
  if (!context_->Hit(host_hook::kInatomicExit) || !entered_) return;
  entered_ = false;
  constexpr int kWouldBlock = -11;
  if (ret > 0) {
    RecordInjection(EventKind::kKvmInjected, r.injected + r.slow_injected, entered_ns_);
    ++r.injected;
  } else if (ret == kWouldBlock) {
    RecordInjection(EventKind::kKvmSlowpath, r.slowpath, entered_ns_);
    ++r.slowpath;
  } else {
    RecordInjection(EventKind::kKvmRejected, r.rejected + r.slow_rejected, entered_ns_);
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
  if (!pending) return;
  RecordInjection(EventKind::kKvmMerged, r.merged_seen + r.slow_merged,
                  slow ? slow_entered_ns_ : entered_ns_);
  ++(slow ? r.slow_merged : r.merged_seen);
}

void HostHooks::SlowEntry() { slow_entered_ns_ = context_->loop->now(); }

void HostHooks::SlowExit(bool accepted) {
  if (!context_->Hit(host_hook::kSlowExit)) return;
  if (accepted) {
    RecordInjection(EventKind::kKvmInjected, r.injected + r.slow_injected, slow_entered_ns_);
  } else {
    RecordInjection(EventKind::kKvmRejected, r.rejected + r.slow_rejected, slow_entered_ns_);
  }
  ++(accepted ? r.slow_injected : r.slow_rejected);
}

void HostHooks::Taken() {
  if (context_->Hit(host_hook::kTaken)) ++r.taken;
}

uint64_t HostHooks::Walk() {
  v.walk_pos = rs_max(v.walk_pos, rs_extend(v.pos, static_cast<uint16_t>(vq->host_used)));
  return v.walk_pos;
}

// -- vCPU threads --

void VcpuHooks::Woken() {
  context_->PutDetail(EventKind::kVcpuWoken, id,
                      {.at_ns = context_->loop->now(), .number = slot.woken});
  ++slot.woken;
}

void VcpuHooks::SwitchedIn() {
  const int64_t off_ns = slot.off_ns == 0 ? 0 : context_->Now() - static_cast<int64_t>(slot.off_ns);
  context_->PutDetail(EventKind::kVcpuRuns, id,
                      {.at_ns = context_->loop->now(), .number = slot.runs, .value = off_ns});
  ++slot.runs;
}

}  // namespace ringside::sim
