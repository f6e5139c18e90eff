/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* vhost: batches of used entries and what the backend decided about the guest's signal.
 *
 * vhost_signal() itself is inlined into both functions hooked here (kernel facts 0.0). A batch is
 * signalled if its thread signals the queue's eventfd between entry and exit; else the guest had
 * asked for no signal (suppressed), or no eventfd is wired. vq->mutex is held throughout, so the
 * batch under way is kept in the queue's slot. */

static __always_inline int vhost_enter(struct vhost_virtqueue *vq) {
  hook_hit(RS_HOOK_VHOST_ENTRY);
  int slot = vhost_slot_for(vq);
  struct rs_vhost_slot *v = slot < 0 ? 0 : vhost_by_slot(slot);
  if (!v) {
    hook_unplaced(RS_HOOK_VHOST_ENTRY);
    return 0;
  }
  struct eventfd_ctx *ctx = compat_call_ctx(vq);
  if (v->ctx != (u64)ctx || !v->route) vhost_join(v, slot, ctx);
  v->pos_entry = rs_extend(v->pos, BPF_CORE_READ(vq, last_used_idx));
  if (v->pos_entry != v->pos) {
    /* The index moved outside of the hooks (reset, migration): positions start anew. */
    if (v->batches) v->jumps++;
    v->pos = v->pos_entry;
  }
  v->cur_ctx = (u64)ctx;
  v->cur_tid = (u32)bpf_get_current_pid_tgid();
  /* While the hooks of its outcome come or go, a batch would be counted by half. */
  v->cur_flags = config.hold ? RS_CUR_HELD : RS_CUR_OPEN;
  if (v->cur_flags != RS_CUR_OPEN) return 0;
  if (v->detail & detail_bit(RS_EVENT_VHOST_BATCHES)) {
    struct hit hit = {.pos = v->pos_entry, .number = v->batches};
    detail_record(v->detail, RS_HOOK_VHOST_ENTRY, RS_EVENT_VHOST_BATCHES, slot, &hit);
  }
  v->batches++;
  return 0;
}

static __always_inline void vhost_mark(struct rs_vhost_slot *v, u32 slot, u64 pos) {
  struct rs_mark *mark = mark_begin(RS_HOOK_VHOST_EXIT, RS_DOMAIN_VHOST, slot, v->pos, pos);
  if (!mark) return;
  mark->count[0] = v->batches - 1; /* this batch was counted at entry and is not before the mark */
  mark->count[1] = v->signalled;
  mark->count[2] = v->suppressed;
  mark->count[3] = v->unwired;
  mark->count[4] = v->masked;
  mark->count[5] = v->unwoken;
  mark_end(mark);
}

/* A batch's outcome, and how many entries it held. */
static __always_inline void record_batch(struct rs_vhost_slot *v, u32 slot, u64 pos, u32 kind,
                                         u64 number) {
  if (!(v->detail & detail_bit(kind))) return;
  struct hit hit = {.pos = pos, .number = number, .value = pos - v->pos_entry};
  detail_record(v->detail, RS_HOOK_VHOST_EXIT, kind, slot, &hit);
}

static __always_inline int vhost_leave(struct vhost_virtqueue *vq) {
  hook_hit(RS_HOOK_VHOST_EXIT);
  int slot = vhost_slot_for(vq);
  struct rs_vhost_slot *v = slot < 0 ? 0 : vhost_by_slot(slot);
  if (!v) return 0;
  if (!(v->cur_flags & RS_CUR_OPEN)) { /* its entry was not placed, not seen, or is held */
    v->cur_flags = 0;
    return 0;
  }
  u64 pos = rs_extend(v->pos, BPF_CORE_READ(vq, last_used_idx));
  if (rs_crosses_mark(v->pos, pos, v->id.mark_shift)) vhost_mark(v, slot, pos);
  v->pos = rs_max(v->pos, pos);
  u32 flags = v->cur_flags;
  v->cur_flags = 0;
  if (!v->cur_ctx) {
    record_batch(v, slot, pos, RS_EVENT_VHOST_UNWIRED, v->unwired);
    v->unwired++;
  } else if (!(flags & (RS_CUR_SIGNALLED | RS_CUR_WOKEN))) {
    /* Neither the signal nor what it wakes was seen. */
    record_batch(v, slot, pos, RS_EVENT_VHOST_SUPPRESSED, v->suppressed);
    v->suppressed++;
  } else {
    record_batch(v, slot, pos, RS_EVENT_VHOST_SIGNALLED, v->signalled);
    v->signalled++;
    v->signal_pos = pos;
    if (pos == v->pos_entry) v->empty++;
    if (!(flags & RS_CUR_WOKEN)) {
      /* Rare: look whether anything that injects is waiting at all. */
      if (irqfd_of_ctx((struct eventfd_ctx *)v->cur_ctx))
        v->unwoken++;
      else
        v->masked++;
    }
  }
  return 0;
}

