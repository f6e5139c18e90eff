/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* irqfd and KVM: wake-ups, and injections with their result. All of irqfd_wakeup and what it calls
 * runs under the eventfd's wait-queue lock with interrupts off, so scratch memory per CPU joins the
 * hooks. */

enum { POLL_IN = 1 };

/* Both hooks of a wake-up may be there; the agent tells which of them records. */
static __always_inline void record_wake(struct rs_route_slot *r, u32 hook, u32 slot) {
  struct hit hit = {.pos = route_index(r)};
  hit.number = hook == RS_HOOK_WOKEN_FENTRY ? r->woken_fentry : r->woken_kprobe;
  detail_record(r->detail, hook, RS_EVENT_IRQFD_WOKEN, slot, &hit);
}

static __always_inline int count_wake(u32 hook, u32 which, struct wait_queue_entry *wait, u64 key) {
  hook_hit(hook);
  if (!(key & POLL_IN)) return 0; /* the VM lets the eventfd go */
  struct kvm_kernel_irqfd *irqfd =
      (void *)wait - bpf_core_field_offset(((struct kvm_kernel_irqfd *)0)->wait);
  u64 ctx = (u64)BPF_CORE_READ(irqfd, eventfd);
  int slot = route_of_waiter(ctx, (u64)irqfd);
  struct rs_route_slot *r = slot < 0 ? 0 : route_by_slot(slot);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!r || !cpu) {
    hook_unplaced(hook);
    return 0;
  }
  /* A flag already set was left by a wake-up that never reached an injection. */
  if (cpu->ctx != ctx || (cpu->woken & which)) cpu->woken = 0;
  cpu->ctx = ctx;
  cpu->woken |= which;
  if (r->detail & detail_bit(RS_EVENT_IRQFD_WOKEN) && config.woken_hook == hook)
    record_wake(r, hook, slot);
  if (which == WOKEN_FENTRY)
    r->woken_fentry++;
  else
    r->woken_kprobe++;
  struct rs_vhost_slot *v = own_batch(ctx);
  if (v) v->cur_flags |= RS_CUR_WOKEN;
  return 0;
}

SEC("fentry/irqfd_wakeup")
int BPF_PROG(host_woken_fentry, struct wait_queue_entry *wait, unsigned int mode, int sync,
             void *key) {
  return count_wake(RS_HOOK_WOKEN_FENTRY, WOKEN_FENTRY, wait, (u64)key);
}

SEC("kprobe/irqfd_wakeup")
int BPF_KPROBE(host_woken_kprobe, struct wait_queue_entry *wait, unsigned int mode, int sync,
               void *key) {
  return count_wake(RS_HOOK_WOKEN_KPROBE, WOKEN_KPROBE, wait, (u64)key);
}

/* A changed message (affinity, rerouting) starts a new epoch: counts before and after belong to
 * different interrupts of the guest. */
static __always_inline void note_message(struct rs_route_slot *r,
                                         struct kvm_kernel_irq_routing_entry *e) {
  u32 lo = compat_msi_key(e);
  u32 data = BPF_CORE_READ(e, msi.data);
  if (r->address == lo && r->data == data) return;
  if (r->injected || r->rejected || r->slowpath) r->epoch++;
  r->address = lo;
  r->data = data;
}

static __always_inline void route_mark(struct rs_route_slot *r, u32 slot, u64 pos, u32 woken) {
  struct rs_mark *mark = mark_begin(RS_HOOK_INATOMIC_ENTRY, RS_DOMAIN_ROUTE, slot, r->pos, pos);
  if (!mark) return;
  mark->epoch = r->epoch;
  mark->count[0] = r->woken_fentry - ((woken & WOKEN_FENTRY) ? 1 : 0);
  mark->count[1] = r->woken_kprobe - ((woken & WOKEN_KPROBE) ? 1 : 0);
  mark->count[2] = r->injected + r->slow_injected;
  mark->count[3] = r->rejected + r->slow_rejected;
  mark->count[4] = r->slowpath;
  mark->count[5] = r->merged_seen + r->slow_merged;
  mark->count[6] = r->merge_blind;
  mark_end(mark);
}

/* Position of a delivery: what its queue had published by now. Exact when the queue's own worker
 * signals; for other writers at most what the guest will see at the interrupt. */
static __always_inline void route_position(struct rs_route_slot *r, u32 slot, u32 woken) {
  struct rs_vhost_slot *v = r->vhost ? vhost_by_slot(r->vhost - 1) : 0;
  if (!v || !v->id.size) return;
  u64 pos = route_index(r);
  if (rs_crosses_mark(r->pos, pos, v->id.mark_shift)) route_mark(r, slot, pos, woken);
  r->pos = pos;
}

static __always_inline int inject_enter(struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm) {
  hook_hit(RS_HOOK_INATOMIC_ENTRY);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!cpu) return 0;
  int slot = route_slot_for((u64)kvm, BPF_CORE_READ(e, gsi));
  struct rs_route_slot *r = slot < 0 ? 0 : route_by_slot(slot);
  if (!r) {
    hook_unplaced(RS_HOOK_INATOMIC_ENTRY);
    cpu->route = 0;
    return 0;
  }
  note_message(r, e);
  route_position(r, slot, cpu->woken);
  cpu->woken = 0;
  cpu->looked = 0;
  cpu->entered_ns = r->detail & DETAIL_KVM ? bpf_ktime_get_ns() : 0;
  cpu->route = slot + 1;
  cpu->tid = (u32)bpf_get_current_pid_tgid();
  struct rs_vhost_slot *v = r->ctx ? own_batch(r->ctx) : 0;
  if (v) v->cur_flags |= RS_CUR_WOKEN;
  return 0;
}

