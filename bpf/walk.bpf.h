/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What both walk programs need: one output record and the steps over network devices. */

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct rs_walk_out);
} walk_out SEC(".maps");

/* Arguments of a walk, as the agent passes them (bpf_raw_tracepoint_args). */
struct walk_args {
  u64 op;
  u64 arg;
  u64 arg2;
};

/* The list of devices of the network namespace that the agent runs in. */
static __always_inline void walk_netdevs(struct rs_walk_out *out) {
  struct task_struct *task = (void *)bpf_get_current_task();
  struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);
  if (!net) return;
  out->object = (u64)net + bpf_core_field_offset(((struct net *)0)->dev_base_head);
  out->next = (u64)BPF_CORE_READ(net, dev_base_head.next);
  out->ok = 1;
}

static __always_inline void walk_netdev(struct rs_walk_out *out, u64 node) {
  struct net_device *dev = (void *)node - bpf_core_field_offset(((struct net_device *)0)->dev_list);
  out->next = (u64)BPF_CORE_READ(dev, dev_list.next);
  out->value[RS_V_IFINDEX] = BPF_CORE_READ(dev, ifindex);
  bpf_probe_read_kernel(out->name, 16, (void *)dev + bpf_core_field_offset(dev->name));
  out->object = (u64)compat_netdev_priv(dev);
  out->ok = 1;
}
