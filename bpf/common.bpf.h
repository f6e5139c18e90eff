/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every BPF object has: configuration, hook cells, the ring of marks and small helpers. */
#ifndef RINGSIDE_BPF_COMMON_H_
#define RINGSIDE_BPF_COMMON_H_

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "events.h"
#include "position.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Not constant: modules that load later bring symbols that were not there (agent: SetConfig). */
volatile struct rs_config config = {};

/* Row `cpu * RS_HOOKS + hook`; the agent sets the size to the machine's CPUs. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, RS_HOOKS);
  __type(key, u32);
  __type(value, struct rs_hook_cell);
} hook_cells SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, RS_MARK_BYTES);
} marks SEC(".maps");

/* The cell of one hook on this CPU. Exact with plain adds: a program of one hook does not
 * interrupt itself on one CPU (the kernel refuses recursion and counts it as a miss). */
static __always_inline struct rs_hook_cell *hook_cell(u32 hook) {
  u32 row = bpf_get_smp_processor_id() * RS_HOOKS + hook;
  return bpf_map_lookup_elem(&hook_cells, &row);
}

static __always_inline void hook_hit(u32 hook) {
  struct rs_hook_cell *cell = hook_cell(hook);
  if (cell) cell->hits++;
}

static __always_inline void hook_unplaced(u32 hook) {
  struct rs_hook_cell *cell = hook_cell(hook);
  if (cell) cell->unplaced++;
}

/* Starts a mark record; the caller fills the counters. NULL (and a drop counted) if the ring is
 * full: one mark less to cut at, no count is touched. */
static __always_inline struct rs_mark *mark_begin(u32 hook, u32 domain, u32 slot, u64 prev,
                                                  u64 pos) {
  struct rs_mark *mark = bpf_ringbuf_reserve(&marks, sizeof(*mark), 0);
  if (!mark) {
    struct rs_hook_cell *cell = hook_cell(hook);
    if (cell) cell->dropped++;
    return 0;
  }
  mark->mono_ns = bpf_ktime_get_ns();
  mark->prev = prev;
  mark->pos = pos;
  mark->slot = slot;
  mark->domain = domain;
  mark->cpu = bpf_get_smp_processor_id();
  mark->epoch = 0;
  mark->pad = 0;
  for (int i = 0; i < RS_MARK_COUNTS; i++) mark->count[i] = 0;
  return mark;
}

static __always_inline void mark_end(struct rs_mark *mark) {
  bpf_ringbuf_submit(mark, BPF_RB_NO_WAKEUP);
}

#endif /* RINGSIDE_BPF_COMMON_H_ */
