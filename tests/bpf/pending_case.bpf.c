/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* pending_at() on an APIC made up in a map: the layout is that of the BTF it is loaded with. */
#include "pending.bpf.h"

enum { REGS_AT = 4096, VCPU_AT = 8192, MEMORY = 12288 };

struct memory {
  u8 bytes[MEMORY];
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, u32);
  __type(value, struct memory);
} memory SEC(".maps");

/* Arguments: vector, posted, vmx. */
SEC("raw_tp/pending_case")
int pending_case(u64* args) {
  u32 zero = 0;
  void* at = bpf_map_lookup_elem(&memory, &zero);
  if (!at) return -1;
  struct kvm_lapic* apic = at;
  *(u64*)(at + bpf_core_field_offset(apic->vcpu)) = (u64)(at + VCPU_AT);
  *(u64*)(at + bpf_core_field_offset(apic->regs)) = (u64)(at + REGS_AT);
  return pending_at(apic, args[0], args[1], args[2]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
