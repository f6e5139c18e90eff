/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Questions to and answers of the walk programs. Part of events.h; include that. */
#ifndef RINGSIDE_BPF_WALK_H_
#define RINGSIDE_BPF_WALK_H_

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
  RS_V_INDEX, /* vq or device index, tun queue index */
  RS_V_SIZE,
  RS_V_USED,         /* guest: used->idx; host: last_used_idx (16 bit) */
  RS_V_LAST_USED,    /* guest only */
  RS_V_SIGNALLED,    /* host: signalled_used, where the signal was last evaluated */
  RS_V_AVAIL,        /* guest: avail->idx; host: last_avail_idx */
  RS_V_AVAIL_SEEN,   /* host: avail_idx */
  RS_V_USED_EVENT,   /* guest: as written in the ring */
  RS_V_FLAGS,        /* guest: avail->flags; host: used_flags */
  RS_V_FLAGS_SHADOW, /* guest only */
  RS_V_NUM_FREE,     /* guest only */
  RS_V_RING_DMA,
  RS_V_POS, /* used index extended to 64 bits */
  RS_V_PACKED,
  RS_V_IFINDEX,
  RS_V_VQ0, /* tun: vhost vqs found behind the queue's socket */
  RS_V_VQ1,
  RS_V_QUEUES,  /* tun: number of queues */
  RS_V_FULL,    /* tun: 1 if the ring's producer slot is taken */
  RS_V_RING,    /* tun: packets in the ring; producer and consumer move on while both are read */
  RS_V_BACKEND, /* host: private_data != NULL */
  RS_V_VDEV,
  RS_V_FEATURES,
  RS_V_EVENT_IDX, /* not 0: the guest says by an index when it wants a signal */
  RS_V_SOCKET,    /* tun: address of the queue's socket; host: of the one that is the backend */
  RS_V_AVAIL_PTR, /* host: where the avail ring is in the VMM's memory */
  RS_V_JIFFIES,
  RS_V_IRQFD, /* host: 2 if an irqfd waits on the queue's eventfd, 1 if none does, 0 not known */
  RS_V_EVENT_TRIGGERED, /* guest: bit 0 its value, bit 1 that this kernel has it */
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

#endif /* RINGSIDE_BPF_WALK_H_ */
