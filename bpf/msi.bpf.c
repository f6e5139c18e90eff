/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Host side where the kernel refuses function hooks: KVM's own tracepoints. kvm_msi_set_irq is an
 * attempt to deliver one message; kvm_apic_accept_irq, in the same thread before anything else,
 * says that an APIC took it. The route is known by VM (the memory of the thread that injects) and
 * message only. An attempt that no APIC took is a rejection, by definition.
 *
 * Writes of other programs to the VM's eventfds (a vhost-user backend) are seen at the system call;
 * there the eventfd's irqfd says which VM and message they are for. */
#include "common.bpf.h"

#include "detail.bpf.h"
#include "host_maps.bpf.h"
#include "irqfd.bpf.h"
#include "parts.bpf.h"

struct task_struct___mm {
  struct mm_struct *mm;
  struct files_struct *files;
  int tgid;
} FRAGMENT;

struct message_key {
  u64 mm;
  u32 address;
  u32 data;
};
INDEX(slot_of_message, struct message_key);
/* By thread: the attempt that no APIC has taken yet. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, struct slow_injection);
} attempt SEC(".maps");

static __noinline int message_slot_for(struct message_key *key, u32 tgid) {
  u32 *known = bpf_map_lookup_elem(&slot_of_message, key);
  if (known) return *known;
  u32 slot = 0;
  if (bpf_map_pop_elem(&free_route, &slot)) return -1;
  struct rs_route_slot *r = route_by_slot(slot);
  if (!r) return -1;
  r->mm = key->mm;
  r->address = key->address;
  r->data = key->data;
  r->owner_tgid = tgid;
  r->gsi = -1;
  r->in_use = 1;
  if (bpf_map_update_elem(&slot_of_message, key, &slot, BPF_NOEXIST)) {
    r->in_use = 0;
    bpf_map_push_elem(&free_route, &slot, BPF_ANY);
    known = bpf_map_lookup_elem(&slot_of_message, key);
    return known ? (int)*known : -1;
  }
  return slot;
}

/* By thread: the route (slot) of the eventfd that it wrote to last, until its injection is seen. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, u32);
} writing SEC(".maps");

enum { EVENTFD_BYTES = 8 };

/* The open file behind a descriptor of this process; NULL if there is none. */
static __always_inline struct file *file_of(struct task_struct___mm *task, u64 fd) {
  struct fdtable *table = BPF_CORE_READ(task, files, fdt);
  struct file **files = BPF_CORE_READ(table, fd);
  struct file *file = 0;
  if (fd >= BPF_CORE_READ(table, max_fds)) return 0;
  bpf_probe_read_kernel(&file, sizeof(file), files + fd);
  return file;
}

/* While its vector is masked nothing that injects waits on an eventfd: the route it had. */
static __always_inline int slot_of_masked(u64 ctx) {
  u32 *known = bpf_map_lookup_elem(&slot_of_ctx, &ctx);
  struct rs_route_slot *r = known ? route_by_slot(*known) : 0;
  return r && r->ctx == ctx && r->ctx_id == compat_eventfd_id(ctx) ? (int)*known : -1;
}

static __always_inline int slot_of_irqfd(struct kvm_kernel_irqfd *irqfd) {
  struct kvm *vm = BPF_CORE_READ(irqfd, kvm);
  struct message_key key = {.mm = (u64)BPF_CORE_READ(vm, mm)};
  key.address = BPF_CORE_READ(irqfd, irq_entry.msi.address_lo);
  key.data = BPF_CORE_READ(irqfd, irq_entry.msi.data);
  return message_slot_for(&key, BPF_CORE_READ(vm, userspace_pid));
}

