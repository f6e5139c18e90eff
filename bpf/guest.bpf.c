/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guest side: per virtqueue, interrupts with their outcome and the used index they saw, and NAPI
 * polls by caller. Covers every virtio interrupt that belongs to one queue (per-queue MSI-X). */
#include "common.bpf.h"
#include "compat.bpf.h"
#include "detail.bpf.h"
#include "parts.bpf.h"
#include "spurious.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, struct rs_guest_slot);
} guest_slots SEC(".maps");

/* Slots not yet given out; filled by the agent before attaching. */
struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(value, u32);
} free_slots SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u64);
  __type(value, u32);
} slot_of_vq SEC(".maps");

/* By interrupt number: the queue it served last. A direct index, because this is the lookup that
 * every interrupt of the machine pays. */
struct irq_entry {
  u64 dev_id;
  u32 slot;
  u32 pad;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, RS_MAX_IRQS);
  __type(key, u32);
  __type(value, struct irq_entry);
} irq_entries SEC(".maps");

struct napi_entry {
  u64 vq;
  u64 pair_vq;
  u32 slot;
  u32 pair_slot; /* + 1, 0 if the pair has none */
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u64);
  __type(value, struct napi_entry);
} napi_entries SEC(".maps");

static __always_inline u16 read_u16(u64 address) {
  u16 value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
  return value;
}

/* Slot of a virtqueue, given out at first sight. Negative if none is left. */
static __noinline int slot_for(struct vring_virtqueue *vq) {
  u64 key = (u64)vq;
  u32 *known = bpf_map_lookup_elem(&slot_of_vq, &key);
  if (known) return *known;
  u32 slot = 0;
  if (bpf_map_pop_elem(&free_slots, &slot)) return -1;
  struct rs_guest_slot *s = bpf_map_lookup_elem(&guest_slots, &slot);
  if (!s) return -1;
  u64 used = (u64)BPF_CORE_READ(vq, split.vring.used);
  u64 desc = (u64)BPF_CORE_READ(vq, split.vring.desc);
  bool packed = BPF_CORE_READ(vq, packed_ring);
  s->id.object = key;
  if (!packed) {
    /* &vring_used.idx is 2 bytes in; its DMA address is the ring's plus the parts before it. */
    s->id.ring = used + 2;
    s->id.ring_dma = BPF_CORE_READ(vq, split.queue_dma_addr) + (used - desc);
    s->id.size = BPF_CORE_READ(vq, split.vring.num);
    s->id.mark_shift = rs_mark_shift(s->id.size);
    u64 now = read_u16(s->id.ring);
    s->irq_pos = now;
    s->napi_pos = now;
    s->walk_pos = now;
  }
  s->in_use = 1;
  if (bpf_map_update_elem(&slot_of_vq, &key, &slot, BPF_NOEXIST)) {
    /* Another CPU was first: use its slot, give this one back. */
    s->in_use = 0;
    bpf_map_push_elem(&free_slots, &slot, BPF_ANY);
    known = bpf_map_lookup_elem(&slot_of_vq, &key);
    return known ? (int)*known : -1;
  }
  return slot;
}

/* First interrupt of a queue, or a number now used by another: NULL if it is not a virtqueue's. */
static __noinline int irq_resolve(u32 irq, u64 dev_id, u64 handler) {
  if (!config.fn_vring_interrupt || handler != config.fn_vring_interrupt) return -2;
  int slot = slot_for((struct vring_virtqueue *)dev_id);
  if (slot < 0) return -1;
  struct irq_entry entry = {.dev_id = dev_id, .slot = slot};
  bpf_map_update_elem(&irq_entries, &irq, &entry, BPF_ANY);
  u32 index = slot;
  struct rs_guest_slot *s = bpf_map_lookup_elem(&guest_slots, &index);
  if (s) {
    /* Another number: the kernel's counts of unhandled calls began anew. */
    if (s->irq != irq) s->spurious.state &= ~(u32)RS_SPURIOUS_KNOWN;
    s->irq = irq;
  }
  return slot;
}

