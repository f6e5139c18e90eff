/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guest side, on demand: finds virtqueues of idle devices and reads gauges of every known one. */
#include "walk.bpf.h"

/* Gauges of a split ring: both sides' indices as they stand, and how the guest asks for signals. */
static __noinline int walk_vq_gauges(struct vring_virtqueue *vq, struct rs_walk_out *out) {
  u32 size = BPF_CORE_READ(vq, split.vring.num);
  u64 avail = (u64)BPF_CORE_READ(vq, split.vring.avail);
  u64 used = (u64)BPF_CORE_READ(vq, split.vring.used);
  u64 desc = (u64)BPF_CORE_READ(vq, split.vring.desc);
  out->value[RS_V_SIZE] = size;
  out->value[RS_V_NUM_FREE] = BPF_CORE_READ(vq, vq.num_free);
  out->value[RS_V_PACKED] = BPF_CORE_READ(vq, packed_ring);
  if (out->value[RS_V_PACKED]) return 0;
  out->value[RS_V_EVENT_IDX] = BPF_CORE_READ(vq, event);
  out->value[RS_V_EVENT_TRIGGERED] = compat_event_triggered(vq);
  out->value[RS_V_LAST_USED] = BPF_CORE_READ(vq, last_used_idx);
  out->value[RS_V_FLAGS_SHADOW] = BPF_CORE_READ(vq, split.avail_flags_shadow);
  out->value[RS_V_RING_DMA] = BPF_CORE_READ(vq, split.queue_dma_addr) + (used - desc);
  out->value[RS_V_USED] = read_u16(used + 2);
  out->value[RS_V_FLAGS] = read_u16(avail);
  out->value[RS_V_AVAIL] = read_u16(avail + 2);
  out->value[RS_V_USED_EVENT] = read_u16(avail + 4 + 2 * (u64)(u16)size);
  return 0;
}

/* Remembered pointers are checked before they are believed: a queue whose ring is no longer where
 * it was is gone (device removed or reset), and the agent starts a new one. */
static __noinline int walk_slot(u32 slot, struct rs_walk_out *out) {
  struct rs_guest_slot *s = bpf_map_lookup_elem(&guest_slots, &slot);
  if (!s || !s->in_use) return 0;
  struct vring_virtqueue *vq = (void *)s->id.object;
  out->object = s->id.object;
  out->slot = slot + 1;
  walk_vq_gauges(vq, out);
  if (s->id.size) {
    if (out->value[RS_V_RING_DMA] != s->id.ring_dma) return 0;
    u64 base = rs_max(rs_max(s->irq_pos, s->napi_pos), s->walk_pos);
    s->walk_pos = rs_max(s->walk_pos, rs_extend(base, out->value[RS_V_USED]));
    out->value[RS_V_POS] = s->walk_pos;
  }
  out->value[RS_V_INDEX] = BPF_CORE_READ(vq, vq.index);
  struct virtio_device *vdev = BPF_CORE_READ(vq, vq.vdev);
  out->value[RS_V_VDEV] = (u64)vdev;
  out->value[RS_V_JIFFIES] = bpf_jiffies64();
  bpf_probe_read_kernel_str(out->name, sizeof(out->name), BPF_CORE_READ(vq, vq.name));
  out->ok = 1;
  return 0;
}

static __always_inline void walk_virtnet(struct rs_walk_out *out, u64 priv) {
  struct virtnet_info *info = (void *)priv;
  struct receive_queue *rq = BPF_CORE_READ(info, rq);
  /* Only virtio_net's private area has virtnet_poll there: else it is some other driver's. */
  if (!config.fn_virtnet_poll || (u64)BPF_CORE_READ(rq, napi.poll) != config.fn_virtnet_poll)
    return;
  out->object = (u64)BPF_CORE_READ(info, vdev);
  out->ok = 1;
}

static __always_inline void walk_vdev(struct rs_walk_out *out, u64 device) {
  struct virtio_device *vdev = (void *)device;
  out->object = device + bpf_core_field_offset(vdev->vqs);
  out->next = (u64)BPF_CORE_READ(vdev, vqs.next);
  out->value[RS_V_INDEX] = BPF_CORE_READ(vdev, index);
  out->value[RS_V_FEATURES] = BPF_CORE_READ(vdev, features);
  out->ok = 1;
}

static __always_inline void walk_vq(struct rs_walk_out *out, u64 node) {
  struct vring_virtqueue *vq =
      (void *)node - bpf_core_field_offset(((struct vring_virtqueue *)0)->vq.list);
  int slot = slot_for(vq);
  if (slot >= 0) walk_slot(slot, out);
  out->next = (u64)BPF_CORE_READ(vq, vq.list.next);
}

SEC("raw_tp")
int guest_walk(struct walk_args *args) {
  u32 zero = 0;
  struct rs_walk_out *out = bpf_map_lookup_elem(&walk_out, &zero);
  if (!out) return 0;
  __builtin_memset(out, 0, sizeof(*out));
  out->mono_ns = bpf_ktime_get_ns();
  u64 arg = args->arg;
  switch (args->op) {
    case RS_WALK_NETDEVS: walk_netdevs(out); break;
    case RS_WALK_NETDEV: walk_netdev(out, arg); break;
    case RS_WALK_VIRTNET:
      if (bpf_core_type_exists(struct virtnet_info)) walk_virtnet(out, arg);
      break;
    case RS_WALK_VDEV: walk_vdev(out, arg); break;
    case RS_WALK_VQ: walk_vq(out, arg); break;
    case RS_WALK_GUEST_SLOT: walk_slot(arg, out); break;
  }
  return 0;
}
