/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few kernel structures the programs read, as fragments: only the members that are used, each
 * relocated by CO-RE to where the running kernel has it. Types with a suffix after `___` are other
 * versions' layouts of the same structure; which one applies is decided in compat.bpf.h only. */
#ifndef RINGSIDE_BPF_KERNEL_H_
#define RINGSIDE_BPF_KERNEL_H_

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed int s32;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef short __s16;
typedef long long __s64;
typedef u16 __be16;
typedef u16 __le16;
typedef u16 __sum16;
typedef u32 __be32;
typedef u32 __wsum;
typedef _Bool bool;

enum {
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_MAP_TYPE_PERCPU_ARRAY = 6,
  BPF_MAP_TYPE_QUEUE = 22,
  BPF_MAP_TYPE_RINGBUF = 27,
  BPF_F_MMAPABLE = 1024,
  BPF_ANY = 0,
  BPF_NOEXIST = 1,
  BPF_RB_NO_WAKEUP = 1
};

/* One line per fragment. */
/* clang-format off */
#define FRAGMENT __attribute__((preserve_access_index))

struct list_head { struct list_head *next, *prev; } FRAGMENT;

/* Registers at a kprobe, in the order and with the names of the user ABI (what libbpf expects where
 * no vmlinux.h is included). Fixed layout: no relocation. */
#ifdef __TARGET_ARCH_x86
struct pt_regs {
  u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  u64 orig_rax, rip, cs, eflags, rsp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs { u64 regs[31]; u64 sp, pc, pstate; };
#endif

/* Guest: interrupts, virtqueues, NAPI. */
struct irqaction { void *handler; void *dev_id; } FRAGMENT;
struct virtio_device { int index; struct list_head vqs; void *priv; u64 features; } FRAGMENT;
struct virtqueue {
  struct list_head list;
  const char *name;
  struct virtio_device *vdev;
  unsigned int index;
  unsigned int num_free;
} FRAGMENT;
struct vring_avail { u16 flags; u16 idx; };
struct vring_used { u16 flags; u16 idx; };
struct vring { unsigned int num; void *desc; void *avail; void *used; } FRAGMENT;
struct vring_virtqueue_split {
  struct vring vring;
  u16 avail_flags_shadow;
  u64 queue_dma_addr;
} FRAGMENT;
struct vring_virtqueue {
  struct virtqueue vq;
  bool packed_ring;
  bool event;
  u16 last_used_idx;
  struct vring_virtqueue_split split;
} FRAGMENT;
struct vring_virtqueue___triggered { bool event_triggered; } FRAGMENT; /* not in 5.10 */
struct net_device { int ifindex; char name[16]; struct list_head dev_list; } FRAGMENT;
struct net_device___priv { u8 priv[0]; } FRAGMENT; /* since 6.12 or so */
struct net { struct list_head dev_base_head; } FRAGMENT;
struct nsproxy { struct net *net_ns; } FRAGMENT;
struct mm_struct;
struct task_struct { int pid; struct nsproxy *nsproxy; struct mm_struct *mm; } FRAGMENT;
struct napi_struct { void *poll; unsigned long state; int weight; } FRAGMENT;
struct receive_queue { struct virtqueue *vq; struct napi_struct napi; } FRAGMENT;
struct send_queue { struct virtqueue *vq; struct napi_struct napi; } FRAGMENT;
struct virtnet_info {
  struct virtio_device *vdev;
  struct send_queue *sq;
  struct receive_queue *rq;
} FRAGMENT;

/* Host: tap, vhost, eventfd, irqfd, KVM. */
struct sk_buff { unsigned int len; u16 queue_mapping; } FRAGMENT;
struct wait_queue_head { struct list_head head; } FRAGMENT;
struct wait_queue_entry { void *func; struct list_head entry; } FRAGMENT;
struct ptr_ring { int producer; int consumer_head; int size; void **queue; } FRAGMENT;
struct socket_wq { struct wait_queue_head wait; } FRAGMENT;
struct socket { struct socket_wq wq; } FRAGMENT;
struct tun_struct;
struct tun_file {
  struct socket socket;
  struct tun_struct *tun;
  u16 queue_index;
  struct ptr_ring tx_ring;
} FRAGMENT;
struct tun_struct { struct tun_file *tfiles[256]; unsigned int numqueues; } FRAGMENT;
struct eventfd_ctx { struct wait_queue_head wqh; int id; } FRAGMENT;
struct file { void *private_data; } FRAGMENT;
struct fdtable { unsigned int max_fds; struct file **fd; } FRAGMENT;
struct files_struct { struct fdtable *fdt; } FRAGMENT;
struct vhost_virtqueue;
struct vhost_dev {
  struct mm_struct *mm;
  struct vhost_virtqueue **vqs;
  int nvqs;
} FRAGMENT;
struct vhost_poll { struct wait_queue_entry wait; struct vhost_dev *dev; } FRAGMENT;
struct vhost_vring_call { struct eventfd_ctx *ctx; } FRAGMENT;
struct vhost_virtqueue {
  struct vhost_dev *dev;
  unsigned int num;
  void *avail; /* of the VMM's memory, like the next */
  void *used;
  u64 acked_features;
  u16 last_avail_idx;
  u16 avail_idx;
  u16 last_used_idx;
  u16 used_flags;
  u16 signalled_used;
  u64 log_addr;
  struct vhost_vring_call call_ctx;
  void *private_data;
} FRAGMENT;
struct vhost_virtqueue___plain_ctx { struct eventfd_ctx *call_ctx; } FRAGMENT; /* 4.19 */
struct kvm { struct mm_struct *mm; int userspace_pid; } FRAGMENT;
/* `msi` sits in an anonymous union with an anonymous struct type: CO-RE reaches its members. */
struct kvm_kernel_irq_routing_entry {
  u32 gsi;
  u32 type;
  struct { u32 address_lo; u32 address_hi; u32 data; u32 flags; u32 devid; } msi;
} FRAGMENT;
struct kvm_kernel_irqfd {
  struct kvm *kvm;
  struct wait_queue_entry wait;
  struct kvm_kernel_irq_routing_entry irq_entry;
  int gsi;
  struct eventfd_ctx *eventfd;
} FRAGMENT;
struct upid { int nr; } FRAGMENT;
struct pid { struct upid numbers[1]; } FRAGMENT;
struct kvm_vcpu { struct pid *pid; struct kvm *kvm; } FRAGMENT;
struct kvm_vcpu_arch___apicv { bool apicv_active; } FRAGMENT;
struct kvm_vcpu___arch { struct kvm_vcpu_arch___apicv arch; } FRAGMENT; /* before 6.0 */
struct vgic_irq { struct kvm_vcpu *vcpu; u32 intid; } FRAGMENT; /* arm64 */
struct kvm_lapic { struct kvm_vcpu *vcpu; void *regs; } FRAGMENT;
/* kvm_intel: begins with its struct kvm_vcpu. */
struct pi_desc {} FRAGMENT;
struct vcpu_vmx { struct pi_desc pi_desc; } FRAGMENT;
struct vcpu_vt { struct pi_desc pi_desc; } FRAGMENT;
struct vcpu_vmx___vt { struct vcpu_vt vt; } FRAGMENT;
struct kvm_lapic___apicv { bool apicv_active; } FRAGMENT; /* since 6.0 or so */

/* clang-format on */

#endif /* RINGSIDE_BPF_KERNEL_H_ */
