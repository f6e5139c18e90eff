/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The only types that BPF programs and the agent share. Every struct here has a fixed layout
 * (checked by static assertions in both languages) and lives in memory-mapped BPF arrays or in
 * ring buffers. Counters only grow; nothing here is ever cleared while the agent lives.
 *
 * Writer domains (who may write a group of counters, so that plain adds are exact):
 *   irq    the handler of one interrupt: Linux never runs it twice at the same time
 *   napi   the owner of the NAPI instance (softirq, thread or busy poller)
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
  RS_MAX_SLOTS = 1024,  /* queues per node and kind; a host with more says so in hook misses */
  RS_MAX_IRQS = 16384,  /* interrupt numbers looked up directly; x86 servers stay below */
  RS_MAX_CPUS = 1024,
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
  rs_u64 fn_handle_rx_kick; /* 0: RX is told by the position in vhost_dev.vqs */
  rs_u32 napi_busy_bit;     /* bit number of NAPI_STATE_IN_BUSY_POLL in napi_struct.state */
  rs_u32 napi_thread_bit;   /* likewise NAPI_STATE_SCHED_THREADED; 32 where absent */
  rs_u32 cpus;              /* rows of per-CPU tables */
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
  RS_HOOK_MSI_SET_IRQ, /* tracepoint kvm_msi_set_irq: what remains without function hooks */
  RS_HOOK_APIC_ACCEPT, /* tracepoint kvm_apic_accept_irq */
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

/* Identity of a slot, written once when the slot is given out. */
struct rs_identity {
  rs_u64 object;   /* guest: struct virtqueue; host: struct vhost_virtqueue or irqfd's kvm */
  rs_u64 ring;     /* guest: address of used->idx in the kernel; host: log_addr */
  rs_u64 ring_dma; /* guest: DMA address of the used ring; host: same as ring */
  rs_u32 size;     /* entries of the ring; 0 where there are no positions (packed rings) */
  rs_u32 mark_shift; /* marks at multiples of 1 << mark_shift entries */
};

/* Guest side of one virtqueue. A cache line per writer. */
struct rs_guest_slot {
  struct rs_identity id;
  rs_u32 irq;      /* number of the interrupt that was last seen for it */
  rs_u32 detail;   /* not 0: records of kind guest.irq wanted (written by the agent) */
  rs_u32 pair;     /* slot of the other direction's queue + 1, 0 if none */
  rs_u32 in_use;
  rs_u64 pad0[2];
  /* irq domain */
  rs_u64 irqs;
  rs_u64 handled;
  rs_u64 none;
  rs_u64 irq_pos;  /* used->idx at the last interrupt, extended to 64 bits */
  rs_u64 irq_open; /* 1 while its handler runs: an exit counts only if its entry was seen */
  rs_u64 irq_pad[3];
  /* napi domain; also the pair's owner writes `pair_pos` of its own slot only */
  rs_u64 softirq;
  rs_u64 busy;
  rs_u64 thread;
  rs_u64 netpoll;
  rs_u64 packets;
  rs_u64 napi_pos;  /* own last_used_idx after the last poll, extended */
  rs_u64 pair_pos;  /* the pair's, seen at the same moment */
  rs_u64 napi_pad;
  /* written by the walk program, which only the agent runs */
  rs_u64 walk_pos;  /* used->idx when last read on demand, extended */
  rs_u64 walk_pad[7];
};
RS_ASSERT(sizeof(struct rs_guest_slot) == 256, "a cache line per writer domain");

/* Without BTF: one interrupt number. Atomic adds: an interrupt number may be shared. */
struct rs_plain_irq {
  rs_u64 irqs;
  rs_u64 handled;
  rs_u64 none;
  rs_u64 pad;
};

/* Host side: one vhost virtqueue. */
struct rs_vhost_slot {
  struct rs_identity id;
  rs_u32 route;     /* slot of the route its eventfd leads to + 1, 0 while unknown */
  rs_u32 in_use;
  rs_u64 ctx;       /* eventfd_ctx at the last batch */
  rs_u64 pad0[2];
  /* vhost domain */
  rs_u64 batches;   /* calls, counted at entry */
  rs_u64 signalled; /* outcomes, counted at exit */
  rs_u64 suppressed;
  rs_u64 unwired;
  rs_u64 masked;    /* of those signalled: no irqfd waits on the eventfd */
  rs_u64 unwoken;   /* of those signalled: an irqfd waits and no wake-up was seen */
  rs_u64 pos;       /* last_used_idx after the last batch, extended */
  rs_u64 pos_entry; /* the same at its entry */
  /* state of the batch under way (vq->mutex held) */
  rs_u64 cur_ctx;
  rs_u32 cur_tid;
  rs_u32 cur_flags; /* RS_CUR_* */
  rs_u64 walk_pos;
  rs_u64 jumps;     /* times the index changed outside of the hooks */
  rs_u64 cur_pad[4];
};
RS_ASSERT(sizeof(struct rs_vhost_slot) == 192, "three cache lines");
enum { RS_CUR_SIGNALLED = 1, RS_CUR_WOKEN = 2, RS_CUR_OPEN = 4 };