static __always_inline struct rs_guest_slot *irq_slot(u32 hook, int irq, struct irqaction *action,
                                                      u32 *index) {
  u32 key = irq;
  u64 dev_id = (u64)action->dev_id;
  struct irq_entry *entry = bpf_map_lookup_elem(&irq_entries, &key);
  if (entry && entry->dev_id == dev_id && dev_id) {
    *index = entry->slot;
  } else {
    int slot = irq_resolve(key, dev_id, (u64)action->handler);
    if (slot < 0) {
      if (slot == -1) hook_unplaced(hook);
      return 0;
    }
    *index = slot;
  }
  return bpf_map_lookup_elem(&guest_slots, index);
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(guest_irq_entry, int irq, struct irqaction *action) {
  hook_hit(RS_HOOK_IRQ_ENTRY);
  u32 slot = 0;
  struct rs_guest_slot *s = irq_slot(RS_HOOK_IRQ_ENTRY, irq, action, &slot);
  if (!s) return 0;
  u64 pos = s->irq_pos;
  if (s->id.size) {
    u64 base = rs_max(rs_max(s->irq_pos, s->napi_pos), s->walk_pos);
    pos = rs_max(rs_extend(base, read_u16(s->id.ring)), s->irq_pos);
    if (rs_crosses_mark(s->irq_pos, pos, s->id.mark_shift)) {
      struct rs_mark *mark = mark_begin(RS_HOOK_IRQ_ENTRY, RS_DOMAIN_IRQ, slot, s->irq_pos, pos);
      if (mark) {
        mark->count[0] = s->irqs;
        mark->count[1] = s->handled;
        mark->count[2] = s->none;
        mark_end(mark);
      }
    }
    s->irq_pos = pos;
  }
  u64 detail = s->detail, opened = 1;
  if (detail & DETAIL_INTERRUPTS) {
    opened = bpf_ktime_get_ns();
    struct hit hit = {.now = opened, .pos = pos, .number = s->irqs};
    if (detail & detail_bit(RS_EVENT_GUEST_IRQ))
      detail_record(detail, RS_HOOK_IRQ_ENTRY, RS_EVENT_GUEST_IRQ, slot, &hit);
  }
  s->irqs++;
  s->irq_open = opened;
  return 0;
}

/* A handler's outcome, and how long it took; 0 if its entry was before details were asked for. */
static __always_inline void record_outcome(struct rs_guest_slot *s, u32 slot, u64 entered,
                                           int ret) {
  u64 detail = s->detail;
  u32 kind = ret ? RS_EVENT_GUEST_HANDLED : RS_EVENT_GUEST_NONE;
  if (!(detail & detail_bit(kind))) return;
  u64 now = bpf_ktime_get_ns();
  struct hit hit = {.now = now, .pos = s->irq_pos};
  hit.number = ret ? s->handled : s->none;
  hit.value = entered > 1 ? now - entered : 0;
  detail_record(detail, RS_HOOK_IRQ_EXIT, kind, slot, &hit);
}

/* The agent wrote the seed's serial last; the atomic orders our reads of the rest after it. The
 * compiler may not see the zero: it would make an OR of it, which kernels before 5.12 lack. */
static __noinline int adopt_seed(struct rs_guest_slot *s) {
  if (!s) return 0;
  u64 zero = 0;
  asm volatile("" : "+r"(zero));
  __sync_fetch_and_add(&s->ends.windows, zero);
  rs_spurious_adopt(&s->spurious, &s->seed, s->handled + s->none);
  return 0;
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(guest_irq_exit, int irq, struct irqaction *action, int ret) {
  hook_hit(RS_HOOK_IRQ_EXIT);
  u32 slot = 0;
  struct rs_guest_slot *s = irq_slot(RS_HOOK_IRQ_EXIT, irq, action, &slot);
  u64 entered = s ? s->irq_open : 0;
  if (!entered) return 0; /* entered before the hooks were there */
  s->irq_open = 0;
  if (rs_spurious_asked(&s->spurious, &s->seed)) adopt_seed(s);
  if (s->detail & DETAIL_OUTCOMES) record_outcome(s, slot, entered, ret);
  if (ret)
    s->handled++;
  else
    s->none++;
  rs_spurious_call(&s->spurious, &s->ends, !ret, ret ? 0 : bpf_jiffies64(), config.spurious_gap);
  return 0;
}

#include "guest_softirq.bpf.h"
/* looks at the softirq */
#include "guest_napi.bpf.h"
#include "guest_walk.bpf.h"
