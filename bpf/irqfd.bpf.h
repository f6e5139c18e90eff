/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an eventfd to what injects when it is signalled. */

/* The irqfd that waits on an eventfd: the waiter whose function is irqfd_wakeup. At most one by
 * KVM's rule; a few other waiters (QEMU's poll) may stand before it. */
static __noinline u64 irqfd_of_ctx(struct eventfd_ctx *ctx) {
  if (!ctx || !config.fn_irqfd_wakeup) return 0;
  u64 head = (u64)ctx + bpf_core_field_offset(ctx->wqh) +
             bpf_core_field_offset(((struct wait_queue_head *)0)->head);
  struct list_head *e = BPF_CORE_READ((struct list_head *)head, next);
  for (int i = 0; i < 4 && e && (u64)e != head; i++) {
    struct wait_queue_entry *w =
        (void *)e - bpf_core_field_offset(((struct wait_queue_entry *)0)->entry);
    if ((u64)BPF_CORE_READ(w, func) == config.fn_irqfd_wakeup)
      return (u64)w - bpf_core_field_offset(((struct kvm_kernel_irqfd *)0)->wait);
    e = BPF_CORE_READ(e, next);
  }
  return 0;
}
