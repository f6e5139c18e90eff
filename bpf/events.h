/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The only types that BPF programs and the agent share. Every struct here has a fixed layout
 * (checked by static assertions in both languages) and lives in memory-mapped BPF arrays or in
 * ring buffers. Counters only grow; nothing here is ever cleared while the agent lives.
 *
 * Writer domains (who may write a group of counters, so that plain adds are exact):
 *   irq    the handler of one interrupt: Linux never runs it twice at the same time
 *   napi   the owner of the NAPI instance (softirq, thread or busy poller), and for a moment the
 *          one before it: atomic adds
 *   vhost  the worker that holds vq->mutex
 *   route  the waker of one irqfd, under its wait queue's lock, interrupts off
 *   shared several CPUs at once: atomic adds (slow path, vCPU threads, user-space writers)
 */
#ifndef RINGSIDE_BPF_EVENTS_H_
#define RINGSIDE_BPF_EVENTS_H_

#ifdef __cplusplus
#include <cstdint>
typedef uint64_t rs_u64;
typedef uint32_t rs_u32;
typedef uint16_t rs_u16;
#define RS_ASSERT(cond, text) static_assert(cond, text)
extern "C" {
#else
typedef unsigned long long rs_u64;
typedef unsigned int rs_u32;
typedef unsigned short rs_u16;
#define RS_ASSERT(cond, text) _Static_assert(cond, text)
#endif

enum {
  RS_MAX_SLOTS = 1024, /* queues per node and kind; a host with more says so in hook misses */
  RS_MAX_IRQS = 16384, /* interrupt numbers looked up directly; x86 servers stay below */
  RS_MAX_CPUS = 1024,
  RS_MAX_PARTS = 512, /* of counts by process or reason, per node; more are in the count alone */
  RS_MARK_BYTES = 1 << 19, /* ring of marks: 4,600 marks between two agent wake-ups */
  RS_EVENT_BYTES = 1 << 22 /* ring of details: 130,000 events */
};

/* What the agent tells the programs before they load (read-only data). Addresses of functions
 * come from /proc/kallsyms; 0 where the kernel does not have the symbol. */
struct rs_config {
  rs_u64 fn_vring_interrupt;
  rs_u64 fn_virtnet_poll;
  rs_u64 fn_virtnet_poll_tx;
  rs_u64 fn_irqfd_wakeup;
  rs_u64 fn_vhost_poll_wakeup;
  rs_u32 napi_busy_bit;   /* bit number of NAPI_STATE_IN_BUSY_POLL in napi_struct.state */
  rs_u32 napi_thread_bit; /* likewise NAPI_STATE_SCHED_THREADED; 32 where absent */
  rs_u32 cpus;            /* rows of per-CPU tables */
  rs_u32 spurious_gap;    /* HZ/10, in jiffies (spurious.h) */
  rs_u32 vmx;             /* this CPU's virtualisation is Intel's */
  rs_u32 woken_hook;      /* RS_HOOK_WOKEN_*: whose wake-ups are recorded as details */
  rs_u32 hold;            /* not 0: batches that begin now are not counted (agent: SetPaused) */
  rs_u32 pad;
};

/* Hooks, one per program that counts; the index into rs_hook_cell tables. */
enum rs_hook {
  RS_HOOK_IRQ_ENTRY,
  RS_HOOK_IRQ_EXIT,
  RS_HOOK_NAPI,
  RS_HOOK_TUN_ENTRY,
  RS_HOOK_TUN_EXIT,
  RS_HOOK_VHOST_ENTRY,
  RS_HOOK_VHOST_EXIT,
  RS_HOOK_EVENTFD_SIGNAL,
  RS_HOOK_EVENTFD_WRITE,
  RS_HOOK_WOKEN_FENTRY,
  RS_HOOK_WOKEN_KPROBE,
  RS_HOOK_INATOMIC_ENTRY,
  RS_HOOK_INATOMIC_EXIT,
  RS_HOOK_ACCEPT,
  RS_HOOK_SET_IRQ_ENTRY,
  RS_HOOK_SET_IRQ_EXIT,
  RS_HOOK_INJ_VIRQ,
  RS_HOOK_MSI_SET_IRQ,   /* tracepoint kvm_msi_set_irq: what remains without function hooks */
  RS_HOOK_APIC_ACCEPT,   /* tracepoint kvm_apic_accept_irq */
  RS_HOOK_DROP,          /* tracepoint kfree_skb: reasons of tap drops */
  RS_HOOK_SOFTIRQ_ENTRY, /* tracepoints softirq_entry, softirq_exit: NET_RX */
  RS_HOOK_SOFTIRQ_EXIT,
  RS_HOOK_VGIC_QUEUED, /* arm64: return of vgic_queue_irq_unlock, whose entry is RS_HOOK_ACCEPT */
  RS_HOOK_VGIC_POPULATED,
  RS_HOOK_SYS_WRITE,    /* tracepoint sys_enter: writes to eventfds, without function hooks */
  RS_HOOK_SCHED_SWITCH, /* tracepoints, of vCPU threads, while details of these are wanted */
  RS_HOOK_SCHED_WAKEUP,
  RS_HOOK_VHOST_START,
  RS_HOOK_WRITE_ENTRY, /* of eventfd_write, while details of its writers are wanted */
  RS_HOOK_WRITE_EXIT,
  RS_HOOK_TOOK, /* user probe: return of rte_vhost_dequeue_burst */
  RS_HOOKS
};

/* One per hook and CPU. `unplaced` are hits that belonged to a queue for which no slot could be
 * had: they make the upper end of every count of that hook unknown. `dropped` are ring records. */
struct rs_hook_cell {
  rs_u64 hits;
  rs_u64 unplaced;
  rs_u64 dropped;
  rs_u64 pad;
};

/* A mark: the queue's index crossed a multiple of its mark spacing between two hits of one writer
 * domain. `count` holds the domain's counters as they were BEFORE the hit that saw `pos`, so they
 * are exact for every position p with prev < p <= pos, read as "all that happened with an index
 * below p". That is why two sides need not see the same index to be compared at the same mark. */
enum rs_domain { RS_DOMAIN_IRQ, RS_DOMAIN_NAPI, RS_DOMAIN_VHOST, RS_DOMAIN_ROUTE, RS_DOMAINS };
enum { RS_MARK_COUNTS = 7 };
struct rs_mark {
  rs_u64 mono_ns;
  rs_u64 prev;
  rs_u64 pos;
  rs_u32 slot;
  rs_u16 domain;
  rs_u16 cpu;
  rs_u32 epoch;
  rs_u32 pad;
  rs_u64 count[RS_MARK_COUNTS];
};
RS_ASSERT(sizeof(struct rs_mark) == 96, "mark record");

/* A detail record: one hit of one count of one queue. Kinds as in correlate/event_kinds.h. */
enum rs_event_kind {
  RS_EVENT_GUEST_IRQ = 1,
  RS_EVENT_GUEST_HANDLED,
  RS_EVENT_GUEST_NONE,
  RS_EVENT_NAPI_SOFTIRQ,
  RS_EVENT_NAPI_BUSY,
  RS_EVENT_NAPI_THREAD,
  RS_EVENT_NAPI_NETPOLL,
  RS_EVENT_TUN_ENQUEUED,
  RS_EVENT_TUN_DROPPED,
  RS_EVENT_VHOST_SIGNALLED,
  RS_EVENT_VHOST_SUPPRESSED,
  RS_EVENT_VHOST_UNWIRED,
  RS_EVENT_EVENTFD_WRITTEN,
  RS_EVENT_IRQFD_WOKEN,
  RS_EVENT_KVM_INJECTED,
  RS_EVENT_KVM_MERGED,
  RS_EVENT_KVM_REJECTED,
  RS_EVENT_KVM_SLOWPATH,
  RS_EVENT_VHOST_BATCHES, /* at the batch's entry: nothing above its position is published yet */
  RS_EVENT_VCPU_WOKEN,
  RS_EVENT_VCPU_RUNS,        /* value: how long the thread had not run */
  RS_EVENT_WRITER_RETURNED,  /* value: how long the writer was in the write */
  RS_EVENT_WRITER_FORWARDED, /* value: since it took packets from a vhost-user queue */
  RS_EVENT_KINDS             /* one more than the highest */
};
struct rs_event {
  rs_u64 mono_ns;
  rs_u64 pos;  /* the queue's used index known there, extended; 0 where there is none */
  rs_u16 slot; /* in the slots that the kind counts in */
  rs_u16 rate; /* 1: every one is recorded; N: 1 of N; 0: chosen by value */
  rs_u16 kind;
  rs_u16 cpu;
  rs_u32 number; /* low bits of what the kind's count was before it */
  rs_u32 value;  /* nanoseconds, packets, bytes, entries or a pid, by kind */
};
RS_ASSERT(sizeof(struct rs_event) == 32, "detail record");

/* Which hits of one kind are recorded: each whose number `every` divides (0, 1: all) and whose
 * value is at least `least` (0: any). Written by the agent before the kind's bit in the word. */
struct rs_detail_filter {
  rs_u32 least;
  rs_u32 every;
};
struct rs_detail_row {
  struct rs_detail_filter of[RS_EVENT_KINDS];
};
/* Detail words of slots: bit `kind`: recorded; bit RS_DETAIL_FILTERED + `kind`: by its filter. */
enum { RS_DETAIL_FILTERED = 32 };

#include "slots.h"
#include "trace_slots.h"
#include "walk.h"

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* RINGSIDE_BPF_EVENTS_H_ */
