/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every difference between kernels as a named accessor: what differs, and where it was seen. No
 * program tests versions or fields elsewhere. */
#ifndef RINGSIDE_BPF_COMPAT_H_
#define RINGSIDE_BPF_COMPAT_H_

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* A driver's private area behind a net_device: a flexible member since 6.12 (f6e0a4984c2e,
 * "net: embed priv array"); before it, the structure's size rounded up to 32 bytes. */
static __always_inline void *compat_netdev_priv(struct net_device *dev) {
  if (bpf_core_field_exists(((struct net_device___priv *)0)->priv))
    return (void *)dev + bpf_core_field_offset(((struct net_device___priv *)0)->priv);
  return (void *)dev + ((bpf_core_type_size(struct net_device) + 31) & ~31ull);
}

/* Whether BPF's atomic add gives the value before it: since 5.12 (5ca419f2864a), arm64 since 5.18;
 * told by a helper that is newer than both (6.1). */
enum bpf_func_id___tai { BPF_FUNC_ktime_get_tai_ns___tai = 208 };
static __always_inline bool compat_fetch_add(void) {
  return bpf_core_enum_value_exists(enum bpf_func_id___tai, BPF_FUNC_ktime_get_tai_ns___tai);
}

/* The eventfd that a vhost queue signals: a bare pointer in 4.19, in struct vhost_vring_call since
 * 5.8 (265a0ad8731d, "vhost: introduce vhost_vring_call"). */
static __always_inline struct eventfd_ctx *compat_call_ctx(struct vhost_virtqueue *vq) {
  if (bpf_core_field_exists(((struct vhost_vring_call *)0)->ctx))
    return BPF_CORE_READ(vq, call_ctx.ctx);
  struct vhost_virtqueue___plain_ctx *old = (void *)vq;
  return BPF_CORE_READ(old, call_ctx);
}

/* Whether the CPU or its microcode delivers this vCPU's interrupts (APICv, AVIC): then the pending
 * bit may be elsewhere than in the APIC page. Moved from the vCPU to its APIC in 6.0. */
static __always_inline bool compat_apicv_active(struct kvm_lapic *apic) {
  struct kvm_lapic___apicv *now = (void *)apic;
  if (bpf_core_field_exists(now->apicv_active)) return BPF_CORE_READ(now, apicv_active);
  struct kvm_vcpu___arch *before = (void *)BPF_CORE_READ(apic, vcpu);
  if (bpf_core_field_exists(before->arch.apicv_active))
    return BPF_CORE_READ(before, arch.apicv_active);
  return 1; /* cannot tell: say so rather than count wrongly */
}

/* The 256 bits of interrupts posted to a vCPU (PIR), NULL where kvm_intel's types are unknown. The
 * descriptor moved into struct vcpu_vt in 6.16 or so (seen in 6.18); the bits are first in it, in
 * words of changing size. */
static __always_inline void *compat_posted_bits(struct kvm_vcpu *vcpu) {
  struct vcpu_vmx *vmx = 0;
  struct vcpu_vmx___vt *vt = 0;
  if (bpf_core_field_exists(vmx->pi_desc))
    return (void *)vcpu + bpf_core_field_offset(vmx->pi_desc);
  if (bpf_core_field_exists(vt->vt.pi_desc))
    return (void *)vcpu + bpf_core_field_offset(vt->vt.pi_desc);
  return 0;
}

/* Whether kvm_arch_set_irq_inatomic injected: x86 returns how many vCPUs took the message, arm64
 * returns 0 (kernel facts 4.2, 4.3). kvm_set_irq returns a positive number on both. */
static __always_inline bool compat_injected_inatomic(int ret) {
#ifdef __TARGET_ARCH_arm64
  return ret == 0;
#else
  return ret > 0;
#endif
}

/* write(2) at the tracepoint of system calls: its number, and its first and third argument. */
#ifdef __TARGET_ARCH_arm64
enum { COMPAT_NR_WRITE = 64 };
#define COMPAT_WRITE_FD(regs) (&((struct user_pt_regs *)(regs))->regs[0])
#define COMPAT_WRITE_BYTES(regs) (&((struct user_pt_regs *)(regs))->regs[2])
#else
enum { COMPAT_NR_WRITE = 1 };
#define COMPAT_WRITE_FD(regs) (&((struct pt_regs *)(regs))->rdi)
#define COMPAT_WRITE_BYTES(regs) (&((struct pt_regs *)(regs))->rdx)
#endif

/* The number that fdinfo shows for an eventfd, plus one; 0 in kernels that have none (b556db17b0e7,
 * "eventfd: present id to userspace via fdinfo", 5.2). */
static __always_inline u64 compat_eventfd_id(u64 ctx) {
  struct eventfd_ctx *eventfd = (void *)ctx;
  if (!bpf_core_field_exists(eventfd->id)) return 0;
  return (u64)BPF_CORE_READ(eventfd, id) + 1;
}

/* What a message is told by beside its data: x86 by its address, which names the vCPU; arm64 by the
 * device's id, because all devices write to the one address of their ITS. */
static __always_inline u32 compat_msi_key(struct kvm_kernel_irq_routing_entry *e) {
#ifdef __TARGET_ARCH_arm64
  return BPF_CORE_READ(e, msi.devid);
#else
  return BPF_CORE_READ(e, msi.address_lo);
#endif
}

/* Whether an interrupt came since the driver last asked for one: bit 0; bit 1 says that this kernel
 * keeps it. Not in 5.10, in 6.1 ("virtio: fix up virtio_disable_cb"). */
static __always_inline u64 compat_event_triggered(void *vq) {
  struct vring_virtqueue___triggered *now = vq;
  if (!bpf_core_field_exists(now->event_triggered)) return 0;
  return 2 | (u64)BPF_CORE_READ(now, event_triggered);
}

#endif /* RINGSIDE_BPF_COMPAT_H_ */
