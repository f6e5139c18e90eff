/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Host side: slots, the tables that lead from kernel objects to slots, and per-CPU scratch. */

#define SLOT_ARRAY(map_name, value_type, rows) \
  struct {                                     \
    __uint(type, BPF_MAP_TYPE_ARRAY);          \
    __uint(map_flags, BPF_F_MMAPABLE);         \
    __uint(max_entries, rows);                 \
    __type(key, u32);                          \
    __type(value, value_type);                 \
  } map_name SEC(".maps")

#define FREE_LIST(map_name)            \
  struct {                             \
    __uint(type, BPF_MAP_TYPE_QUEUE);  \
    __uint(max_entries, RS_MAX_SLOTS); \
    __type(value, u32);                \
  } map_name SEC(".maps")

#define INDEX(map_name, key_type)      \
  struct {                             \
    __uint(type, BPF_MAP_TYPE_HASH);   \
    __uint(max_entries, RS_MAX_SLOTS); \
    __type(key, key_type);             \
    __type(value, u32);                \
  } map_name SEC(".maps")

SLOT_ARRAY(vhost_slots, struct rs_vhost_slot, RS_MAX_SLOTS);
SLOT_ARRAY(route_slots, struct rs_route_slot, RS_MAX_SLOTS);
SLOT_ARRAY(tun_slots, struct rs_tun_slot, RS_MAX_SLOTS);
/* Row `cpu * RS_MAX_SLOTS + slot`: several CPUs transmit into one tap queue at once. The agent
 * sets the number of rows. */
SLOT_ARRAY(tun_cells, struct rs_tun_cell, RS_MAX_SLOTS);

FREE_LIST(free_vhost);
FREE_LIST(free_route);
FREE_LIST(free_tun);

struct route_key {
  u64 kvm;
  u64 gsi;
};
INDEX(slot_of_vhost, u64);
INDEX(slot_of_ctx, u64);  /* route slot, by the irqfd's eventfd */
INDEX(vhost_of_ctx, u64); /* vhost slot, by whatever eventfd it signals, masked notifiers too */
INDEX(slot_of_route, struct route_key);
INDEX(slot_of_tun, u64); /* ifindex << 16 | queue */

/* An injection under way on this CPU (interrupts are off), or a transmit (BH is off). */
struct cpu_scratch {
  u64 skb;
  u64 tun_detail; /* of the tap queue, as it was at the transmit's entry */
  u64 entered_ns; /* of the injection, if details want it; else 0 */
  u32 tun;        /* slot + 1 */
  u32 route;      /* slot + 1 while kvm_arch_set_irq_inatomic runs for a known route */
  u32 woken;      /* WOKEN_* seen for the eventfd that is being woken */
  u32 tid;        /* of the thread that injects */
  u32 looked;     /* not 0: the injection under way was seen to reach an interrupt controller */
  u32 len;        /* of the packet, if details want it */
  u64 ctx;
};
enum { WOKEN_FENTRY = 1, WOKEN_KPROBE = 2 };
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct cpu_scratch);
} scratch SEC(".maps");

static __always_inline struct cpu_scratch *cpu_scratch(void) {
  u32 zero = 0;
  return bpf_map_lookup_elem(&scratch, &zero);
}

/* kvm_set_irq can sleep and migrate: its route is remembered by thread. */
struct slow_injection {
  u32 slot;
  u32 pad;
  u64 entered_ns; /* if details want it; else 0 */
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_SLOTS);
  __type(key, u32);
  __type(value, struct slow_injection);
} slow_route SEC(".maps");

/* (vCPU thread << 8 | vector) -> route slot, to attribute kvm_inj_virq. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4 * RS_MAX_SLOTS);
  __type(key, u64);
  __type(value, u32);
} slot_of_vector SEC(".maps");

static __always_inline struct rs_route_slot *route_by_slot(u32 slot) {
  return bpf_map_lookup_elem(&route_slots, &slot);
}
static __always_inline struct rs_vhost_slot *vhost_by_slot(u32 slot) {
  return bpf_map_lookup_elem(&vhost_slots, &slot);
}
