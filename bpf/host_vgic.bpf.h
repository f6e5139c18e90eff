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

/* An LPI of a VM -> route slot, learned at its injection: LPI numbers repeat across VMs. */
INDEX(slot_of_lpi, struct route_key);

struct injection {
  u64 entered_ns;
  u32 slot;
  bool fast;
};

/* The route whose injection this thread has under way; NULL for the guest's own doing or a device's
 * that is not followed. An injection whose return was not seen is over: another thread's LPI is not
 * its. */
static __always_inline struct rs_route_slot *injecting(struct cpu_scratch *cpu,
                                                       struct injection *now) {
  u32 tid = (u32)bpf_get_current_pid_tgid();
  struct slow_injection *slow = bpf_map_lookup_elem(&slow_route, &tid);
  now->fast = !slow && cpu->route && cpu->tid == tid;
  if (!slow && !now->fast) return 0;
  now->slot = slow ? slow->slot : cpu->route - 1;
  now->entered_ns = slow ? slow->entered_ns : cpu->entered_ns;
  return route_by_slot(now->slot);
}

/* Called with the LPI's own lock held. */
static __always_inline int count_queueing(struct kvm *kvm, struct vgic_irq *irq) {
  hook_hit(RS_HOOK_ACCEPT);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!cpu) return 0;
  cpu->looked = 1;
  u32 lpi = BPF_CORE_READ(irq, intid);
  struct injection now = {};
  if (lpi < FIRST_LPI) return 0;
  struct rs_route_slot *r = injecting(cpu, &now);
  if (!r || r->kvm != (u64)kvm) return 0;
  struct route_key key = {.kvm = (u64)kvm, .gsi = lpi};
  u32 *known = bpf_map_lookup_elem(&slot_of_lpi, &key);
  if (!known || *known != now.slot) bpf_map_update_elem(&slot_of_lpi, &key, &now.slot, BPF_ANY);
  r->lpi = lpi;
  r->lpi_waiting = 1;
  if (!BPF_CORE_READ(irq, vcpu)) return 0;
  if (now.fast) r->merge_doubt++;
  count_merge(r, now.slot, now.fast, now.entered_ns);
  return 0;
}

static __always_inline int count_queued(bool newly) {
  hook_hit(RS_HOOK_VGIC_QUEUED);
  struct cpu_scratch *cpu = cpu_scratch();
  struct injection now = {};
  struct rs_route_slot *r = newly && cpu ? injecting(cpu, &now) : 0;
  if (r) __sync_fetch_and_add(&r->vgic_queued, 1);
  return 0;
}

/* Runs again at every entry into the guest while the interrupt is not taken: the first after each
 * queueing counts. Called with the LPI's own lock held, like count_queueing. */
static __always_inline int count_populated(struct kvm_vcpu *vcpu, struct vgic_irq *irq) {
  hook_hit(RS_HOOK_VGIC_POPULATED);
  u32 lpi = BPF_CORE_READ(irq, intid);
  if (lpi < FIRST_LPI) return 0;
  struct route_key key = {.kvm = (u64)BPF_CORE_READ(vcpu, kvm), .gsi = lpi};
  u32 *slot = bpf_map_lookup_elem(&slot_of_lpi, &key);
  struct rs_route_slot *r = slot ? route_by_slot(*slot) : 0;
  if (!r || !r->lpi_waiting) return 0;
  r->lpi_waiting = 0;
  __sync_fetch_and_add(&r->vgic_populated, 1);
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
SEC("fexit/vgic_queue_irq_unlock")
int BPF_PROG(host_vgic_queued, struct kvm *kvm, struct vgic_irq *irq, unsigned long flags,
             unsigned long ret) {
  return count_queued(ret & 1);
}
SEC("kretprobe/vgic_queue_irq_unlock")
int BPF_KRETPROBE(host_vgic_queued_k, unsigned long ret) { return count_queued(ret & 1); }
SEC("fentry/vgic_v3_populate_lr")
int BPF_PROG(host_vgic_populate, struct kvm_vcpu *vcpu, struct vgic_irq *irq) {
  return count_populated(vcpu, irq);
}
SEC("kprobe/vgic_v3_populate_lr")
int BPF_KPROBE(host_vgic_populate_k, struct kvm_vcpu *vcpu, struct vgic_irq *irq) {
  return count_populated(vcpu, irq);
}

#endif /* __TARGET_ARCH_arm64 */
