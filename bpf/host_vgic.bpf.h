/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The interrupt controller that KVM emulates on arm64 (vgic): an injected LPI is put on a list of
 * its vCPU, and from there into the CPU's list registers when the vCPU enters the guest.
 *
 * The pending latch is set before vgic_queue_irq_unlock, so it cannot tell whether an interrupt was
 * pending already. An LPI that is on a list was queued before and is pending still, or the guest
 * has taken it, which KVM learns only at the guest's next exit. So every merge counted here is in
 * doubt: the number is an upper end. */
#ifdef __TARGET_ARCH_arm64

enum { FIRST_LPI = 8192 };

/* Called with the LPI's own lock held. */
static __always_inline int count_queueing(struct kvm *kvm, struct vgic_irq *irq) {
  hook_hit(RS_HOOK_ACCEPT);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!cpu) return 0;
  cpu->looked = 1;
  if (BPF_CORE_READ(irq, intid) < FIRST_LPI || !BPF_CORE_READ(irq, vcpu)) return 0;
  u32 tid = (u32)bpf_get_current_pid_tgid();
  struct slow_injection *slow = bpf_map_lookup_elem(&slow_route, &tid);
  /* An injection whose return was not seen is over: another thread's LPI is not its. */
  bool fast = !slow && cpu->route && cpu->tid == tid;
  if (!slow && !fast) return 0; /* the guest's own doing, or a device's that is not followed */
  u32 slot = slow ? slow->slot : cpu->route - 1;
  struct rs_route_slot *r = route_by_slot(slot);
  if (!r || r->kvm != (u64)kvm) return 0;
  if (fast) r->merge_doubt++;
  count_merge(r, slot, fast, slow ? slow->entered_ns : cpu->entered_ns);
  return 0;
}

SEC("fentry/vgic_queue_irq_unlock")
int BPF_PROG(host_vgic_queue, struct kvm *kvm, struct vgic_irq *irq) {
  return count_queueing(kvm, irq);
}
SEC("kprobe/vgic_queue_irq_unlock")
int BPF_KPROBE(host_vgic_queue_k, struct kvm *kvm, struct vgic_irq *irq) {
  return count_queueing(kvm, irq);
}

#endif /* __TARGET_ARCH_arm64 */
