// SPDX-License-Identifier: Apache-2.0
// Real irqfds on /dev/kvm, without a guest: a VM with one vCPU that never runs and one MSI route.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <iostream>

#include "agent/agent.h"
#include "correlate/ledger.h"
#include "tests/agent/collect_sink.h"

namespace ringside {
namespace {

constexpr uint32_t kGsi = 5;
constexpr uint32_t kVector = 0x41;

// A VM whose APIC takes messages; -1 members where the kernel does not allow it.
struct Vm {
  int kvm = -1, vm = -1, cpu = -1, event = -1;
  bool ok = false;

  Vm() {
    kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) return;
    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) != 0) return;
    cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    ok = cpu >= 0 && EnableApic() && Route() && Wire();
  }
  ~Vm() {
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
    routing.entry.gsi = kGsi;
    routing.entry.type = KVM_IRQ_ROUTING_MSI;
    routing.entry.u.msi.address_lo = 0xfee00000;
    routing.entry.u.msi.data = kVector;
    constexpr unsigned long kSetGsiRouting = _IOW(KVMIO, 0x6a, uint64_t);
    return ioctl(vm, kSetGsiRouting, &routing) == 0;
  }
  bool Wire() {
    event = eventfd(0, EFD_CLOEXEC);
    kvm_irqfd irqfd{};
    irqfd.fd = static_cast<uint32_t>(event);
    irqfd.gsi = kGsi;
    return event >= 0 && ioctl(vm, KVM_IRQFD, &irqfd) == 0;
  }
};

TEST(LiveIrqfdTest, EveryWriteIsOneInjectionOfThatRoute) {
  if (geteuid() != 0 || access("/dev/kvm", R_OK | W_OK) != 0) {
    std::cout << "SKIP: needs root and /dev/kvm" << std::endl;
    _exit(77);
  }
  Vm vm;
  if (!vm.ok) {
    std::cout << "SKIP: KVM makes no VM with an interrupt controller here" << std::endl;
    _exit(77);
  }
  CollectSink sink;
  auto agent = Agent::Start({.roles = kRoleHost}, &sink);
  ASSERT_TRUE(agent.ok()) << agent.status();
  constexpr int kWrites = 5000;
  for (int i = 0; i < kWrites; ++i) {
    const uint64_t one = 1;
    ASSERT_EQ(write(vm.event, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  }
  for (int i = 0; i < 25; ++i) ASSERT_TRUE((*agent)->Step().ok());
  ASSERT_TRUE((*agent)->Stop("end of test").ok());
  const Ledger ledger = MakeLedger(sink.AsRecording(), {});
  int routes = 0;
  for (const QueueLedger& queue : ledger.queues) {
    const CountCell* injected = queue.Find(Count::kKvmInjected);
    if (injected == nullptr || injected->lo == 0) continue;
    ++routes;
    EXPECT_EQ(injected->lo, static_cast<uint64_t>(kWrites));
    EXPECT_EQ(injected->hi, static_cast<uint64_t>(kWrites));
    std::cout << queue.host_queue << ": kvm.injected " << injected->lo << ".." << *injected->hi
              << " (" << injected->hook << ")\n";
  }
  EXPECT_EQ(routes, 1);
}

}  // namespace
}  // namespace ringside
