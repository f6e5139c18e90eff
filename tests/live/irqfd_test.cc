// SPDX-License-Identifier: Apache-2.0
// Real irqfds on /dev/kvm, without a guest: a VM with one vCPU that never runs and one MSI route.
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>

#include "agent/agent.h"
#include "correlate/ledger.h"
#include "tests/agent/collect_sink.h"
#include "tests/live/irqfd_vm.h"

namespace ringside {
namespace {

TEST(LiveIrqfdTest, EveryWriteIsOneInjectionOfThatRoute) {
  if (geteuid() != 0 || access("/dev/kvm", R_OK | W_OK) != 0) {
    std::cout << "SKIP: needs root and /dev/kvm" << std::endl;
    _exit(77);
  }
  IrqfdVm vm;
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
