// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_files.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace ringside {
namespace {

TEST(KernelFilesTest, ModulesThatAreReady) {
  const auto modules = ParseModules(
      "vhost_net 36864 2 - Live 0xffffffffc0a1b000\n"
      "tun 69632 3 vhost_net, Live 0xffffffffc0a00000 (OE)\n"
      "kvm_intel 450560 0 - Loading 0xffffffffc0700000\n"
      "gone 16384 0 - Unloading 0xffffffffc0600000\n"
      "hidden 4096 0 - Live 0x0000000000000000\n"
      "cut 123 0\n\n");
  EXPECT_EQ(modules,
            (std::map<std::string, uint64_t>{
                {"vhost_net", 0xffffffffc0a1b000}, {"tun", 0xffffffffc0a00000}, {"hidden", 0}}));
}

TEST(ProcInterruptsTest, SumsCpusAndTakesTheLastNameOfBothKernelsFormats) {
  const auto irqs = ParseProcInterrupts(
      "           CPU0       CPU1       \n"
      "  1:          0          9   IO-APIC   1-edge      i8042\n"
      " 24:          3          0   PCI-MSI 16384-edge      virtio0-config\n"
      " 25:       1200         34   PCI-MSI 16385-edge      virtio0-input.0\n"
      " 38:          0        320 PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0\n"
      "NMI:          0          0   Non-maskable interrupts\n"
      "ERR:          0\n");
  ASSERT_EQ(irqs.size(), 4u);
  EXPECT_EQ(irqs[0].name, "i8042");
  EXPECT_EQ(irqs[2].irq, 25);
  EXPECT_EQ(irqs[2].count, 1234u);
  EXPECT_EQ(irqs[2].name, "virtio0-input.0");
  EXPECT_EQ(irqs[3].count, 320u);
}

TEST(ProcInterruptsTest, CutTextIsNoTrap) {
  const std::string text = "  CPU0\n 25:   1200   PCI-MSI 16385-edge   virtio0-input.0\n";
  for (size_t n = 0; n <= text.size(); ++n) ParseProcInterrupts(text.substr(0, n));
  EXPECT_TRUE(ParseProcInterrupts("").empty());
}

TEST(ProcInterruptsTest, ReadsThisKernelsFile) {
  const std::string text = ReadText("/proc/interrupts");
  ASSERT_FALSE(text.empty());
  EXPECT_FALSE(ParseProcInterrupts(text).empty());
}

TEST(KallsymsTest, TakesWholeNamesAndIgnoresHiddenAddresses) {
  const auto found = ParseKallsyms(
      "ffffffff81ce6c50 T vring_interrupt\n"
      "0000000000000000 t irqfd_wakeup\n"
      "ffffffffc0aa1000 t vhost_notify.constprop.0\t[vhost]\n"
      "ffffffffc0aa2000 t virtnet_poll\t[virtio_net]\n",
      {"vring_interrupt", "irqfd_wakeup", "virtnet_poll", "vhost_work_init"});
  EXPECT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("vring_interrupt"), 0xffffffff81ce6c50u);
  EXPECT_EQ(found.at("virtnet_poll"), 0xffffffffc0aa2000u);
}

TEST(KallsymsTest, ACopyStandsForANameThatHasNoOther) {
  const auto found = ParseKallsyms(
      "ffffffffc0aa1000 t vhost_notify.constprop.0\t[vhost]\n"
      "ffffffffc0aa1100 t vhost_notify.cold\t[vhost]\n"
      "ffffffffc0aa3000 t virtnet_poll.llvm.4711\t[virtio_net]\n"
      "ffffffffc0aa2000 t virtnet_poll\t[virtio_net]\n"
      "ffffffffc0aa4000 t irqfd_wakeup.isra.0.cold\t[kvm]\n"
      "ffffffffc0aa5000 t eventfd_signal.part.0\n"
      "zzz t vring_interrupt\nffffffff81000000\n\n \nffffffff81000000 T",
      {"vring_interrupt", "irqfd_wakeup", "virtnet_poll", "vhost_notify", "eventfd_signal"});
  EXPECT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("vhost_notify"), 0xffffffffc0aa1000u);
  EXPECT_EQ(found.at("virtnet_poll"), 0xffffffffc0aa2000u) << "its own name is better";
}

TEST(KallsymsTest, WhatTheKernelHidesIsNotThere) {
  // kernel.kptr_restrict = 2, or no CAP_SYSLOG.
  EXPECT_TRUE(ParseKallsyms("0000000000000000 T vring_interrupt\n"
                            "0000000000000000 t virtnet_poll.isra.0\n",
                            {"vring_interrupt", "virtnet_poll"})
                  .empty());
}

TEST(VmmCommandLineTest, FindsNameAndUuidInQemusForms) {
  using namespace std::string_literals;  // NOLINT: for strings with NULs
  const VmmNames plain = ParseVmmCommandLine("qemu\0-name\0vm1\0-uuid\0ABCD-EF\0"s);
  EXPECT_EQ(plain.name, "vm1");
  EXPECT_EQ(plain.uuid, "abcd-ef");
  const VmmNames libvirt = ParseVmmCommandLine("qemu\0-name\0guest=web-7,debug-threads=on\0"s);
  EXPECT_EQ(libvirt.name, "web-7");
  EXPECT_TRUE(libvirt.uuid.empty());
  EXPECT_TRUE(ParseVmmCommandLine("").name.empty());
  EXPECT_TRUE(ParseVmmCommandLine("qemu\0-name"s).name.empty());
}

}  // namespace
}  // namespace ringside
