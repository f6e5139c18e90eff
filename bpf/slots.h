/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counter slots: one per queue and kind, in memory-mapped arrays. Part of events.h, which says the
 * rules; include that. A cache line per writer domain. */
#ifndef RINGSIDE_BPF_SLOTS_H_
#define RINGSIDE_BPF_SLOTS_H_

/* Identity of a slot, written once when the slot is given out. */
struct rs_identity {
  rs_u64 object;     /* guest: struct virtqueue; host: struct vhost_virtqueue or irqfd's kvm */
  rs_u64 ring;       /* guest: address of used->idx in the kernel; host: log_addr */
  rs_u64 ring_dma;   /* guest: DMA address of the used ring; host: same as ring */
  rs_u32 size;       /* entries of the ring; 0 where there are no positions (packed rings) */
  rs_u32 mark_shift; /* marks at multiples of 1 << mark_shift entries */
};

/* The kernel's rule for interrupts that nobody handles, followed call by call (spurious.h). */
struct rs_spurious {
  rs_u64 last_none; /* jiffies at the last call without work */
  rs_u32 count;     /* calls in this window: the kernel's irq_count */
  rs_u32 lo;        /* its irqs_unhandled, at least */
  rs_u32 hi;        /* the same, at most */
  rs_u32 state;     /* RS_SPURIOUS_*, and above them the serial of the last seed; LATE: not taken */
};
enum { RS_SPURIOUS_KNOWN = 1, RS_SPURIOUS_FROZEN, RS_SPURIOUS_LATE = 4, RS_SPURIOUS_SERIAL = 8 };
struct rs_spurious_ends {
  rs_u64 windows; /* ends of a window seen */
  rs_u32 peak_lo; /* most unhandled at the end of a window, at least and at most */
  rs_u32 peak_hi;
  rs_u64 trips_lo; /* ends at which the kernel switched the interrupt off, at least and at most */
  rs_u64 trips_hi;
};
/* The kernel's own numbers as the agent read them, true right after call number `calls`. */
struct rs_spurious_seed {
  rs_u64 calls;
  rs_u64 last_none;
  rs_u32 count;
  rs_u32 unhandled;
  rs_u32 frozen; /* 1: this kernel counts only while irqs_unhandled is not 0 */
  rs_u32 serial; /* written last; a new value asks for adoption */
};

/* Guest side of one virtqueue. A cache line per writer. */
struct rs_guest_slot {
  struct rs_identity id;
  rs_u32 irq;  /* number of the interrupt that was last seen for it */
  rs_u32 pair; /* slot of the other direction's queue + 1, 0 if none */
  rs_u32 in_use;
  rs_u32 pad;
  rs_u64 detail; /* written by the agent, see rs_detail_filter; 0: no details */
  rs_u64 pad0;
  /* irq domain */
  rs_u64 irqs;
  rs_u64 handled;
  rs_u64 none;
  rs_u64 irq_pos; /* used->idx at the last interrupt, extended to 64 bits */
  /* Not 0 while its handler runs, as an exit counts only if its entry was seen: the time of entry
   * if details want that, else 1. */
  rs_u64 irq_open;
  struct rs_spurious spurious;
  /* napi domain, by atomic adds; also the pair's owner writes `pair_pos` of its own slot only */
  rs_u64 softirq;
  rs_u64 busy;
  rs_u64 thread;
  rs_u64 netpoll;
  rs_u64 packets;
  rs_u64 napi_pos; /* own last_used_idx after the last poll, extended */
  rs_u64 pair_pos; /* the pair's, seen at the same moment */
  rs_u64 packets_busy;
  /* written by the walk program, which only the agent runs */
  rs_u64 walk_pos; /* used->idx when last read on demand, extended */
  rs_u64 walk_pad[3];
  /* napi domain: the last busy poller, and its row of parts + 1 */
  rs_u32 busy_pid;
  rs_u32 busy_row;
  rs_u64 busy_pad[3];
  /* irq domain, rarely written; then written by the agent */
  struct rs_spurious_ends ends;
  struct rs_spurious_seed seed;
};
RS_ASSERT(sizeof(struct rs_guest_slot) == 320, "a cache line per writer domain");

