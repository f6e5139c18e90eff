// SPDX-License-Identifier: Apache-2.0
#include "agent/vcpu_watch.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

// A VMM with more threads than this is looked at in part; KVM allows 4,096 vCPUs at most.
constexpr size_t kThreadsMax = 8192;
constexpr size_t kVcpusMax = 1024;  // a descriptor each
constexpr unsigned long kKvmRun = 0xae80;

// The number behind a prefix; -1 if the text is not that.
int NumberIn(const std::string& text, const char* format) {
  int number = -1;
  int end = 0;
  if (sscanf(text.c_str(), format, &number, &end) != 1) return -1;
  return end == static_cast<int>(text.size()) ? number : -1;
}

// The descriptor in a thread's call of ioctl(fd, KVM_RUN); -1 if it is not in one.
int KvmRunDescriptor(const std::string& syscall_text) {
  long number = -1;
  unsigned long fd = 0;
  unsigned long request = 0;
  if (sscanf(syscall_text.c_str(), "%ld %lx %lx", &number, &fd, &request) != 3) return -1;
  return number == SYS_ioctl && request == kKvmRun ? static_cast<int>(fd) : -1;
}

}  // namespace

VcpuWatch::~VcpuWatch() {
  for (const auto& [number, vcpu] : vcpus_) {
    if (vcpu.schedstat_fd >= 0) close(vcpu.schedstat_fd);
  }
}

bool VcpuWatch::NameThread(const std::string& tid) {
  const std::string path = absl::StrCat(proc_, "/task/", tid);
  int number = NumberIn(ReadText(path + "/comm", 64), "CPU %d/KVM%n");
  if (number < 0) {
    const int fd = KvmRunDescriptor(ReadText(path + "/syscall", 256));
    if (fd < 0) return false;
    char target[64] = {};
    const std::string link = absl::StrCat(proc_, "/fd/", fd);
    if (readlink(link.c_str(), target, sizeof(target) - 1) <= 0) return false;
    number = NumberIn(target, "anon_inode:kvm-vcpu:%d%n");
  }
  if (number < 0 || vcpus_.size() >= kVcpusMax) return false;
  const auto [vcpu, fresh] = vcpus_.try_emplace(number);
  if (!fresh) return false;
  vcpu->second.tid = atoi(tid.c_str());
  vcpu->second.schedstat_fd = open((path + "/schedstat").c_str(), O_RDONLY | O_CLOEXEC);
  return true;
}

void VcpuWatch::FindThreads() {
  std::set<int> known;
  std::erase_if(vcpus_, [&](const auto& entry) {
    const Vcpu& vcpu = entry.second;
    const bool gone = access(absl::StrCat(proc_, "/task/", vcpu.tid).c_str(), F_OK) != 0;
    if (gone && vcpu.schedstat_fd >= 0) close(vcpu.schedstat_fd);
    if (!gone) known.insert(vcpu.tid);
    return gone;
  });
  size_t looked_at = 0;
  for (const std::string& tid : ListDirectory(proc_ + "/task")) {
    if (++looked_at > kThreadsMax) break;
    if (!known.contains(atoi(tid.c_str()))) NameThread(tid);
  }
}

std::optional<SchedNumbers> VcpuWatch::Read(const Vcpu& vcpu) const {
  char text[128];
  const ssize_t n = vcpu.schedstat_fd < 0 ? -1 : pread(vcpu.schedstat_fd, text, sizeof(text), 0);
  if (n <= 0) return std::nullopt;
  return ParseSchedstat({text, static_cast<size_t>(n)});
}

void VcpuWatch::LookAtVcpus() {
  bool still = true;
  for (auto& [number, vcpu] : vcpus_) {
    const std::string call = ReadText(absl::StrCat(proc_, "/task/", vcpu.tid, "/syscall"), 256);
    const std::optional<SchedNumbers> now = Read(vcpu);
    // Where neither can be read, nothing says that it stands.
    vcpu.in_guest =
        call.empty() || !now || absl::StartsWith(call, "running") || KvmRunDescriptor(call) >= 0;
    const uint64_t runs = now ? now->runs : 0;
    still = still && !vcpu.in_guest && runs == vcpu.runs;
    vcpu.runs = runs;
  }
  running_ = !(still && was_still_);
  was_still_ = still;
}

void VcpuWatch::Look() {
  FindThreads();
  // pid (comm) state ...: a name may hold anything but ends before the last parenthesis.
  const std::string stat = ReadText(proc_ + "/stat", 1024);
  const size_t end = stat.rfind(") ");
  if (end != std::string::npos && (stat[end + 2] == 'T' || stat[end + 2] == 't')) {
    running_ = false;
  } else if (vcpus_.empty()) {
    running_.reset();
  } else {
    LookAtVcpus();
  }
}

}  // namespace ringside
