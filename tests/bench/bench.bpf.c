/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the shipped interrupt program is compared with, on the same tracepoint. */
#include "common.bpf.h"

#include <bpf/bpf_tracing.h>

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, u64);
} plain SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, RS_EVENT_BYTES);
} bare SEC(".maps");

static __always_inline int plain_count(void) {
  u32 zero = 0;
  u64* count = bpf_map_lookup_elem(&plain, &zero);
  if (count) (*count)++;
  return 0;
}

static __always_inline int bare_record(u64 pos) {
  struct rs_event* event = bpf_ringbuf_reserve(&bare, sizeof(*event), 0);
  if (!event) return 0;
  event->mono_ns = bpf_ktime_get_ns();
  event->pos = pos;
  event->slot = 0;
  event->rate = 0;
  event->kind = 0;
  event->cpu = 0;
  event->number = 0;
  event->value = 0;
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
  return 0;
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(bench_empty, int irq, struct irqaction* action) { return 0; }

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(bench_count, int irq, struct irqaction* action) { return plain_count(); }

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(bench_ring, int irq, struct irqaction* action) { return bare_record(irq); }

/* The same, on a tracepoint that a program can hit as often as it likes. */
SEC("raw_tp/kvm_msi_set_irq")
int wall_empty(void* ctx) { return 0; }

SEC("raw_tp/kvm_msi_set_irq")
int wall_count(void* ctx) { return plain_count(); }

SEC("raw_tp/kvm_msi_set_irq")
int wall_ring(void* ctx) { return bare_record(0); }
