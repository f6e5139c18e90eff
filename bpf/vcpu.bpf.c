/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Host side: when the threads that run vCPUs become runnable, and when they get a CPU. Attached
 * only while somebody wants details of vCPUs, because the scheduler's tracepoints are hit by every
 * thread of the machine: two lookups each time. */
#include "common.bpf.h"
#include "compat.bpf.h"
#include "detail.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, struct rs_vcpu_slot);
} vcpu_slots SEC(".maps");

/* Filled by the agent; a thread that is not in it is nobody's vCPU. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, u32);
} vcpu_of_tid SEC(".maps");

static __always_inline struct rs_vcpu_slot *vcpu_of(struct task_struct *task, u32 *slot) {
  u32 tid = task->pid;
  u32 *known = bpf_map_lookup_elem(&vcpu_of_tid, &tid);
  if (!known) return 0;
  *slot = *known;
  return bpf_map_lookup_elem(&vcpu_slots, slot);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(vcpu_switch, bool preempt, struct task_struct *prev, struct task_struct *next) {
  u32 slot = 0;
  struct rs_vcpu_slot *v = vcpu_of(prev, &slot);
  u64 now = 0;
  if (v) {
    hook_hit(RS_HOOK_SCHED_SWITCH);
    now = bpf_ktime_get_ns();
    v->off_ns = now;
  }
  v = vcpu_of(next, &slot);
  if (!v) return 0;
  if (!now) now = bpf_ktime_get_ns();
  hook_hit(RS_HOOK_SCHED_SWITCH);
  if (v->detail & detail_bit(RS_EVENT_VCPU_RUNS)) {
    struct hit hit = {.now = now, .number = v->runs, .value = v->off_ns ? now - v->off_ns : 0};
    detail_record(v->detail, RS_HOOK_SCHED_SWITCH, RS_EVENT_VCPU_RUNS, slot, &hit);
  }
  v->runs++;
  return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(vcpu_wakeup, struct task_struct *task) {
  u32 slot = 0;
  struct rs_vcpu_slot *v = vcpu_of(task, &slot);
  if (!v) return 0;
  hook_hit(RS_HOOK_SCHED_WAKEUP);
  struct hit hit = {.number = count_up(&v->woken)};
  if (v->detail & detail_bit(RS_EVENT_VCPU_WOKEN))
    detail_record(v->detail, RS_HOOK_SCHED_WAKEUP, RS_EVENT_VCPU_WOKEN, slot, &hit);
  return 0;
}
