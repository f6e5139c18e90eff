/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guest side without BTF: tracepoints through their tracefs format, no kernel structure read. The
 * interrupt's number is all that is known; the agent joins it to a queue through
 * /proc/interrupts. No positions. The kernel drops such hits silently while another traced hit
 * is being handled on the same CPU, so misses are unknown. */
#include "common.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, RS_MAX_IRQS);
  __type(key, u32);
  __type(value, struct rs_plain_irq);
} plain_irqs SEC(".maps");

/* Fixed by the tracepoint ABI: 8 bytes common, then the fields (see the event's format file). */
struct irq_entry_args {
  u64 common;
  int irq;
};
struct irq_exit_args {
  u64 common;
  int irq;
  int ret;
};

SEC("tracepoint/irq/irq_handler_entry")
int plain_irq_entry(struct irq_entry_args *args) {
  hook_hit(RS_HOOK_IRQ_ENTRY);
  u32 irq = args->irq;
  struct rs_plain_irq *p = bpf_map_lookup_elem(&plain_irqs, &irq);
  if (p)
    __sync_fetch_and_add(&p->irqs, 1);
  else
    hook_unplaced(RS_HOOK_IRQ_ENTRY);
  return 0;
}

SEC("tracepoint/irq/irq_handler_exit")
int plain_irq_exit(struct irq_exit_args *args) {
  hook_hit(RS_HOOK_IRQ_EXIT);
  u32 irq = args->irq;
  struct rs_plain_irq *p = bpf_map_lookup_elem(&plain_irqs, &irq);
  if (!p)
    hook_unplaced(RS_HOOK_IRQ_EXIT);
  else if (args->ret)
    __sync_fetch_and_add(&p->handled, 1);
  else
    __sync_fetch_and_add(&p->none, 1);
  return 0;
}
