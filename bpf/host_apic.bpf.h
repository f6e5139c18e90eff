/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The interrupt controller of x86: interrupts merged because one was pending already, and those
 * that KVM took for injection into the vCPU. */
#ifdef __TARGET_ARCH_x86

/* Remembers which route a vCPU's vector belongs to, for kvm_inj_virq. */
static __always_inline void note_vector(struct kvm_vcpu *vcpu, u32 vector, u32 slot) {
  u64 key = (u64)(u32)BPF_CORE_READ(vcpu, pid, numbers[0].nr) << 8 | (vector & 0xff);
  u32 *known = bpf_map_lookup_elem(&slot_of_vector, &key);
  if (!known || *known != slot) bpf_map_update_elem(&slot_of_vector, &key, &slot, BPF_ANY);
}

enum { DM_LOWEST = 0x100, DM_FIXED = 0 };

static __always_inline int count_accept(struct kvm_lapic *apic, int mode, int vector) {
  hook_hit(RS_HOOK_ACCEPT);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!cpu) return 0;
  cpu->looked = 1;
  if (mode != DM_FIXED && mode != DM_LOWEST) return 0;
  u32 fast = cpu->route;
  u32 slot = fast - 1;
  u64 entered_ns = cpu->entered_ns;
  if (!fast) {
    u32 tid = (u32)bpf_get_current_pid_tgid();
    struct slow_injection *slow = bpf_map_lookup_elem(&slow_route, &tid);
    if (!slow) return 0; /* an IPI, a timer: not a device's message */
    slot = slow->slot;
    entered_ns = slow->entered_ns;
  }
  struct rs_route_slot *r = route_by_slot(slot);
  if (!r) return 0;
  /* An injection whose return was not seen is over: this is a timer's or another CPU's. */
  if (fast && (r->data & 0xff) != (vector & 0xff)) return 0;
  note_vector(BPF_CORE_READ(apic, vcpu), vector, slot);
  bool posted = compat_apicv_active(apic);
  enum rs_pending pending = pending_at(apic, vector, posted, config.vmx);
  if (pending == RS_PENDING_BLIND) {
    if (fast) r->merge_blind++;
    return 0;
  }
  if (fast && posted)
    r->merge_doubt += pending; /* the CPU takes it unseen, perhaps just now */
  else if (fast)
    rs_note_injection(r, pending);
  if (pending) count_merge(r, slot, fast, entered_ns);
  return 0;
}

SEC("fentry/__apic_accept_irq")
int BPF_PROG(host_accept, struct kvm_lapic *apic, int mode, int vector) {
  return count_accept(apic, mode, vector);
}
SEC("kprobe/__apic_accept_irq")
int BPF_KPROBE(host_accept_k, struct kvm_lapic *apic, int mode, int vector) {
  return count_accept(apic, mode, vector);
}

/* KVM takes a pending interrupt for injection into the vCPU; reinjected repeats are not new. */
SEC("tp_btf/kvm_inj_virq")
int BPF_PROG(host_inj_virq, unsigned int vector, bool soft, bool reinjected) {
  hook_hit(RS_HOOK_INJ_VIRQ);
  if (soft || reinjected) return 0;
  u64 key = (u64)(u32)bpf_get_current_pid_tgid() << 8 | (vector & 0xff);
  u32 *slot = bpf_map_lookup_elem(&slot_of_vector, &key);
  struct rs_route_slot *r = slot ? route_by_slot(*slot) : 0;
  if (r) __sync_fetch_and_add(&r->taken, 1);
  return 0;
}

#endif /* __TARGET_ARCH_x86 */