enum { WOULD_BLOCK = -11 };

/* How long since an injection began; 0 if details were not asked for then. */
static __always_inline u64 since(u64 now, u64 entered_ns) {
  return entered_ns ? now - entered_ns : 0;
}

static __always_inline void record_injection(struct rs_route_slot *r, u32 hook, u32 kind, u32 slot,
                                             u64 number, u64 entered_ns) {
  if (!(r->detail & detail_bit(kind))) return;
  u64 now = bpf_ktime_get_ns();
  struct hit hit = {.now = now, .pos = r->pos, .number = number};
  hit.value = since(now, entered_ns);
  detail_record(r->detail, hook, kind, slot, &hit);
}

/* An injection into an interrupt that was pending already; `fast`: under the route's own lock. */
static __always_inline void count_merge(struct rs_route_slot *r, u32 slot, bool fast,
                                        u64 entered_ns) {
  u64 number = r->merged_seen + (fast ? r->slow_merged : count_up(&r->slow_merged));
  if (fast) r->merged_seen++;
  record_injection(r, RS_HOOK_ACCEPT, RS_EVENT_KVM_MERGED, slot, number, entered_ns);
}

static __always_inline int inject_leave(int ret) {
  hook_hit(RS_HOOK_INATOMIC_EXIT);
  struct cpu_scratch *cpu = cpu_scratch();
  struct rs_route_slot *r = cpu && cpu->route ? route_by_slot(cpu->route - 1) : 0;
  if (!r) return 0; /* its entry was not placed, or not seen */
  u32 slot = cpu->route - 1;
  cpu->route = 0;
  if (compat_injected_inatomic(ret)) {
    record_injection(r, RS_HOOK_INATOMIC_EXIT, RS_EVENT_KVM_INJECTED, slot,
                     r->injected + r->slow_injected, cpu->entered_ns);
    r->injected++;
    if (!cpu->looked) r->merge_blind++; /* what it met was not seen */
  } else if (ret == WOULD_BLOCK) {
    record_injection(r, RS_HOOK_INATOMIC_EXIT, RS_EVENT_KVM_SLOWPATH, slot, r->slowpath,
                     cpu->entered_ns);
    r->slowpath++;
  } else {
    record_injection(r, RS_HOOK_INATOMIC_EXIT, RS_EVENT_KVM_REJECTED, slot,
                     r->rejected + r->slow_rejected, cpu->entered_ns);
    r->rejected++;
  }
  return 0;
}

/* The slow path: irqfd_inject in a kworker. Level 1 is the injection; level 0 follows it. */
static __always_inline int slow_enter(struct kvm *kvm, u32 gsi, int level) {
  hook_hit(RS_HOOK_SET_IRQ_ENTRY);
  u32 tid = (u32)bpf_get_current_pid_tgid();
  struct route_key key = {.kvm = (u64)kvm, .gsi = gsi};
  u32 *slot = level ? bpf_map_lookup_elem(&slot_of_route, &key) : 0;
  struct rs_route_slot *r = slot ? route_by_slot(*slot) : 0;
  if (!r) {
    bpf_map_delete_elem(&slow_route, &tid); /* left by one whose return was not seen */
    return 0;
  }
  struct slow_injection slow = {.slot = *slot};
  if (r->detail & DETAIL_KVM) slow.entered_ns = bpf_ktime_get_ns();
  bpf_map_update_elem(&slow_route, &tid, &slow, BPF_ANY);
  return 0;
}

static __always_inline int slow_leave(int ret) {
  hook_hit(RS_HOOK_SET_IRQ_EXIT);
  u32 tid = (u32)bpf_get_current_pid_tgid();
  struct slow_injection *slow = bpf_map_lookup_elem(&slow_route, &tid);
  struct rs_route_slot *r = slow ? route_by_slot(slow->slot) : 0;
  if (!r) return 0;
  u64 number = ret > 0 ? r->injected : r->rejected;
  number += count_up(ret > 0 ? &r->slow_injected : &r->slow_rejected);
  u32 kind = ret > 0 ? RS_EVENT_KVM_INJECTED : RS_EVENT_KVM_REJECTED;
  record_injection(r, RS_HOOK_SET_IRQ_EXIT, kind, slow->slot, number, slow->entered_ns);
  bpf_map_delete_elem(&slow_route, &tid);
  return 0;
}

SEC("fentry/kvm_arch_set_irq_inatomic")
int BPF_PROG(host_inatomic_entry, struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm) {
  return inject_enter(e, kvm);
}
SEC("fexit/kvm_arch_set_irq_inatomic")
int BPF_PROG(host_inatomic_exit, struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm,
             int source, int level, bool line_status, int ret) {
  return inject_leave(ret);
}
SEC("fentry/kvm_set_irq")
int BPF_PROG(host_set_irq_entry, struct kvm *kvm, int source, u32 gsi, int level) {
  return slow_enter(kvm, gsi, level);
}
SEC("fexit/kvm_set_irq")
int BPF_PROG(host_set_irq_exit, struct kvm *kvm, int source, u32 gsi, int level, bool line_status,
             int ret) {
  return slow_leave(ret);
}
