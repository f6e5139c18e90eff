// SPDX-License-Identifier: Apache-2.0
#include "cli/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ringside {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A folder that looks like a machine's root.
class MachineTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("ringside-machine-" + std::to_string(getpid()));
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void Status(const std::string& cap_eff) {
    Write("proc/self/status", "Name:\tringside\nCapEff:\t" + cap_eff + "\nSeccomp:\t0\n");
  }
  Machine Read() { return ReadMachine(root_.string()); }

  fs::path root_;
};

TEST_F(MachineTest, AnEmptyMachineHasNothing) {
  const Machine machine = Read();
  EXPECT_FALSE(machine.btf);
  EXPECT_EQ(machine.lockdown, "");
  EXPECT_THAT(machine.virtio, IsEmpty());
  EXPECT_FALSE(machine.kvm_device);
  EXPECT_THAT(machine.missing_capabilities,
              ElementsAre("CAP_BPF", "CAP_PERFMON", "CAP_SYS_RESOURCE"));
}

TEST_F(MachineTest, ReadsWhatIsThere) {
  Write("sys/kernel/btf/vmlinux", "");
  Write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
  Write("proc/sys/net/core/bpf_jit_enable", "1\n");
  Write("dev/kvm", "");
  fs::create_directories(root_ / "sys/module/vhost_net");
  fs::create_directories(root_ / "sys/kernel/tracing/events");
  fs::create_directories(root_ / "sys/bus/virtio/drivers/virtio_net");
  fs::create_directories(root_ / "sys/bus/virtio/devices/virtio0/net/eth0");
  fs::create_directory_symlink("../../drivers/virtio_net",
                               root_ / "sys/bus/virtio/devices/virtio0/driver");
  Status("000001ffffffffff");
  const Machine machine = Read();
  EXPECT_TRUE(machine.btf);
  EXPECT_EQ(machine.lockdown, "integrity");
  EXPECT_EQ(machine.jit, "1");
  EXPECT_TRUE(machine.kvm_device);
  EXPECT_TRUE(machine.vhost_net);
  EXPECT_TRUE(machine.tracefs);
  ASSERT_EQ(machine.virtio.size(), 1u);
  EXPECT_EQ(machine.virtio[0].driver, "virtio_net");
  EXPECT_EQ(machine.virtio[0].netdev, "eth0");
  EXPECT_THAT(machine.missing_capabilities, IsEmpty());
  EXPECT_EQ(MissingPrivileges(machine), "");
}

TEST_F(MachineTest, TheThreeCapabilitiesAreEnough) {
  Status("000000c001000000");  // BPF, PERFMON, SYS_RESOURCE
  EXPECT_THAT(Read().missing_capabilities, IsEmpty());
  Status("0000008001000000");
  EXPECT_THAT(Read().missing_capabilities, ElementsAre("CAP_PERFMON"));
  EXPECT_THAT(MissingPrivileges(Read()), HasSubstr("lacks CAP_PERFMON"));
}

}  // namespace
}  // namespace ringside
