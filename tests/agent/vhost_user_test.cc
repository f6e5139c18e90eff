// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/vhost_user_log.h"
#include "agent/vhost_user_ports.h"
#include "agent/writer_trace.h"

namespace ringside {
namespace {

// Lines of Open vSwitch 3.1 with DPDK 22.11, as a lab run left them.
constexpr char kLog[] =
    "2026-11-20T21:04:59.100Z|00001|vlog|INFO|opened log file /run/openvswitch/vs.log\n"
    "2026-11-20T21:05:02.862Z|00062|netdev_dpdk|INFO|vHost User device 'vhu0' created in 'client' "
    "mode, using client socket '/run/vhu0.sock'\n"
    "2026-11-20T21:05:02.908Z|00067|bridge|INFO|bridge br0: added interface vhu0 on port 1\n"
    "2026-11-20T21:05:13.919Z|00010|dpdk|INFO|VHOST_CONFIG: (/run/vhu0.sock) read message "
    "VHOST_USER_SET_VRING_CALL\n"
    "2026-11-20T21:05:13.919Z|00010|dpdk|INFO|VHOST_CONFIG: (/run/vhu0.sock) vring call idx:0 "
    "file:455\n"
    "2026-11-20T21:05:13.928Z|00021|dpdk|INFO|VHOST_CONFIG: (/run/vhu0.sock) vring call idx:2 "
    "file:457\n"
    "2026-11-20T21:05:46.078Z|00150|dpdk|INFO|VHOST_CONFIG: (/run/vhu0.sock) vring call idx:2 "
    "file:468\n";

TEST(VhostUserLogTest, TheLastDescriptorOfARingIsItsOwn) {
  VhostUserLog log;
  log.Feed(kLog);
  ASSERT_EQ(log.calls().size(), 2u);
  EXPECT_EQ(log.calls().at(455), (VringPlace{"/run/vhu0.sock", 0}));
  EXPECT_EQ(log.calls().at(468), (VringPlace{"/run/vhu0.sock", 2}));
  EXPECT_EQ(log.Port("/run/vhu0.sock"), "vhu0");
  EXPECT_EQ(log.Bridge("vhu0"), "br0");
  EXPECT_EQ(log.Port("/run/vhu1.sock"), "");
}

TEST(VhostUserLogTest, PiecesOfAnySizeSayTheSame) {
  const std::string text = kLog;
  for (const size_t piece : {1u, 7u, 100u}) {
    VhostUserLog log;
    for (size_t at = 0; at < text.size(); at += piece) log.Feed(text.substr(at, piece));
    EXPECT_EQ(log.calls().size(), 2u) << piece;
    EXPECT_EQ(log.Bridge("vhu0"), "br0") << piece;
  }
}

TEST(VhostUserLogTest, ADescriptorGoesToWhoeverGotItLast) {
  VhostUserLog log;
  log.Feed(kLog);
  log.Feed("|VHOST_CONFIG: (/run/vhu1.sock) vring call idx:1 file:455\n");
  EXPECT_EQ(log.calls().at(455), (VringPlace{"/run/vhu1.sock", 1}));
  log.Feed("|VHOST_CONFIG: (/run/vhu1.sock) vring call idx:1 file:-1\n");
  EXPECT_EQ(log.calls().size(), 1u) << "the ring is not signalled any more";
}

TEST(VhostUserLogTest, ANewProcessKnowsNothingOfTheOldOnesDescriptors) {
  VhostUserLog log;
  log.Feed(kLog);
  log.Feed("2026|00001|vlog|INFO|opened log file /run/openvswitch/vs.log\n");
  EXPECT_TRUE(log.calls().empty());
  EXPECT_EQ(log.Port("/run/vhu0.sock"), "");
}

TEST(VhostUserLogTest, LinesThatMeanNothingAreLeftOut) {
  VhostUserLog log;
  log.Feed("|VHOST_CONFIG: (/a) vring call idx:x file:3\n|VHOST_CONFIG: (/a) vring call idx:1\n");
  log.Feed("|VHOST_CONFIG: () vring call idx:-1 file:3\n|bridge|INFO|bridge br0 added\n");
  log.Feed("|vHost User device 'vhu0' created in 'client' mode\n|Socket /a created\n\n");
  log.Feed(std::string(100'000, 'x') + "VHOST_CONFIG: (/a) vring call idx:1 file:3\n");
  EXPECT_TRUE(log.calls().empty());
  log.Feed("|VHOST_CONFIG: (/a) vring call idx:1 file:3\n");
  EXPECT_EQ(log.calls().size(), 1u) << "what follows a long line is read";
}

// A made-up /proc of one process with a log and an eventfd's fdinfo.
class VhostUserPortsTest : public ::testing::Test {
 protected:
  VhostUserPortsTest()
      : proc(std::filesystem::temp_directory_path() / ("ports-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(proc / "134/fd");
    std::filesystem::create_directories(proc / "134/fdinfo");
    Append(kLog);
    std::filesystem::create_symlink(proc / "ovs-vswitchd.log", proc / "134/fd/7");
    Number(468, 14);
  }
  ~VhostUserPortsTest() override { std::filesystem::remove_all(proc); }
  void Append(const std::string& text) const {
    std::ofstream(proc / "ovs-vswitchd.log", std::ios::app) << text;
  }
  void Number(int fd, int id) const {
    std::ofstream(proc / "134/fdinfo" / std::to_string(fd))
        << "pos:\t0\nflags:\t04002\neventfd-count:                0\neventfd-id: " << id << "\n";
  }
  const std::filesystem::path proc;
  VhostUserPorts ports;
};

TEST_F(VhostUserPortsTest, AnEventfdIsTheRingItsDescriptorWasSaidToBe) {
  ports.Look({134}, proc);
  const VhostUserQueue* queue = ports.Find(14);
  ASSERT_NE(queue, nullptr);
  EXPECT_EQ(queue->port, "vhu0");
  EXPECT_EQ(queue->Queue(), "rx1");
  EXPECT_EQ(queue->bridge, "br0");
  EXPECT_EQ(queue->pid, 134);
  EXPECT_EQ(ports.Find(15), nullptr);
}

TEST_F(VhostUserPortsTest, APortThatConnectsAnewHasNewEventfds) {
  ports.Look({134}, proc);
  Append("|VHOST_CONFIG: (/run/vhu0.sock) vring call idx:3 file:468\n");
  Number(468, 21);
  ports.Look({134}, proc);
  EXPECT_EQ(ports.Find(14), nullptr);
  ASSERT_NE(ports.Find(21), nullptr);
  EXPECT_EQ(ports.Find(21)->Queue(), "tx1");
}

TEST_F(VhostUserPortsTest, WithoutALogNothingHasAName) {
  std::filesystem::remove(proc / "134/fd/7");
  ports.Look({134}, proc);
  EXPECT_EQ(ports.Find(14), nullptr);
  ports.Look({135}, proc);
  EXPECT_EQ(ports.Find(14), nullptr) << "no such process";
}

TEST(WriterTraceTest, FindsTheLibraryAmongWhatIsMapped) {
  const std::string maps =
      "7f00-7f10 r--p 00000000 08:01 12 /usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net.so.23\n"
      "7f10-7f20 r-xp 00004000 08:01 13 /usr/lib/x86_64-linux-gnu/librte_vhost.so.23.0\n"
      "7f20-7f30 rw-p 00000000 00:00 0 [heap]\n";
  EXPECT_EQ(VhostLibraryOf(42, maps),
            "/proc/42/root/usr/lib/x86_64-linux-gnu/librte_vhost.so.23.0");
  EXPECT_EQ(VhostLibraryOf(42, "7f20-7f30 rw-p 00000000 00:00 0 [heap]\n"), "");
  EXPECT_EQ(VhostLibraryOf(42, "librte_vhost.so without a path\n/"), "");
  EXPECT_EQ(VhostLibraryOf(42, ""), "");
}

}  // namespace
}  // namespace ringside
