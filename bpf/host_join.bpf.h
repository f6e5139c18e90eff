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

/* What the index says of a route's key leads to another slot from now on, or to none. */
static __always_inline void route_forget(u64 kvm, u32 gsi, u32 slot) {
  struct route_key key = {.kvm = kvm, .gsi = gsi};
  u32 *known = bpf_map_lookup_elem(&slot_of_route, &key);
  if (known && *known == slot) bpf_map_delete_elem(&slot_of_route, &key);
}

/* The slot of a queue's interrupt follows the queue: a VMM that sets its notifiers up anew (pause,
 * driver reload) may give it the route that another queue had, whose counts stay that one's. */
static __noinline int route_moves(u32 slot, u64 address) {
  struct kvm_kernel_irqfd *irqfd = (void *)address;
  struct rs_route_slot *r = route_by_slot(slot);
  if (!r) return -1;
  struct route_key key = {.kvm = (u64)BPF_CORE_READ(irqfd, kvm)};
  key.gsi = BPF_CORE_READ(irqfd, gsi);
  u32 *known = bpf_map_lookup_elem(&slot_of_route, &key);
  if (known && *known == slot) return 0;
  route_forget(r->kvm, r->gsi, slot);
  r->kvm = key.kvm;
  r->gsi = key.gsi;
  bpf_map_update_elem(&slot_of_route, &key, &slot, BPF_ANY);
  return 0;
}

/* Joins a vhost queue to the route its eventfd leads to; keeps the last route while the eventfd
 * has no irqfd (masked), because that is still the queue's interrupt. */
static __noinline int vhost_join(struct rs_vhost_slot *v, u32 slot, struct eventfd_ctx *ctx) {
  u64 key = (u64)ctx;
  v->ctx = key;
  if (key) bpf_map_update_elem(&vhost_of_ctx, &key, &slot, BPF_ANY);
  u64 irqfd = irqfd_of_ctx(ctx);
  if (!irqfd) return -1;
  if (v->route) route_moves(v->route - 1, irqfd);
  int route = route_of_irqfd(irqfd);
  struct rs_route_slot *r = route < 0 ? 0 : route_by_slot(route);
  if (!r) return -1;
  if (r->vhost && r->vhost != slot + 1) { /* of a queue that had this route before */
    route_forget(r->kvm, r->gsi, route);
    route = route_of_irqfd(irqfd);
    r = route < 0 ? 0 : route_by_slot(route);
    if (!r) return -1;
  }
  v->route = route + 1;
  r->vhost = slot + 1;
  if (!r->pos) r->pos = v->pos;
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
  return slot;
}

/* The VMM starts a queue. Its eventfd, irqfd and route are there, perhaps other ones than before;
 * what they carry from now on is this queue's. A ring elsewhere is another queue's, which begins
 * with its first batch: its index is not there yet. */
static __always_inline int vhost_starts(struct vhost_virtqueue *vq) {
  hook_hit(RS_HOOK_VHOST_START);
  u64 key = (u64)vq;
  u32 *known = bpf_map_lookup_elem(&slot_of_vhost, &key);
  struct rs_vhost_slot *v = known ? vhost_by_slot(*known) : 0;
  if (!v) return 0;
  if (v->id.ring == BPF_CORE_READ(vq, log_addr)) {
    vhost_join(v, *known, compat_call_ctx(vq));
    return 0;
  }
  struct rs_route_slot *r = v->route ? route_by_slot(v->route - 1) : 0;
  if (r) route_forget(r->kvm, r->gsi, v->route - 1);
  bpf_map_delete_elem(&slot_of_vhost, &key);
  return 0;
}

SEC("fentry/vhost_vq_init_access")
int BPF_PROG(host_vhost_starts, struct vhost_virtqueue *vq) { return vhost_starts(vq); }
