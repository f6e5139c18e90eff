/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Host side: joins vhost queue, eventfd, irqfd and VM by pointer, without any help from the guest
 * and without waiting for an interrupt. */

/* Slot of a route, given out at first sight; negative if none is left. */
static __noinline int route_slot_for(u64 kvm, u32 gsi) {
  struct route_key key = {.kvm = kvm, .gsi = gsi};
  u32 *known = bpf_map_lookup_elem(&slot_of_route, &key);
  if (known) return *known;
  u32 slot = 0;
  if (bpf_map_pop_elem(&free_route, &slot)) return -1;
  struct rs_route_slot *r = route_by_slot(slot);
  if (!r) return -1;
  struct kvm *vm = (void *)kvm;
  r->kvm = kvm;
  r->gsi = gsi;
  r->mm = (u64)BPF_CORE_READ(vm, mm);
  r->owner_tgid = BPF_CORE_READ(vm, userspace_pid);
  r->in_use = 1;
  if (bpf_map_update_elem(&slot_of_route, &key, &slot, BPF_NOEXIST)) {
    r->in_use = 0;
    bpf_map_push_elem(&free_route, &slot, BPF_ANY);
    known = bpf_map_lookup_elem(&slot_of_route, &key);
    return known ? (int)*known : -1;
  }
  return slot;
}

/* Route slot behind an irqfd; also remembers its eventfd, so that wake-ups find it by that. */
static __noinline int route_of_irqfd(u64 address) {
  if (!address) return -1;
  struct kvm_kernel_irqfd *irqfd = (void *)address;
  int slot = route_slot_for((u64)BPF_CORE_READ(irqfd, kvm), BPF_CORE_READ(irqfd, gsi));
  if (slot < 0) return -1;
  struct rs_route_slot *r = route_by_slot(slot);
  if (!r) return -1;
  u64 ctx = (u64)BPF_CORE_READ(irqfd, eventfd);
  u64 id = compat_eventfd_id(ctx);
  if (r->ctx != ctx || r->ctx_id != id) {
    u64 old = r->ctx;
    u32 *had = bpf_map_lookup_elem(&slot_of_ctx, &old);
    if (had && *had == slot) bpf_map_delete_elem(&slot_of_ctx, &old);
    r->ctx = ctx;
    r->ctx_id = id;
  }
  u32 value = slot;
  bpf_map_update_elem(&slot_of_ctx, &ctx, &value, BPF_ANY);
  u32 lo = compat_msi_key(&irqfd->irq_entry);
  u32 data = BPF_CORE_READ(irqfd, irq_entry.msi.data);
  if (!r->injected && !r->rejected && !r->slowpath) {
    /* Before the first injection the message is what the route says now. */
    r->address = lo;
    r->data = data;
  }
  return slot;
}

/* The same, when the eventfd's route is known: the kernel may have given the memory of an eventfd
 * that is gone to another (a backend that connects anew), so the irqfd itself is asked. */
static __always_inline int route_of_waiter(u64 ctx, u64 address) {
  struct kvm_kernel_irqfd *irqfd = (void *)address;
  u32 *known = bpf_map_lookup_elem(&slot_of_ctx, &ctx);
  struct rs_route_slot *r = known ? route_by_slot(*known) : 0;
  if (r && r->gsi == (u32)BPF_CORE_READ(irqfd, gsi) && r->kvm == (u64)BPF_CORE_READ(irqfd, kvm))
    return *known;
  return route_of_irqfd(address);
}

/* Joins a vhost queue to the route its eventfd leads to; keeps the last route while the eventfd
 * has no irqfd (masked), because that is still the queue's interrupt. */
static __noinline int vhost_join(struct rs_vhost_slot *v, u32 slot, struct eventfd_ctx *ctx) {
  u64 key = (u64)ctx;
  v->ctx = key;
  if (key) bpf_map_update_elem(&vhost_of_ctx, &key, &slot, BPF_ANY);
  int route = route_of_irqfd(irqfd_of_ctx(ctx));
  if (route < 0) return -1;
  struct rs_route_slot *old = v->route ? route_by_slot(v->route - 1) : 0;
  if (old && old->vhost == slot + 1) old->vhost = 0;
  v->route = route + 1;
  struct rs_route_slot *r = route_by_slot(route);
  if (r) r->vhost = slot + 1;
  return 0;
}

static __noinline int vhost_slot_for(struct vhost_virtqueue *vq) {
  u64 key = (u64)vq;
  u32 *known = bpf_map_lookup_elem(&slot_of_vhost, &key);
  if (known) return *known;
  u32 slot = 0;
  if (bpf_map_pop_elem(&free_vhost, &slot)) return -1;
  struct rs_vhost_slot *v = vhost_by_slot(slot);
  if (!v) return -1;
  v->id.object = key;
  v->id.ring = BPF_CORE_READ(vq, log_addr);
  v->id.ring_dma = v->id.ring;
  v->id.size = BPF_CORE_READ(vq, num);
  v->id.mark_shift = rs_mark_shift(v->id.size);
  v->pos = BPF_CORE_READ(vq, last_used_idx);
  v->pos_entry = v->pos;
  v->walk_pos = v->pos;
  v->in_use = 1;
  if (bpf_map_update_elem(&slot_of_vhost, &key, &slot, BPF_NOEXIST)) {
    v->in_use = 0;
    bpf_map_push_elem(&free_vhost, &slot, BPF_ANY);
    known = bpf_map_lookup_elem(&slot_of_vhost, &key);
    return known ? (int)*known : -1;
  }
  vhost_join(v, slot, compat_call_ctx(vq));
  struct rs_route_slot *r = v->route ? route_by_slot(v->route - 1) : 0;
  if (r && !r->pos) r->pos = v->pos;
  return slot;
}
