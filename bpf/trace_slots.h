/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Slots of the programs that are there only while details are wanted (vcpu.bpf.c, writer.bpf.c).
 * Included by events.h. */
#ifndef RINGSIDE_BPF_TRACE_SLOTS_H_
#define RINGSIDE_BPF_TRACE_SLOTS_H_

/* Host side: one thread that runs a vCPU. Written by whichever CPU switches to or from it. */
struct rs_vcpu_slot {
  rs_u32 tid;
  rs_u32 in_use;
  rs_u64 detail; /* as in rs_guest_slot */
  rs_u64 runs;
  rs_u64 woken;  /* atomic */
  rs_u64 off_ns; /* when it last stopped running; 0 before that */
  rs_u64 pad[3];
};
RS_ASSERT(sizeof(struct rs_vcpu_slot) == 64, "a cache line");

/* Host side: one route whose user-space writers are watched. Written by all of them: atomic. */
struct rs_writer_slot {
  rs_u64 ctx; /* its eventfd_ctx, and the id that says that it is still that one */
  rs_u64 ctx_id;
  rs_u64 detail; /* as in rs_guest_slot */
  rs_u64 returned;
  rs_u64 forwarded;
  rs_u64 pad[3];
};
RS_ASSERT(sizeof(struct rs_writer_slot) == 64, "a cache line");

#endif /* RINGSIDE_BPF_TRACE_SLOTS_H_ */
