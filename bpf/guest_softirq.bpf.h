/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Guest side, the network receive softirq (net_rx_action): how long its runs take, per CPU, in
 * powers of two. A long run holds back everything else on its CPU. */

/* A row per CPU; the agent sets their number. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct rs_softirq_cell);
} softirq_cells SEC(".maps");

enum { NET_RX_SOFTIRQ = 3 }; /* its place in enum softirq names, which tools rely on */

static __always_inline struct rs_softirq_cell *softirq_cell(void) {
  u32 cpu = bpf_get_smp_processor_id();
  return bpf_map_lookup_elem(&softirq_cells, &cpu);
}

/* Whether this CPU is in that softirq; false, too, where the hooks are not attached. */
static __always_inline bool in_net_rx(void) {
  struct rs_softirq_cell *cell = softirq_cell();
  return cell && cell->entered_ns;
}

SEC("tp_btf/softirq_entry")
int BPF_PROG(guest_softirq_entry, unsigned int vector) {
  hook_hit(RS_HOOK_SOFTIRQ_ENTRY);
  if (vector != NET_RX_SOFTIRQ) return 0;
  struct rs_softirq_cell *cell = softirq_cell();
  if (cell) cell->entered_ns = bpf_ktime_get_ns();
  return 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(guest_softirq_exit, unsigned int vector) {
  hook_hit(RS_HOOK_SOFTIRQ_EXIT);
  if (vector != NET_RX_SOFTIRQ) return 0;
  struct rs_softirq_cell *cell = softirq_cell();
  if (!cell || !cell->entered_ns) return 0; /* entered before the hooks were there */
  u64 took_ns = bpf_ktime_get_ns() - cell->entered_ns;
  u64 us = took_ns / 1000;
  u32 bucket = 0;
  cell->entered_ns = 0;
  for (int i = 0; i < RS_SOFTIRQ_BUCKETS - 1 && us; i++) {
    us >>= 1;
    bucket++;
  }
  if (bucket < RS_SOFTIRQ_BUCKETS) cell->took[bucket]++;
  cell->run_ns += took_ns;
  cell->runs++;
  return 0;
}
