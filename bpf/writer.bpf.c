/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Host side: user-space writers of eventfds (pmd threads of a vhost-user backend). How long the
 * write kept them: what the kernel does inside it, injection or the workqueue's turn on the same
 * CPU, delays the packets that the thread has not sent yet. And, by a probe of the DPDK library
 * that they use, how long ago they took packets from a vhost-user queue. Attached only while
 * somebody wants details of writers: a polling thread calls the library without a pause. */
#include "common.bpf.h"
#include "compat.bpf.h"
#include "detail.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, struct rs_writer_slot);
} writer_slots SEC(".maps");

/* Filled by the agent: eventfd_ctx to slot. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u64);
  __type(value, u32);
} writer_of_ctx SEC(".maps");

/* By thread: the write that it is in, and when it last took packets (0: the last try gave none). */
struct writer_thread {
  u64 entered_ns;
  u64 took_ns;
  u32 slot;
  u32 pad;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, struct writer_thread);
} writer_threads SEC(".maps");

static __always_inline struct writer_thread *this_thread(void) {
  u32 tid = (u32)bpf_get_current_pid_tgid();
  struct writer_thread *known = bpf_map_lookup_elem(&writer_threads, &tid);
  if (known) return known;
  struct writer_thread fresh = {};
  bpf_map_update_elem(&writer_threads, &tid, &fresh, BPF_ANY);
  return bpf_map_lookup_elem(&writer_threads, &tid);
}

static __always_inline int write_begins(struct file *file) {
  hook_hit(RS_HOOK_WRITE_ENTRY);
  u64 ctx = (u64)BPF_CORE_READ(file, private_data);
  u32 *slot = bpf_map_lookup_elem(&writer_of_ctx, &ctx);
  if (!slot) return 0;
  struct rs_writer_slot *s = bpf_map_lookup_elem(&writer_slots, slot);
  if (!s || s->ctx != ctx || s->ctx_id != compat_eventfd_id(ctx)) return 0;
  struct writer_thread *thread = this_thread();
  if (!thread) {
    hook_unplaced(RS_HOOK_WRITE_ENTRY);
    return 0;
  }
  u64 now = bpf_ktime_get_ns();
  thread->slot = *slot;
  thread->entered_ns = now;
  if (!thread->took_ns || !(s->detail & detail_bit(RS_EVENT_WRITER_FORWARDED))) return 0;
  struct hit hit = {.now = now, .number = count_up(&s->forwarded)};
  hit.value = now - thread->took_ns;
  detail_record(s->detail, RS_HOOK_WRITE_ENTRY, RS_EVENT_WRITER_FORWARDED, *slot, &hit);
  return 0;
}

static __always_inline int write_ends(void) {
  hook_hit(RS_HOOK_WRITE_EXIT);
  u32 tid = (u32)bpf_get_current_pid_tgid();
  struct writer_thread *thread = bpf_map_lookup_elem(&writer_threads, &tid);
  if (!thread || !thread->entered_ns) return 0;
  u64 now = bpf_ktime_get_ns();
  u32 slot = thread->slot;
  struct rs_writer_slot *s = bpf_map_lookup_elem(&writer_slots, &slot);
  struct hit hit = {.now = now, .value = now - thread->entered_ns};
  thread->entered_ns = 0;
  if (!s || !(s->detail & detail_bit(RS_EVENT_WRITER_RETURNED))) return 0;
  hit.number = count_up(&s->returned);
  detail_record(s->detail, RS_HOOK_WRITE_EXIT, RS_EVENT_WRITER_RETURNED, slot, &hit);
  return 0;
}

SEC("fentry/eventfd_write")
int BPF_PROG(writer_begins, struct file *file) { return write_begins(file); }
SEC("fexit/eventfd_write")
int BPF_PROG(writer_ends, struct file *file) { return write_ends(); }
SEC("kprobe/eventfd_write")
int BPF_KPROBE(writer_begins_k, struct file *file) { return write_begins(file); }
SEC("kretprobe/eventfd_write")
int BPF_KRETPROBE(writer_ends_k) { return write_ends(); }

/* rte_vhost_dequeue_burst: the agent says of which process and library. */
SEC("uretprobe")
int BPF_KRETPROBE(writer_took, u64 packets) {
  hook_hit(RS_HOOK_TOOK);
  u32 tid = (u32)bpf_get_current_pid_tgid();
  bool some = packets & 0xffff;
  struct writer_thread *thread = bpf_map_lookup_elem(&writer_threads, &tid);
  if (!thread && some) thread = this_thread();
  if (thread && (some || thread->took_ns)) thread->took_ns = some ? bpf_ktime_get_ns() : 0;
  return 0;
}
