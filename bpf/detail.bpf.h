/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Detail records: single hits of a count, for queues and kinds that somebody asked for. Counting
 * goes on as without them and never waits for them.
 *
 * A slot's detail word says which kinds (bit `kind`) and which of these have a filter (bit 32 +
 * `kind`). A queue without details pays the load of that word and one branch. A record that found
 * the ring full is counted in its hook's `dropped`: records and drops together are the count. */
#ifndef RINGSIDE_BPF_DETAIL_H_
#define RINGSIDE_BPF_DETAIL_H_

#include "compat.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, RS_EVENT_BYTES);
} events SEC(".maps");

/* Row `slot`. Slots of different sorts share a row: no kind belongs to two of them. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, struct rs_detail_row);
} details SEC(".maps");

enum { DETAIL_SKIP = -1 };

static __always_inline u64 detail_bit(u32 kind) { return 1ull << kind; }

/* Every kind an interrupt handler's times are needed for, and so on: for one test of the word. */
#define DETAIL_OUTCOMES (1ull << RS_EVENT_GUEST_HANDLED | 1ull << RS_EVENT_GUEST_NONE)
#define DETAIL_INTERRUPTS (DETAIL_OUTCOMES | 1ull << RS_EVENT_GUEST_IRQ)
#define DETAIL_KVM                                                                               \
  (1ull << RS_EVENT_KVM_INJECTED | 1ull << RS_EVENT_KVM_MERGED | 1ull << RS_EVENT_KVM_REJECTED | \
   1ull << RS_EVENT_KVM_SLOWPATH)

/* The rate to state, or DETAIL_SKIP. Out of line: only filtered kinds pay it. */
static __noinline int detail_filter(u32 slot, u32 kind, u32 number, u32 value) {
  struct rs_detail_row *row = bpf_map_lookup_elem(&details, &slot);
  if (!row || kind >= RS_EVENT_KINDS) return DETAIL_SKIP;
  u32 every = row->of[kind].every;
  u32 least = row->of[kind].least;
  if (every > 1 && number % every) return DETAIL_SKIP;
  if (!least) return every ? every : 1;
  return value >= least ? 0 : DETAIL_SKIP;
}

/* What is to be recorded of a hit. `number` is the count before it, `now` a time read already or 0.
 * The caller has seen the kind's bit in the word. */
struct hit {
  u64 now;
  u64 pos;
  u64 number;
  u64 value;
};

static __always_inline void detail_record(u64 word, u32 hook, u32 kind, u32 slot,
                                          const struct hit *hit) {
  u32 value = hit->value > 0xffffffff ? 0xffffffff : hit->value;
  int rate = 1;
  if ((word >> RS_DETAIL_FILTERED) & detail_bit(kind)) {
    rate = detail_filter(slot, kind, hit->number, value);
    if (rate == DETAIL_SKIP) return;
  }
  struct rs_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    struct rs_hook_cell *cell = hook_cell(hook);
    if (cell) cell->dropped++;
    return;
  }
  event->mono_ns = hit->now ? hit->now : bpf_ktime_get_ns();
  event->pos = hit->pos;
  event->slot = slot;
  event->rate = rate;
  event->kind = kind;
  event->cpu = bpf_get_smp_processor_id();
  event->number = hit->number;
  event->value = value;
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

/* Adds one where several CPUs do; gives what was there before. Without an atomic that does both,
 * two CPUs that add at the same moment may be told the same. */
static __always_inline u64 count_up(u64 *count) {
  if (compat_fetch_add()) return __sync_fetch_and_add(count, 1);
  u64 before = *(volatile u64 *)count;
  __sync_fetch_and_add(count, 1);
  return before;
}

#endif /* RINGSIDE_BPF_DETAIL_H_ */
