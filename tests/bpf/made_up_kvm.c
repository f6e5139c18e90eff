/* SPDX-License-Identifier: Apache-2.0 */
/* The types of a made-up kvm_intel: only its BTF is used, for the test of pending.bpf.h on machines
 * that have no posted interrupts. VMX_TYPES: 0 none (AMD), 1 as in 6.1, 2 as in 6.18. */
struct kvm_vcpu {
  long before[17];
};
struct kvm_lapic {
  long base_address;
  struct kvm_vcpu* vcpu;
  _Bool apicv_active;
  void* regs;
};
struct kvm_lapic lapic;

#if VMX_TYPES > 0
struct pi_desc {
  unsigned int pir[8];
  unsigned long control;
};
#if VMX_TYPES == 1
struct vcpu_vmx {
  struct kvm_vcpu vcpu;
  unsigned char fail;
  struct pi_desc pi_desc;
};
#else
struct vcpu_vt {
  long other[3];
  struct pi_desc pi_desc;
};
struct vcpu_vmx {
  struct kvm_vcpu vcpu;
  struct vcpu_vt vt;
};
#endif
struct vcpu_vmx vmx;
#endif
