// SPDX-License-Identifier: Apache-2.0
// A process's files as the kernel writes them, in a folder; and real threads of this process.
#include "agent/vcpu_watch.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace ringside {
namespace {

class FakeProc {
 public:
  FakeProc() {
    char path[] = "/tmp/ringside-proc-XXXXXX";
    path_ = mkdtemp(path);
    std::filesystem::create_directories(path_ + "/fd");
    State('S');
  }
  ~FakeProc() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

  void State(char state) { Write("stat", std::string("41 (qemu) x) ") + state + " 1 41 0"); }
  void Thread(int tid, const std::string& comm, const std::string& call, int runs) {
    const std::string task = "task/" + std::to_string(tid);
    std::filesystem::create_directories(path_ + "/" + task);
    Write(task + "/comm", comm + "\n");
    Write(task + "/syscall", call + "\n");
    Write(task + "/schedstat", std::to_string(runs * 1000) + " 500 " + std::to_string(runs) + "\n");
  }
  void Descriptor(int fd, const std::string& target) {
    std::filesystem::create_symlink(target, path_ + "/fd/" + std::to_string(fd));
  }

 private:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name) << text;
  }
  std::string path_;
};

std::string KvmRun(int fd) {
  char text[128];
  snprintf(text, sizeof(text), "%d 0x%x 0xae80 0x0 0x0 0x0 0x0 0x7ffc 0x7f01", SYS_ioctl, fd);
  return text;
}
const std::string kFutex = std::to_string(SYS_futex) + " 0x55 0x80 0x0 0x0 0x0 0x0 0x7f 0x7f";

TEST(VcpuWatchTest, KnowsVcpusByNameOrByWhatTheyDo) {
  FakeProc proc;
  proc.Thread(41, "qemu-system-x86", kFutex, 5);
  proc.Thread(44, "CPU 0/KVM", "running", 7);
  proc.Thread(45, "qemu-system-x86", KvmRun(21), 9);
  proc.Thread(46, "qemu-system-x86", KvmRun(22), 9);
  proc.Thread(47, "CPU x/KVM", kFutex, 1);
  proc.Descriptor(21, "anon_inode:kvm-vcpu:3");
  proc.Descriptor(22, "anon_inode:[eventfd]");
  VcpuWatch watch(proc.path());
  watch.Look();
  ASSERT_EQ(watch.vcpus().size(), 2u);
  EXPECT_EQ(watch.vcpus().at(0).tid, 44);
  EXPECT_EQ(watch.vcpus().at(3).tid, 45);
  const auto numbers = watch.Read(watch.vcpus().at(3));
  ASSERT_TRUE(numbers.has_value());
  EXPECT_EQ(numbers->run_ns, 9000u);
  EXPECT_EQ(numbers->delay_ns, 500u);
  EXPECT_EQ(watch.running(), true);
}

TEST(VcpuWatchTest, StoppedIsNotTheSameAsIdle) {
  FakeProc proc;
  proc.Thread(44, "CPU 0/KVM", KvmRun(21), 7);
  proc.Thread(45, "CPU 1/KVM", KvmRun(22), 7);
  VcpuWatch watch(proc.path());
  for (int i = 0; i < 3; ++i) watch.Look();
  EXPECT_EQ(watch.running(), true) << "halted vCPUs wait in KVM_RUN";
  // The VMM holds them: out of the guest, twice, and nothing ran in between.
  proc.Thread(44, "CPU 0/KVM", kFutex, 8);
  proc.Thread(45, "CPU 1/KVM", kFutex, 8);
  watch.Look();
  EXPECT_EQ(watch.running(), true) << "one look may fall into a moment outside";
  watch.Look();
  EXPECT_EQ(watch.running(), true) << "they ran since the look before last";
  watch.Look();
  EXPECT_EQ(watch.running(), false);
  proc.Thread(45, "CPU 1/KVM", KvmRun(22), 9);
  watch.Look();
  EXPECT_EQ(watch.running(), true);
  proc.State('T');
  watch.Look();
  EXPECT_EQ(watch.running(), false);
}

TEST(VcpuWatchTest, WithoutVcpusNothingIsSaid) {
  FakeProc proc;
  proc.Thread(41, "qemu-system-x86", kFutex, 5);
  VcpuWatch watch(proc.path());
  watch.Look();
  EXPECT_FALSE(watch.running().has_value());
  EXPECT_TRUE(watch.vcpus().empty());
  VcpuWatch gone("/nonexistent/1");
  gone.Look();
  EXPECT_FALSE(gone.running().has_value());
}

TEST(VcpuWatchTest, ReadsTheSchedulersNumbersOfARealThread) {
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    prctl(PR_SET_NAME, "CPU 7/KVM");
    while (!stop) {
    }
  });
  VcpuWatch watch("/proc/self");
  for (int i = 0; i < 100 && !watch.vcpus().contains(7); ++i) {
    usleep(10'000);
    watch.Look();
  }
  ASSERT_TRUE(watch.vcpus().contains(7));
  const auto before = watch.Read(watch.vcpus().at(7));
  std::optional<SchedNumbers> after;
  if (before) {
    for (int i = 0; i < 500; ++i) {
      usleep(10'000);
      after = watch.Read(watch.vcpus().at(7));
      if (after && after->run_ns > before->run_ns) break;
    }
  }
  stop = true;
  busy.join();
  if (!before) GTEST_SKIP() << "this kernel keeps no schedstat";
  EXPECT_GT(after->run_ns, before->run_ns);
}

}  // namespace
}  // namespace ringside
