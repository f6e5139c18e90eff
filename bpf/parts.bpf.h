/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a count divides by process or reason: one bounded table of rows per object, given out at
 * first sight and never taken back. Who finds no room is in the count alone. */

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, RS_MAX_PARTS);
  __type(key, u32);
  __type(value, struct rs_part);
} parts SEC(".maps");

/* Rows not yet given out; filled by the agent before attaching. */
struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, RS_MAX_PARTS);
  __type(value, u32);
} free_parts SEC(".maps");

struct part_key {
  u32 kind;
  u32 slot;
  u32 who;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, RS_MAX_PARTS);
  __type(key, struct part_key);
  __type(value, u32);
} row_of_part SEC(".maps");

/* Row of one part, negative if there is none left. */
static __noinline int part_row(u32 kind, u32 slot, u32 who) {
  struct part_key key = {.kind = kind, .slot = slot, .who = who};
  u32 *known = bpf_map_lookup_elem(&row_of_part, &key);
  if (known) return *known;
  u32 row = 0;
  if (bpf_map_pop_elem(&free_parts, &row)) return -1;
  struct rs_part *part = bpf_map_lookup_elem(&parts, &row);
  if (!part) return -1;
  part->kind = kind;
  part->slot = slot;
  part->who = who;
  part->tgid = bpf_get_current_pid_tgid() >> 32;
  bpf_get_current_comm(part->comm, sizeof(part->comm));
  part->in_use = 1;
  if (bpf_map_update_elem(&row_of_part, &key, &row, BPF_NOEXIST)) {
    /* Another CPU was first: use its row, give this one back. */
    part->in_use = 0;
    bpf_map_push_elem(&free_parts, &row, BPF_ANY);
    known = bpf_map_lookup_elem(&row_of_part, &key);
    return known ? (int)*known : -1;
  }
  return row;
}

static __always_inline struct rs_part *part_by_row(u32 row) {
  return bpf_map_lookup_elem(&parts, &row);
}

/* Several CPUs may count in one row at once. */
static __always_inline void count_part(u32 kind, u32 slot, u32 who) {
  int row = part_row(kind, slot, who);
  struct rs_part *part = row < 0 ? 0 : part_by_row(row);
  if (part) __sync_fetch_and_add(&part->value, 1);
}