/* Host side: one irqfd route (one interrupt message of one VM). */
struct rs_route_slot {
  rs_u64 kvm;
  rs_u64 ctx;          /* eventfd_ctx, 0 for a route seen only as a message */
  rs_u32 gsi;
  rs_u32 vhost;        /* slot of the vhost queue that signals it + 1, 0 if none */
  rs_u64 address;      /* the MSI message last used */
  rs_u32 data;
  rs_u32 epoch;        /* grows when the message changes */
  rs_u32 owner_tgid;
  rs_u32 in_use;
  rs_u64 mm;
  rs_u64 pad0;
  /* route domain */
  rs_u64 woken_fentry; /* one hook each; the reader takes the one that is proven */
  rs_u64 woken_kprobe;
  rs_u64 injected;
  rs_u64 rejected;
  rs_u64 slowpath;     /* fast path said EWOULDBLOCK: handed to the workqueue */
  rs_u64 merged_seen;  /* pending bit already set just before it was set (upper bound) */
  rs_u64 merge_blind;  /* injections for which the pending bit could not be read (APICv) */
  rs_u64 pos;          /* position at the last injection */
  /* shared domain: atomic adds */
  rs_u64 slow_injected;
  rs_u64 slow_rejected;
  rs_u64 slow_merged;
  rs_u64 taken;        /* kvm_inj_virq with reinjected = 0 for its vCPU and vector */
  rs_u64 written;      /* eventfd_write by user space */
  rs_u64 signalled_in; /* signals by kernel users other than its own vhost queue */
  rs_u64 shared_pad[2];
};
RS_ASSERT(sizeof(struct rs_route_slot) == 192, "three cache lines");

/* Host side: one queue of a tap, one row per CPU. */
struct rs_tun_cell {
  rs_u64 offered; /* at entry */
  rs_u64 enqueued;
  rs_u64 dropped;
  rs_u64 unknown; /* return value that is neither */
};
struct rs_tun_slot {
  rs_u32 ifindex;
  rs_u32 queue;
  rs_u32 in_use;
  rs_u32 pad;
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

/* A detail record: 32 bytes, per-CPU order, merged and packed by the agent. */
enum rs_event_kind { RS_EVENT_GUEST_IRQ = 1 };
struct rs_event {
  rs_u64 mono_ns;
  rs_u64 pos; /* guest.irq: used->idx at the interrupt, extended */
  rs_u32 slot;
  rs_u16 kind;
  rs_u16 cpu;
  rs_u64 number; /* guest.irq: interrupts of this queue before this one */
};
RS_ASSERT(sizeof(struct rs_event) == 32, "detail record");

/* The walk program: run on demand by the agent with an operation and an argument, it reads one
 * kernel object and leaves what it found in rs_walk_out. It is how idle queues are found and how
 * gauges are read. Reads are fault-safe; `ok` is 0 where an object is not what it should be. */
enum rs_walk_op {
  RS_WALK_NETDEVS = 1, /* arg: 0 -> next: first device of this process's network namespace */
  RS_WALK_NETDEV,      /* arg: list node -> next, object (netdev_priv), value[ifindex], name */
  RS_WALK_VIRTNET,     /* arg: netdev_priv of virtio_net -> object (virtio_device) */
  RS_WALK_VDEV,        /* arg: virtio_device -> next (first vq node), value[0] = index */
  RS_WALK_VQ,          /* arg: vq list node -> next, object (vq), slot, gauges */
  RS_WALK_GUEST_SLOT,  /* arg: slot -> gauges of a known queue */
  RS_WALK_TUN,         /* arg: netdev_priv of tun, arg2: queue -> tfile, ring, vhost vqs */
  RS_WALK_VHOST        /* arg: vhost_virtqueue -> slot, route slot, gauges */
};
enum rs_walk_value {
  RS_V_INDEX,        /* vq or device index, tun queue index */
  RS_V_SIZE,
  RS_V_USED,         /* guest: used->idx; host: last_used_idx (16 bit) */
  RS_V_LAST_USED,    /* guest: last_used_idx; host: signalled_used */
  RS_V_AVAIL,        /* guest: avail->idx; host: last_avail_idx */
  RS_V_AVAIL_SEEN,   /* host: avail_idx */
  RS_V_USED_EVENT,   /* guest: as written in the ring */
  RS_V_FLAGS,        /* guest: avail->flags; host: used_flags */
  RS_V_FLAGS_SHADOW, /* guest only */
  RS_V_NUM_FREE,     /* guest only */
  RS_V_RING_DMA,
  RS_V_POS,          /* used index extended to 64 bits */
  RS_V_PACKED,
  RS_V_IFINDEX,
  RS_V_VQ0,          /* tun: vhost vqs found behind the queue's socket */
  RS_V_VQ1,
  RS_V_QUEUES,       /* tun: number of queues */
  RS_V_FULL,         /* tun: 1 if the ring's producer slot is taken */
  RS_V_BACKEND,      /* host: private_data != NULL */
  RS_V_VDEV,
  RS_V_FEATURES,
  RS_VALUES
};
struct rs_walk_out {
  rs_u64 ok;
  rs_u64 next;
  rs_u64 object;
  rs_u64 slot;  /* slot + 1, 0 if none */
  rs_u64 route; /* route slot + 1, 0 if none */
  rs_u64 mono_ns;
  rs_u64 value[RS_VALUES];
  char name[32];
};

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* RINGSIDE_BPF_EVENTS_H_ */
