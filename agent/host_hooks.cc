// SPDX-License-Identifier: Apache-2.0
#include "agent/host_hooks.h"

namespace ringside {

const std::vector<ProgramSpec>& HostFunctionPrograms() {
  constexpr Rung kT = Rung::kTpBtf;
  constexpr Rung kF = Rung::kFentry;
  constexpr Rung kK = Rung::kKprobe;
  constexpr rs_hook kIn = RS_HOOK_INATOMIC_ENTRY, kOut = RS_HOOK_INATOMIC_EXIT;
  constexpr rs_hook kSlowIn = RS_HOOK_SET_IRQ_ENTRY, kSlowOut = RS_HOOK_SET_IRQ_EXIT;
  constexpr rs_hook kBatchIn = RS_HOOK_VHOST_ENTRY, kBatchOut = RS_HOOK_VHOST_EXIT;
  constexpr rs_hook kSignal = RS_HOOK_EVENTFD_SIGNAL, kWrite = RS_HOOK_EVENTFD_WRITE;
  constexpr rs_hook kAccept = RS_HOOK_ACCEPT, kStarted = RS_HOOK_VHOST_START;
#if defined(__aarch64__)
  constexpr rs_hook kQueued = RS_HOOK_VGIC_QUEUED, kPopulated = RS_HOOK_VGIC_POPULATED;
  static constexpr char kQueue[] = "vgic_queue_irq_unlock", kListRegister[] = "vgic_v3_populate_lr";
#endif
  static constexpr char kMask[] = "eventfd_signal_mask", kOld[] = "eventfd_signal";  // 4.19
  static constexpr char kInject[] = "kvm_arch_set_irq_inatomic", kStart[] = "vhost_vq_init_access";
  static constexpr char kBatch1[] = "vhost_add_used_and_signal";
  static constexpr char kBatchN[] = "vhost_add_used_and_signal_n";
  static constexpr char kWritten[] = "eventfd.written", kSignalled[] = "vhost.signalled";
  // clang-format off
  static const std::vector<ProgramSpec> specs = {
      {"host_walk", RS_HOOKS, "gauges", "bpf_prog_test_run", kT, "walk"},
#if defined(__aarch64__)
      {"host_vgic_populate", kPopulated, "vgic.populated", kListRegister, kF, "populate"},
      {"host_vgic_populate_k", kPopulated, "vgic.populated", kListRegister, kK, "populate_k",
       "populate"},
      {"host_vgic_queued", kQueued, "vgic.queued", kQueue, kF, "accept"},
      {"host_vgic_queue", kAccept, "kvm.merged", kQueue, kF, "accept"},
      {"host_vgic_queued_k", kQueued, "vgic.queued", kQueue, kK, "accept_k", "accept"},
      {"host_vgic_queue_k", kAccept, "kvm.merged", kQueue, kK, "accept_k", "accept"},
#else
      {"host_inj_virq", RS_HOOK_INJ_VIRQ, "kvm.taken", "kvm:kvm_inj_virq", kT, "taken"},
      {"host_accept", kAccept, "kvm.merged", "__apic_accept_irq", kF, "accept"},
      {"host_accept_k", kAccept, "kvm.merged", "__apic_accept_irq", kK, "accept_k", "accept"},
#endif
      {"host_set_irq_exit", kSlowOut, "kvm.slowpath", "kvm_set_irq", kF, "slow"},
      {"host_set_irq_entry", kSlowIn, "kvm.slowpath", "kvm_set_irq", kF, "slow"},
      {"host_set_irq_exit_k", kSlowOut, "kvm.slowpath", "kvm_set_irq", kK, "slow_k", "slow"},
      {"host_set_irq_entry_k", kSlowIn, "kvm.slowpath", "kvm_set_irq", kK, "slow_k", "slow"},
      {"host_inatomic_exit", kOut, "kvm.injected", kInject, kF, "inject"},
      {"host_inatomic_entry", kIn, "kvm.injected", kInject, kF, "inject"},
      {"host_inatomic_exit_k", kOut, "kvm.injected", kInject, kK, "inject_k", "inject"},
      {"host_inatomic_entry_k", kIn, "kvm.injected", kInject, kK, "inject_k", "inject"},
      // Both: where fentry attaches and never fires, the kprobe does (6.12); the reader takes the
      // one that agrees with the injections.
      {"host_woken_fentry", RS_HOOK_WOKEN_FENTRY, "irqfd.woken", "irqfd_wakeup", kF, "woken"},
      {"host_woken_kprobe", RS_HOOK_WOKEN_KPROBE, "irqfd.woken", "irqfd_wakeup", kK, "woken_k"},
      {"host_eventfd_write", kWrite, kWritten, "eventfd_write", kF, "write"},
      {"host_eventfd_write_k", kWrite, kWritten, "eventfd_write", kK, "write_k", "write"},
      {"host_eventfd_signal", kSignal, kSignalled, kMask, kF, "signal"},
      {"host_eventfd_signal_k", kSignal, kSignalled, kMask, kK, "signal_k", "signal"},
      {"host_eventfd_signal_old", kSignal, kSignalled, kOld, kK, "signal_old", "signal_k"},
      {"host_vhost_n_exit", kBatchOut, "vhost.batches", kBatchN, kF, "vhost"},
      {"host_vhost_1_exit", kBatchOut, "vhost.batches", kBatch1, kF, "vhost"},
      {"host_vhost_n_entry", kBatchIn, "vhost.batches", kBatchN, kF, "vhost"},
      {"host_vhost_1_entry", kBatchIn, "vhost.batches", kBatch1, kF, "vhost"},
      {"host_vhost_n_exit_k", kBatchOut, "vhost.batches", kBatchN, kK, "vhost_k", "vhost"},
      {"host_vhost_1_exit_k", kBatchOut, "vhost.batches", kBatch1, kK, "vhost_k", "vhost"},
      {"host_vhost_n_entry_k", kBatchIn, "vhost.batches", kBatchN, kK, "vhost_k", "vhost"},
      {"host_vhost_1_entry_k", kBatchIn, "vhost.batches", kBatch1, kK, "vhost_k", "vhost"},
      {"host_vhost_starts", kStarted, "vhost.started", kStart, kF, "start"},
      {"host_vhost_starts_k", kStarted, "vhost.started", kStart, kK, "start_k", "start"},
      {"host_drop", RS_HOOK_DROP, "tun.dropped", "skb:kfree_skb", kT, "drop"},
      {"host_tun_exit", RS_HOOK_TUN_EXIT, "tun.dropped", "tun_net_xmit", kF, "tun"},
      {"host_tun_entry", RS_HOOK_TUN_ENTRY, "tun.offered", "tun_net_xmit", kF, "tun"},
      {"host_tun_exit_k", RS_HOOK_TUN_EXIT, "tun.dropped", "tun_net_xmit", kK, "tun_k", "tun"},
      {"host_tun_entry_k", RS_HOOK_TUN_ENTRY, "tun.offered", "tun_net_xmit", kK, "tun_k", "tun"},
  };
  // clang-format on
  return specs;
}

}  // namespace ringside