/* Guest side: the network receive softirq of one CPU. */
enum { RS_SOFTIRQ_BUCKETS = 20 };
struct rs_softirq_cell {
  rs_u64 entered_ns; /* 0 while none runs */
  rs_u64 run_ns;
  rs_u64 runs;
  rs_u64 pad;
  rs_u64 took[RS_SOFTIRQ_BUCKETS]; /* [0] under 1 us, [n] from 2^(n-1) us on, the last open */
};
RS_ASSERT(sizeof(struct rs_softirq_cell) == 192, "three cache lines");

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
  rs_u32 route; /* slot of the route its eventfd leads to + 1, 0 while unknown */
  rs_u32 in_use;
  rs_u64 ctx;    /* eventfd_ctx at the last batch */
  rs_u64 detail; /* as in rs_guest_slot */
  rs_u64 pad0;
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
  rs_u64 jumps;      /* times the index changed outside of the hooks */
  rs_u64 empty;      /* of those signalled: the index had not moved */
  rs_u64 signal_pos; /* pos of the last batch that was signalled */
  rs_u64 cur_pad[2];
};
RS_ASSERT(sizeof(struct rs_vhost_slot) == 192, "three cache lines");
enum { RS_CUR_SIGNALLED = 1, RS_CUR_WOKEN = 2, RS_CUR_OPEN = 4, RS_CUR_HELD = 8 };

/* Host side: one irqfd route (one interrupt message of one VM). */
struct rs_route_slot {
  rs_u64 kvm;
  rs_u64 ctx; /* eventfd_ctx, 0 for a route seen only as a message */
  rs_u32 gsi;
  rs_u32 vhost;   /* slot of the vhost queue that signals it + 1, 0 if none */
  rs_u64 address; /* the MSI message last used */
  rs_u32 data;
  rs_u32 epoch; /* grows when the message changes */
  rs_u32 owner_tgid;
  rs_u32 in_use;
  rs_u64 mm;
  rs_u64 detail; /* as in rs_guest_slot */
  /* route domain */
  rs_u64 woken_fentry; /* one hook each; the reader takes the one that is proven */
  rs_u64 woken_kprobe;
  rs_u64 injected;
  rs_u64 rejected;
  rs_u64 slowpath;    /* fast path said EWOULDBLOCK: handed to the workqueue */
  rs_u64 merged_seen; /* pending bit already set just before it was set (upper bound) */
  rs_u64 merge_blind; /* injections for which the pending bit could not be read */
  rs_u64 pos;         /* position at the last injection */
  /* shared domain: atomic adds */
  rs_u64 slow_injected;
  rs_u64 slow_rejected;
  rs_u64 slow_merged;
  rs_u64 taken;        /* kvm_inj_virq with reinjected = 0 for its vCPU and vector */
  rs_u64 written;      /* eventfd_write by user space */
  rs_u64 signalled_in; /* signals by kernel users other than its own vhost queue */
  rs_u64 written_vmm;  /* of those written, by a thread of the VM's own process */
  rs_u64 ctx_id;       /* of its eventfd, as in /proc/PID/fdinfo; 0 where the kernel has none */
  /* route domain again (merges.h) */
  rs_u64 merge_doubt;           /* of merged_seen, may have been none */
  rs_u64 run_merges, run_taken; /* merges since nothing was found pending last; `taken` then */
  rs_u64 vgic_queued, vgic_populated; /* arm64: LPI newly on a list; handed over since (atomic) */
  rs_u64 lpi_waiting, lpi;            /* 1: queued and not yet handed over; its number */
  rs_u64 written_masked;              /* of those written, no irqfd waited (atomic) */
};
RS_ASSERT(sizeof(struct rs_route_slot) == 256, "whole cache lines");

/* How one count of one queue divides: rows of a bounded table. */
enum rs_part_kind {
  RS_PART_BUSY = 1, /* guest slot: busy polls by process; `who` is its pid */
  RS_PART_WRITER,   /* route slot: writes to its eventfd by thread; `who` is its id */
  RS_PART_DROP      /* tun slot: drops by reason; `who` is the kernel's number of it */
};
struct rs_part {
  rs_u32 kind, slot;
  rs_u32 who;
  rs_u32 in_use;
  rs_u64 value;
  char comm[16];    /* of the thread that was seen first */
  rs_u32 tgid, pad; /* its process */
};

/* Host side: one queue of a tap, one row per CPU. */
struct rs_tun_cell {
  rs_u64 offered; /* at entry */
  rs_u64 enqueued, dropped;
  rs_u64 unknown; /* return value that is neither */
};
struct rs_tun_slot {
  rs_u32 ifindex;
  rs_u32 queue;
  rs_u32 in_use;
  rs_u32 pad;
  rs_u64 detail; /* as in rs_guest_slot */
};

#endif /* RINGSIDE_BPF_SLOTS_H_ */
