/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tap queues: what the host's stack offers to tun_net_xmit, and what became of it. The return
 * value is the exact verdict: 0 queued for vhost, 1 (NET_XMIT_DROP) dropped. Bottom halves are off
 * from entry to exit, so one scratch entry per CPU joins them: no second transmit comes between. */

static __noinline int tun_slot_for(u32 ifindex, u32 queue) {
  u64 key = (u64)ifindex << 16 | (queue & 0xffff);
  u32 *known = bpf_map_lookup_elem(&slot_of_tun, &key);
  if (known) return *known;
  u32 slot = 0;
  if (bpf_map_pop_elem(&free_tun, &slot)) return -1;
  struct rs_tun_slot *t = bpf_map_lookup_elem(&tun_slots, &slot);
  if (!t) return -1;
  t->ifindex = ifindex;
  t->queue = queue;
  t->in_use = 1;
  if (bpf_map_update_elem(&slot_of_tun, &key, &slot, BPF_NOEXIST)) {
    t->in_use = 0;
    bpf_map_push_elem(&free_tun, &slot, BPF_ANY);
    known = bpf_map_lookup_elem(&slot_of_tun, &key);
    return known ? (int)*known : -1;
  }
  return slot;
}

static __always_inline struct rs_tun_cell *tun_cell(u32 slot) {
  u32 row = bpf_get_smp_processor_id() * RS_MAX_SLOTS + slot;
  return bpf_map_lookup_elem(&tun_cells, &row);
}

static __always_inline int tun_enter(struct sk_buff *skb, u32 ifindex, u32 queue) {
  hook_hit(RS_HOOK_TUN_ENTRY);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!cpu) return 0;
  cpu->tun = 0;
  int slot = tun_slot_for(ifindex, queue);
  struct rs_tun_cell *cell = slot < 0 ? 0 : tun_cell(slot);
  if (!cell) {
    hook_unplaced(RS_HOOK_TUN_ENTRY);
    return 0;
  }
  cell->offered++;
  cpu->skb = (u64)skb;
  cpu->tun = slot + 1;
  u32 index = slot;
  struct rs_tun_slot *t = bpf_map_lookup_elem(&tun_slots, &index);
  cpu->tun_detail = t ? t->detail : 0;
  if (cpu->tun_detail) cpu->len = BPF_CORE_READ(skb, len); /* after it the packet is another's */
  return 0;
}

/* Why the kernel frees a packet; of interest is the one that is being transmitted here. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(host_drop, struct sk_buff *skb, void *location, u32 reason) {
  hook_hit(RS_HOOK_DROP);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!cpu || !cpu->tun || cpu->skb != (u64)skb) return 0;
  count_part(RS_PART_DROP, cpu->tun - 1, reason);
  return 0;
}

/* Numbered by CPU, as it is counted there. */
static __always_inline void record_transmit(struct cpu_scratch *cpu, struct rs_tun_cell *cell,
                                            u32 slot, int ret) {
  u32 kind = ret ? RS_EVENT_TUN_DROPPED : RS_EVENT_TUN_ENQUEUED;
  if (!(cpu->tun_detail & detail_bit(kind))) return;
  struct hit hit = {.value = cpu->len};
  hit.number = ret ? cell->dropped + cell->unknown : cell->enqueued;
  detail_record(cpu->tun_detail, RS_HOOK_TUN_EXIT, kind, slot, &hit);
}

static __always_inline int tun_leave(int ret) {
  hook_hit(RS_HOOK_TUN_EXIT);
  struct cpu_scratch *cpu = cpu_scratch();
  if (!cpu || !cpu->tun) return 0; /* its entry was not placed, or not seen */
  u32 slot = cpu->tun - 1;
  struct rs_tun_cell *cell = tun_cell(slot);
  cpu->tun = 0;
  if (!cell) return 0;
  if (cpu->tun_detail) record_transmit(cpu, cell, slot, ret);
  if (ret == 0)
    cell->enqueued++;
  else if (ret == 1)
    cell->dropped++;
  else
    cell->unknown++;
  return 0;
}

SEC("fentry/tun_net_xmit")
int BPF_PROG(host_tun_entry, struct sk_buff *skb, struct net_device *dev) {
  return tun_enter(skb, dev->ifindex, skb->queue_mapping);
}
SEC("fexit/tun_net_xmit")
int BPF_PROG(host_tun_exit, struct sk_buff *skb, struct net_device *dev, int ret) {
  return tun_leave(ret);
}
