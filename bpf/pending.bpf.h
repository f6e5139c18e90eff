/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether an interrupt already waits at a vCPU, asked just before KVM sets it (x86). */
#ifndef RINGSIDE_BPF_PENDING_H_
#define RINGSIDE_BPF_PENDING_H_

#include "compat.bpf.h"

enum rs_pending {
  RS_PENDING_NO,
  RS_PENDING_YES,
  RS_PENDING_BLIND, /* it may be where this program cannot look */
};

enum { APIC_IRR = 0x200 };

/* Intel's posted interrupts are set in the descriptor's PIR and move to the APIC page's IRR: the
 * PIR is read first, so that a bit on its way is seen in one of the two. AMD's AVIC, like an APIC
 * that KVM emulates, knows only the IRR (kernel facts 4.2). */
static __always_inline enum rs_pending pending_at(struct kvm_lapic *apic, u32 vector, bool posted,
                                                  bool vmx) {
  u32 pir = 0, irr = 0, v = vector & 0xff;
  if (posted && vmx) {
    void *bits = compat_posted_bits(BPF_CORE_READ(apic, vcpu));
    if (!bits) return RS_PENDING_BLIND;
    bpf_probe_read_kernel(&pir, sizeof(pir), bits + (v >> 5) * sizeof(pir));
  }
  bpf_probe_read_kernel(&irr, sizeof(irr), BPF_CORE_READ(apic, regs) + APIC_IRR + (v >> 5) * 16);
  return ((pir | irr) >> (v & 31)) & 1 ? RS_PENDING_YES : RS_PENDING_NO;
}

#endif /* RINGSIDE_BPF_PENDING_H_ */
