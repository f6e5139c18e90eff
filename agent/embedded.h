// SPDX-License-Identifier: Apache-2.0
// The compiled BPF objects and kernel types, as bpf/CMakeLists.txt embeds them.
#ifndef RINGSIDE_AGENT_EMBEDDED_H_
#define RINGSIDE_AGENT_EMBEDDED_H_

extern "C" {
extern const char ringside_bpf_guest_begin[], ringside_bpf_guest_end[];
extern const char ringside_bpf_host_begin[], ringside_bpf_host_end[];
extern const char ringside_bpf_msi_begin[], ringside_bpf_msi_end[];
extern const char ringside_bpf_vcpu_begin[], ringside_bpf_vcpu_end[];
extern const char ringside_bpf_writer_begin[], ringside_bpf_writer_end[];
extern const char ringside_bpf_plain_begin[], ringside_bpf_plain_end[];

// Types of kernels that do not describe themselves (deploy/btf), ended by a null release.
struct RingsideBtf {
  const char* release;
  const char* begin;
  const char* end;
};
extern const RingsideBtf ringside_btf_table[];
}

#endif  // RINGSIDE_AGENT_EMBEDDED_H_
