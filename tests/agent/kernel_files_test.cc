// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_files.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

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
      {"vring_interrupt", "irqfd_wakeup", "virtnet_poll", "vhost_notify"});
  EXPECT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("vring_interrupt"), 0xffffffff81ce6c50u);
  EXPECT_EQ(found.at("virtnet_poll"), 0xffffffffc0aa2000u);
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
