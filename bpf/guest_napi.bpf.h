/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guest side, polls: who polled (softirq, busy poller, thread, netpoll), how many packets, and how
 * far both queues of the pair were consumed at that moment. */

/* rq[i] and sq[i] of one device belong together; found by the offset within the rq array. */
static __always_inline u64 pair_of(bool rx, struct virtqueue *vq) {
  struct virtio_device *vdev = BPF_CORE_READ(vq, vdev);
  struct virtnet_info *info = BPF_CORE_READ(vdev, priv);
  u32 pair = BPF_CORE_READ(vq, index) / 2;
  if (rx) {
    struct send_queue *sq = BPF_CORE_READ(info, sq);
    sq = (void *)sq + pair * bpf_core_type_size(struct send_queue);
    return (u64)BPF_CORE_READ(sq, vq);
  }
  struct receive_queue *rq = BPF_CORE_READ(info, rq);
  rq = (void *)rq + pair * bpf_core_type_size(struct receive_queue);
  return (u64)BPF_CORE_READ(rq, vq);
}

/* How far the guest has taken entries off a used ring. */
static __always_inline u16 consumed_index(u64 address) {
  struct vring_virtqueue *vq = (void *)address;
  return BPF_CORE_READ(vq, last_used_idx);
}

/* First poll of a NAPI instance: 0 if it is virtio_net's and has a slot. */
static __noinline int napi_resolve(struct napi_struct *napi, u64 poll) {
  bool rx = poll == config.fn_virtnet_poll;
  struct virtqueue *vq;
  if (rx) {
    struct receive_queue *rq =
        (void *)napi - bpf_core_field_offset(((struct receive_queue *)0)->napi);
    vq = BPF_CORE_READ(rq, vq);
  } else {
    struct send_queue *sq = (void *)napi - bpf_core_field_offset(((struct send_queue *)0)->napi);
    vq = BPF_CORE_READ(sq, vq);
  }
  int slot = slot_for((struct vring_virtqueue *)vq);
  if (slot < 0) return -1;
  struct napi_entry entry = {.vq = (u64)vq, .slot = slot, .pair_vq = pair_of(rx, vq)};
  int pair = entry.pair_vq ? slot_for((struct vring_virtqueue *)entry.pair_vq) : -1;
  if (pair >= 0) entry.pair_slot = pair + 1;
  u64 key = (u64)napi;
  bpf_map_update_elem(&napi_entries, &key, &entry, BPF_ANY);
  u32 index = slot;
  struct rs_guest_slot *s = bpf_map_lookup_elem(&guest_slots, &index);
  if (!s) return -1;
  s->pair = entry.pair_slot;
  if (entry.pair_vq) s->pair_pos = consumed_index(entry.pair_vq);
  return 0;
}

/* A busy poller is a process; the row of the last one is remembered, because one spins for long. */
static __always_inline void count_busy(struct rs_guest_slot *s, u32 slot, int work) {
  __sync_fetch_and_add(&s->packets_busy, work);
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  if (pid != s->busy_pid || !s->busy_row) {
    s->busy_pid = pid;
    s->busy_row = part_row(RS_PART_BUSY, slot, pid) + 1;
  }
  struct rs_part *part = s->busy_row ? part_by_row(s->busy_row - 1) : 0;
  if (part) __sync_fetch_and_add(&part->value, 1);
}

static __always_inline u64 *poll_count(struct rs_guest_slot *s, u32 kind) {
  if (kind == RS_EVENT_NAPI_NETPOLL) return &s->netpoll;
  if (kind == RS_EVENT_NAPI_BUSY) return &s->busy;
  return kind == RS_EVENT_NAPI_THREAD ? &s->thread : &s->softirq;
}

/* Who polled. The tracepoint comes after the poll, which may have given the NAPI instance back: its
 * state can already be that of a busy poller on another CPU. So the softirq is told by itself. */
static __always_inline u32 poll_kind(struct napi_struct *napi, int budget) {
  u64 state = napi->state;
  if (!budget) return RS_EVENT_NAPI_NETPOLL;
  if (budget == napi->weight && in_net_rx()) return RS_EVENT_NAPI_SOFTIRQ;
  /* A busy loop's last poll has the bit cleared, not the budget. */
  if ((state >> config.napi_busy_bit) & 1 || budget != napi->weight) return RS_EVENT_NAPI_BUSY;
  return (state >> config.napi_thread_bit) & 1 ? RS_EVENT_NAPI_THREAD : RS_EVENT_NAPI_SOFTIRQ;
}

SEC("tp_btf/napi_poll")
int BPF_PROG(guest_napi_poll, struct napi_struct *napi, int work, int budget) {
  hook_hit(RS_HOOK_NAPI);
  u64 poll = (u64)napi->poll;
  if (!poll || (poll != config.fn_virtnet_poll && poll != config.fn_virtnet_poll_tx)) return 0;
  u64 key = (u64)napi;
  struct napi_entry *entry = bpf_map_lookup_elem(&napi_entries, &key);
  if (!entry && !napi_resolve(napi, poll)) entry = bpf_map_lookup_elem(&napi_entries, &key);
  struct rs_guest_slot *s = 0;
  if (entry) s = bpf_map_lookup_elem(&guest_slots, &entry->slot);
  if (!s) {
    hook_unplaced(RS_HOOK_NAPI);
    return 0;
  }
  u32 kind = poll_kind(napi, budget);
  if (s->id.size) {
    u16 seen = consumed_index(entry->vq);
    s->napi_pos = rs_max(s->napi_pos, rs_extend(rs_max(s->napi_pos, s->walk_pos), seen));
    if (entry->pair_slot) {
      seen = consumed_index(entry->pair_vq);
      s->pair_pos = rs_max(s->pair_pos, rs_extend(s->pair_pos, seen));
    }
  }
  u64 *count = poll_count(s, kind);
  if (s->detail & detail_bit(kind)) {
    struct hit hit = {.pos = s->napi_pos, .number = *count, .value = work};
    detail_record(s->detail, RS_HOOK_NAPI, kind, entry->slot, &hit);
  }
  /* Whoever polls next may be here, too. */
  __sync_fetch_and_add(count, 1);
  __sync_fetch_and_add(&s->packets, work);
  if (kind == RS_EVENT_NAPI_BUSY) count_busy(s, entry->slot, work);
  return 0;
}
