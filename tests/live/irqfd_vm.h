// SPDX-License-Identifier: Apache-2.0
// A VM with one vCPU that never runs and one MSI route: each write to `event` is one injection.
#ifndef RINGSIDE_TESTS_LIVE_IRQFD_VM_H_
#define RINGSIDE_TESTS_LIVE_IRQFD_VM_H_

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace ringside {

inline constexpr uint32_t kIrqfdGsi = 5;
inline constexpr uint32_t kIrqfdVector = 0x41;

// A VM whose APIC takes messages; -1 members where the kernel does not allow it.
struct IrqfdVm {
  int kvm = -1, vm = -1, cpu = -1, event = -1;
  bool ok = false;

  IrqfdVm() {
    kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) return;
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) != 0) return;
    cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    ok = cpu >= 0 && EnableApic() && Route() && Wire();
  }
  ~IrqfdVm() {
    for (const int fd : {event, cpu, vm, kvm}) {
      if (fd >= 0) close(fd);
    }
  }
  bool EnableApic() const {
    kvm_lapic_state apic{};
    if (ioctl(cpu, KVM_GET_LAPIC, &apic) != 0) return false;
    const uint32_t spurious = 0x1ff;  // software enable, spurious vector 255
    memcpy(apic.regs + 0xf0, &spurious, sizeof(spurious));
    return ioctl(cpu, KVM_SET_LAPIC, &apic) == 0;
  }
  bool Route() const {
    // <linux/kvm.h>'s flexible array is one byte wide in C++, which changes both the layout and the
    // request number: the C layout, written out.
    struct {
      uint32_t count = 1;
      uint32_t flags = 0;
      kvm_irq_routing_entry entry{};
    } routing;
    routing.entry.gsi = kIrqfdGsi;
    routing.entry.type = KVM_IRQ_ROUTING_MSI;
    routing.entry.u.msi.address_lo = 0xfee00000;
    routing.entry.u.msi.data = kIrqfdVector;
    constexpr unsigned long kSetGsiRouting = _IOW(KVMIO, 0x6a, uint64_t);
    return ioctl(vm, kSetGsiRouting, &routing) == 0;
  }
  bool Wire() {
    event = eventfd(0, EFD_CLOEXEC);
    kvm_irqfd irqfd{};
    irqfd.fd = static_cast<uint32_t>(event);
    irqfd.gsi = kIrqfdGsi;
    return event >= 0 && ioctl(vm, KVM_IRQFD, &irqfd) == 0;
  }
};

}  // namespace ringside

#endif  // RINGSIDE_TESTS_LIVE_IRQFD_VM_H_