static __always_inline void count_sys_write(struct task_struct___mm *task, struct file *file) {
  u64 ctx = (u64)BPF_CORE_READ(file, private_data);
  u64 irqfd = irqfd_of_ctx((struct eventfd_ctx *)ctx);
  int slot = irqfd ? slot_of_irqfd((void *)irqfd) : slot_of_masked(ctx);
  struct rs_route_slot *r = slot < 0 ? 0 : route_by_slot(slot);
  if (!r) {
    if (irqfd) hook_unplaced(RS_HOOK_SYS_WRITE);
    return;
  }
  if (irqfd) {
    u32 newest = slot;
    r->ctx = ctx;
    r->ctx_id = compat_eventfd_id(ctx);
    bpf_map_update_elem(&slot_of_ctx, &ctx, &newest, BPF_ANY);
  }
  __sync_fetch_and_add(&r->written, 1);
  if ((u64)BPF_CORE_READ(task, mm) == r->mm) __sync_fetch_and_add(&r->written_vmm, 1);
  u32 tid = (u32)bpf_get_current_pid_tgid(), value = slot;
  count_part(RS_PART_WRITER, slot, tid);
  bpf_map_update_elem(&writing, &tid, &value, BPF_ANY);
}

/* Every system call comes by, and is a hit: that is what the hook costs. All but writes of eight
 * bytes leave at once. */
SEC("tp_btf/sys_enter")
int BPF_PROG(msi_sys_write, struct pt_regs *regs, long id) {
  hook_hit(RS_HOOK_SYS_WRITE);
  if (id != COMPAT_NR_WRITE) return 0;
  u64 fd = 0, bytes = 0;
  bpf_probe_read_kernel(&bytes, sizeof(bytes), COMPAT_WRITE_BYTES(regs));
  if (bytes != EVENTFD_BYTES) return 0;
  bpf_probe_read_kernel(&fd, sizeof(fd), COMPAT_WRITE_FD(regs));
  struct task_struct___mm *task = (void *)bpf_get_current_task();
  struct file *file = file_of(task, (u32)fd);
  if (file) count_sys_write(task, file);
  return 0;
}

/* The slot of the write under way in this thread, if it is for this message; negative if not. */
static __always_inline int slot_of_writing(u32 tid, u32 address, u32 data) {
  u32 *slot = bpf_map_lookup_elem(&writing, &tid);
  struct rs_route_slot *r = slot ? route_by_slot(*slot) : 0;
  return r && r->address == address && r->data == data ? (int)*slot : -1;
}

SEC("tp_btf/kvm_msi_set_irq")
int BPF_PROG(msi_set_irq, u64 address, u64 data) {
  hook_hit(RS_HOOK_MSI_SET_IRQ);
  struct task_struct___mm *task = (void *)bpf_get_current_task();
  struct message_key key = {.mm = (u64)BPF_CORE_READ(task, mm), .address = address, .data = data};
  u64 id = bpf_get_current_pid_tgid();
  int slot = slot_of_writing((u32)id, key.address, key.data);
  if (slot < 0) slot = message_slot_for(&key, id >> 32);
  struct rs_route_slot *r = slot < 0 ? 0 : route_by_slot(slot);
  if (!r) {
    hook_unplaced(RS_HOOK_MSI_SET_IRQ);
    return 0;
  }
  __sync_fetch_and_add(&r->signalled_in, 1); /* attempts */
  u32 tid = id;
  struct slow_injection value = {.slot = slot};
  if (r->detail & DETAIL_KVM) value.entered_ns = bpf_ktime_get_ns();
  bpf_map_update_elem(&attempt, &tid, &value, BPF_ANY);
  return 0;
}

SEC("tp_btf/kvm_apic_accept_irq")
int BPF_PROG(msi_accept, u32 apic_id, u16 dm, u16 tm, u8 vector) {
  hook_hit(RS_HOOK_APIC_ACCEPT);
  u32 tid = bpf_get_current_pid_tgid();
  struct slow_injection *value = bpf_map_lookup_elem(&attempt, &tid);
  if (!value) return 0; /* not from a message: an IPI or a timer */
  struct rs_route_slot *r = route_by_slot(value->slot);
  if (!r || (r->data & 0xff) != vector) return 0;
  struct hit hit = {.number = count_up(&r->slow_injected)};
  if (r->detail & detail_bit(RS_EVENT_KVM_INJECTED)) {
    hit.now = bpf_ktime_get_ns();
    hit.value = value->entered_ns ? hit.now - value->entered_ns : 0;
    detail_record(r->detail, RS_HOOK_APIC_ACCEPT, RS_EVENT_KVM_INJECTED, value->slot, &hit);
  }
  bpf_map_delete_elem(&attempt, &tid);
  return 0;
}
