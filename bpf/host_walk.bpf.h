/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Host side, on demand: from a tap queue to the vhost queues behind it (also idle ones), and gauges
 * of every known vhost queue. */
#include "walk.bpf.h"

/* vhost waits for packets on the tap queue's socket: the waiter leads to the vhost device. */
static __noinline u64 vhost_dev_of(u64 head) {
  struct list_head *e = BPF_CORE_READ((struct list_head *)head, next);
  for (int i = 0; i < 4 && e && (u64)e != head; i++) {
    struct wait_queue_entry *w =
        (void *)e - bpf_core_field_offset(((struct wait_queue_entry *)0)->entry);
    if ((u64)BPF_CORE_READ(w, func) == config.fn_vhost_poll_wakeup) {
      struct vhost_poll *poll = (void *)w - bpf_core_field_offset(((struct vhost_poll *)0)->wait);
      return (u64)BPF_CORE_READ(poll, dev);
    }
    e = BPF_CORE_READ(e, next);
  }
  return 0;
}

static __noinline int walk_tun(struct rs_walk_out *out, u64 priv, u64 queue) {
  struct tun_struct *tun = (void *)priv;
  u32 count = BPF_CORE_READ(tun, numqueues);
  out->value[RS_V_QUEUES] = count;
  if (queue >= count || queue >= 256) return 0;
  u64 slot_address = priv + bpf_core_field_offset(tun->tfiles) + queue * 8;
  struct tun_file *tfile = 0;
  bpf_probe_read_kernel(&tfile, sizeof(tfile), (void *)slot_address);
  if (!tfile || (u64)BPF_CORE_READ(tfile, tun) != priv) return 0;
  out->object = (u64)tfile;
  out->value[RS_V_INDEX] = BPF_CORE_READ(tfile, queue_index);
  out->value[RS_V_SOCKET] = (u64)tfile + bpf_core_field_offset(tfile->socket);
  u32 size = BPF_CORE_READ(tfile, tx_ring.size);
  u32 producer = BPF_CORE_READ(tfile, tx_ring.producer);
  u32 consumer = BPF_CORE_READ(tfile, tx_ring.consumer_head);
  void **ring = BPF_CORE_READ(tfile, tx_ring.queue);
  u64 taken = 0;
  bpf_probe_read_kernel(&taken, 8, (void *)ring + 8 * (u64)producer);
  out->value[RS_V_SIZE] = size;
  out->value[RS_V_FULL] = taken != 0;
  /* Equal indices are an empty ring or a full one; the slot that is next to be filled tells. */
  u32 waiting = producer >= consumer ? producer - consumer : producer + size - consumer;
  out->value[RS_V_RING] = waiting == 0 && taken ? size : waiting;
  u64 head = (u64)tfile + bpf_core_field_offset(tfile->socket.wq.wait.head);
  struct vhost_dev *dev = config.fn_vhost_poll_wakeup ? (void *)vhost_dev_of(head) : 0;
  if (dev && BPF_CORE_READ(dev, nvqs) == 2) {
    u64 vqs = (u64)BPF_CORE_READ(dev, vqs);
    bpf_probe_read_kernel(&out->value[RS_V_VQ0], 8, (void *)vqs);
    bpf_probe_read_kernel(&out->value[RS_V_VQ1], 8, (void *)(vqs + 8));
  }
  out->ok = 1;
  return 0;
}

enum { FEATURE_EVENT_IDX = 29 };

/* Gauges of one vhost queue; gives it a slot if it has none. A queue whose ring moved since it was
 * first seen is another queue: not ok. */
static __noinline int walk_vhost(struct rs_walk_out *out, u64 address) {
  struct vhost_virtqueue *vq = (void *)address;
  int slot = vhost_slot_for(vq);
  struct rs_vhost_slot *v = slot < 0 ? 0 : vhost_by_slot(slot);
  if (!v) return 0;
  struct vhost_dev *dev = BPF_CORE_READ(vq, dev);
  /* Each time: a VMM that set its notifiers up anew may have exchanged eventfds and routes. */
  vhost_join(v, slot, compat_call_ctx(vq));
  out->object = address;
  out->slot = slot + 1;
  out->route = v->route;
  out->next = (u64)BPF_CORE_READ(dev, mm);
  u64 vqs = (u64)BPF_CORE_READ(dev, vqs), first = 0;
  bpf_probe_read_kernel(&first, 8, (void *)vqs);
  out->value[RS_V_INDEX] = first == address ? 0 : 1; /* VHOST_NET_VQ_RX is 0 */
  out->value[RS_V_SIZE] = BPF_CORE_READ(vq, num);
  out->value[RS_V_USED] = BPF_CORE_READ(vq, last_used_idx);
  out->value[RS_V_SIGNALLED] = BPF_CORE_READ(vq, signalled_used);
  out->value[RS_V_EVENT_IDX] = BPF_CORE_READ(vq, acked_features) & 1ull << FEATURE_EVENT_IDX;
  out->value[RS_V_AVAIL_PTR] = (u64)BPF_CORE_READ(vq, avail);
  out->value[RS_V_AVAIL] = BPF_CORE_READ(vq, last_avail_idx);
  out->value[RS_V_AVAIL_SEEN] = BPF_CORE_READ(vq, avail_idx);
  out->value[RS_V_FLAGS] = BPF_CORE_READ(vq, used_flags);
  out->value[RS_V_RING_DMA] = BPF_CORE_READ(vq, log_addr);
  out->value[RS_V_SOCKET] = (u64)BPF_CORE_READ(vq, private_data);
  out->value[RS_V_BACKEND] = out->value[RS_V_SOCKET] != 0;
  struct eventfd_ctx *ctx = compat_call_ctx(vq);
  if (ctx && config.fn_irqfd_wakeup) out->value[RS_V_IRQFD] = irqfd_of_ctx(ctx) ? 2 : 1;
  if (out->value[RS_V_RING_DMA] != v->id.ring) return 0;
  v->walk_pos = rs_max(v->walk_pos, rs_extend(v->pos, out->value[RS_V_USED]));
  out->value[RS_V_POS] = v->walk_pos;
  out->ok = 1;
  return 0;
}

SEC("raw_tp")
int host_walk(struct walk_args *args) {
  u32 zero = 0;
  struct rs_walk_out *out = bpf_map_lookup_elem(&walk_out, &zero);
  if (!out) return 0;
  __builtin_memset(out, 0, sizeof(*out));
  out->mono_ns = bpf_ktime_get_ns();
  u64 arg = args->arg, arg2 = args->arg2;
  switch (args->op) {
    case RS_WALK_NETDEVS: walk_netdevs(out); break;
    case RS_WALK_NETDEV: walk_netdev(out, arg); break;
    case RS_WALK_TUN:
      if (bpf_core_type_exists(struct tun_struct)) walk_tun(out, arg, arg2);
      break;
    case RS_WALK_VHOST: walk_vhost(out, arg); break;
  }
  return 0;
}