SEC("fentry/vhost_add_used_and_signal_n")
int BPF_PROG(host_vhost_n_entry, struct vhost_dev *dev, struct vhost_virtqueue *vq) {
  return vhost_enter(vq);
}
SEC("fexit/vhost_add_used_and_signal_n")
int BPF_PROG(host_vhost_n_exit, struct vhost_dev *dev, struct vhost_virtqueue *vq) {
  return vhost_leave(vq);
}
SEC("fentry/vhost_add_used_and_signal")
int BPF_PROG(host_vhost_1_entry, struct vhost_dev *dev, struct vhost_virtqueue *vq) {
  return vhost_enter(vq);
}
SEC("fexit/vhost_add_used_and_signal")
int BPF_PROG(host_vhost_1_exit, struct vhost_dev *dev, struct vhost_virtqueue *vq) {
  return vhost_leave(vq);
}

/* The batch that this thread has under way on the queue that signals an eventfd, or NULL. A held
 * one takes marks like any other, and is forgotten with them. */
static __always_inline struct rs_vhost_slot *own_batch(u64 ctx) {
  u32 *slot = bpf_map_lookup_elem(&vhost_of_ctx, &ctx);
  struct rs_vhost_slot *v = slot ? vhost_by_slot(*slot) : 0;
  if (!v || v->cur_ctx != ctx || !(v->cur_flags & (RS_CUR_OPEN | RS_CUR_HELD))) return 0;
  return v->cur_tid == (u32)bpf_get_current_pid_tgid() ? v : 0;
}

/* What the queue behind a route has published by now, extended; 0 where there are no positions. */
static __always_inline u64 route_index(struct rs_route_slot *r) {
  struct rs_vhost_slot *v = r->vhost ? vhost_by_slot(r->vhost - 1) : 0;
  if (!v || !v->id.size) return 0;
  struct vhost_virtqueue *vq = (void *)v->id.object;
  u16 index = BPF_CORE_READ(vq, last_used_idx);
  return rs_max(r->pos, rs_extend(v->pos, index));
}

static __always_inline int count_signal(struct eventfd_ctx *eventfd) {
  hook_hit(RS_HOOK_EVENTFD_SIGNAL);
  u64 key = (u64)eventfd;
  struct rs_vhost_slot *v = own_batch(key);
  if (v) {
    v->cur_flags |= RS_CUR_SIGNALLED;
    return 0;
  }
  if (config.hold) return 0; /* its batch may have begun unseen: nobody's word on who signals */
  u32 *route = bpf_map_lookup_elem(&slot_of_ctx, &key);
  struct rs_route_slot *r = route ? route_by_slot(*route) : 0;
  if (r) __sync_fetch_and_add(&r->signalled_in, 1);
  return 0;
}

/* The route behind an eventfd that somebody writes to, from the first write on; negative for
 * eventfds that have none. While the vector is masked no irqfd waits, and the eventfd that the
 * route had is still its interrupt; its id says that it is not another one at the same place. */
static __always_inline int route_of_written(u64 ctx, u64 irqfd) {
  if (irqfd) return route_of_waiter(ctx, irqfd);
  u32 *known = bpf_map_lookup_elem(&slot_of_ctx, &ctx);
  struct rs_route_slot *r = known ? route_by_slot(*known) : 0;
  return r && r->ctx == ctx && r->ctx_id == compat_eventfd_id(ctx) ? (int)*known : -1;
}

static __always_inline int count_write(struct file *file) {
  hook_hit(RS_HOOK_EVENTFD_WRITE);
  u64 key = (u64)BPF_CORE_READ(file, private_data);
  u64 irqfd = irqfd_of_ctx((struct eventfd_ctx *)key);
  int slot = route_of_written(key, irqfd);
  struct rs_route_slot *r = slot < 0 ? 0 : route_by_slot(slot);
  if (!r) {
    if (irqfd) hook_unplaced(RS_HOOK_EVENTFD_WRITE);
    return 0;
  }
  struct hit hit = {.number = count_up(&r->written), .value = bpf_get_current_pid_tgid() >> 32};
  if (r->detail & detail_bit(RS_EVENT_EVENTFD_WRITTEN)) {
    hit.pos = route_index(r);
    detail_record(r->detail, RS_HOOK_EVENTFD_WRITE, RS_EVENT_EVENTFD_WRITTEN, slot, &hit);
  }
  struct task_struct *task = (void *)bpf_get_current_task();
  if ((u64)BPF_CORE_READ(task, mm) == r->mm) __sync_fetch_and_add(&r->written_vmm, 1);
  if (!irqfd && config.fn_irqfd_wakeup) __sync_fetch_and_add(&r->written_masked, 1);
  count_part(RS_PART_WRITER, slot, (u32)bpf_get_current_pid_tgid());
  return 0;
}

SEC("fentry/eventfd_signal_mask")
int BPF_PROG(host_eventfd_signal, struct eventfd_ctx *eventfd) { return count_signal(eventfd); }
SEC("fentry/eventfd_write")
int BPF_PROG(host_eventfd_write, struct file *file) { return count_write(file); }
