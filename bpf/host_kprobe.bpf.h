/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The host's function hooks once more, as kprobes: for kernels whose modules have no BTF and for
 * those that cannot attach fentry. The bodies are those of the other files; here is only where
 * their arguments come from.
 *
 * A return probe has no arguments. What its entry saw waits for it where the function's context
 * keeps it apart from others: per CPU where nothing of the kind can come between (transmit: bottom
 * halves off; injection: interrupts off), else by thread. The kernel drops hits of kprobe programs
 * while another of their kind, or a map system call, is under way on the CPU: every count of this
 * file is a lower end. */

SEC("kprobe/tun_net_xmit")
int BPF_KPROBE(host_tun_entry_k, struct sk_buff *skb, struct net_device *dev) {
  return tun_enter(skb, BPF_CORE_READ(dev, ifindex), BPF_CORE_READ(skb, queue_mapping));
}
SEC("kretprobe/tun_net_xmit")
int BPF_KRETPROBE(host_tun_exit_k, int ret) { return tun_leave(ret); }

/* The queue that a vhost worker adds entries to. It may sleep there (the ring is user memory). */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, u64);
} vhost_of_thread SEC(".maps");

static __always_inline int vhost_enter_thread(struct vhost_virtqueue *vq) {
  u32 tid = (u32)bpf_get_current_pid_tgid();
  u64 address = (u64)vq;
  bpf_map_update_elem(&vhost_of_thread, &tid, &address, BPF_ANY);
  return vhost_enter(vq);
}

static __always_inline int vhost_leave_thread(void) {
  u32 tid = (u32)bpf_get_current_pid_tgid();
  u64 *address = bpf_map_lookup_elem(&vhost_of_thread, &tid);
  if (!address) { /* its entry was not seen */
    hook_hit(RS_HOOK_VHOST_EXIT);
    return 0;
  }
  struct vhost_virtqueue *vq = (void *)*address;
  bpf_map_delete_elem(&vhost_of_thread, &tid);
  return vhost_leave(vq);
}

SEC("kprobe/vhost_vq_init_access")
int BPF_KPROBE(host_vhost_starts_k, struct vhost_virtqueue *vq) { return vhost_starts(vq); }
SEC("kprobe/vhost_add_used_and_signal_n")
int BPF_KPROBE(host_vhost_n_entry_k, struct vhost_dev *dev, struct vhost_virtqueue *vq) {
  return vhost_enter_thread(vq);
}
SEC("kretprobe/vhost_add_used_and_signal_n")
int BPF_KRETPROBE(host_vhost_n_exit_k) { return vhost_leave_thread(); }
SEC("kprobe/vhost_add_used_and_signal")
int BPF_KPROBE(host_vhost_1_entry_k, struct vhost_dev *dev, struct vhost_virtqueue *vq) {
  return vhost_enter_thread(vq);
}
SEC("kretprobe/vhost_add_used_and_signal")
int BPF_KRETPROBE(host_vhost_1_exit_k) { return vhost_leave_thread(); }

SEC("kprobe/eventfd_signal_mask")
int BPF_KPROBE(host_eventfd_signal_k, struct eventfd_ctx *eventfd) { return count_signal(eventfd); }
/* Kernels before eventfd_signal_mask (4.19); elsewhere it calls that one: never both. */
SEC("kprobe/eventfd_signal")
int BPF_KPROBE(host_eventfd_signal_old, struct eventfd_ctx *eventfd) {
  return count_signal(eventfd);
}
SEC("kprobe/eventfd_write")
int BPF_KPROBE(host_eventfd_write_k, struct file *file) { return count_write(file); }

SEC("kprobe/kvm_arch_set_irq_inatomic")
int BPF_KPROBE(host_inatomic_entry_k, struct kvm_kernel_irq_routing_entry *e, struct kvm *kvm) {
  return inject_enter(e, kvm);
}
SEC("kretprobe/kvm_arch_set_irq_inatomic")
int BPF_KRETPROBE(host_inatomic_exit_k, int ret) { return inject_leave(ret); }

SEC("kprobe/kvm_set_irq")
int BPF_KPROBE(host_set_irq_entry_k, struct kvm *kvm, int source, u32 gsi, int level) {
  return slow_enter(kvm, gsi, level);
}
SEC("kretprobe/kvm_set_irq")
int BPF_KRETPROBE(host_set_irq_exit_k, int ret) { return slow_leave(ret); }
