// SPDX-License-Identifier: Apache-2.0
#include "agent/clock_facts.h"

#include <fcntl.h>
#include <linux/ptp_clock.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

constexpr int64_t kEveryNs = 1'000'000'000;
constexpr char kKvmClock[] = "KVM virtual PTP";  // drivers/ptp/ptp_kvm_common.c
constexpr char kKvmDebug[] = "/sys/kernel/debug/kvm";
// A host with more vCPUs than this is told in part.
constexpr size_t kVcpusMax = 4096;

int64_t Ns(const ptp_clock_time& time) {
  return static_cast<int64_t>(time.sec) * 1'000'000'000 + time.nsec;
}

}  // namespace

ClockFacts::~ClockFacts() {
  if (fd_ >= 0) close(fd_);
}

void ClockFacts::Open() {
  looked_ = true;
  for (const std::string& name : ListDirectory("/sys/class/ptp")) {
    if (ReadText("/sys/class/ptp/" + name + "/clock_name", 64) != kKvmClock) continue;
    fd_ = open(("/dev/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) state_ = absl::StrCat("/dev/", name, " cannot be opened");
    if (fd_ >= 0) break;
  }
}

std::string ClockFacts::Precise() const {
  ptp_sys_offset_precise times{};
  if (ioctl(fd_, PTP_SYS_OFFSET_PRECISE, &times) != 0) return "";
  return absl::StrFormat("ptp_kvm precise %d %d %d", Ns(times.device), Ns(times.sys_realtime),
                         Ns(times.sys_monoraw));
}

// Where the kernel cannot read both at once: the narrowest of a few tries.
std::string ClockFacts::Sampled() const {
  std::string best;
  int64_t width_ns = INT64_MAX;
  for (int i = 0; i < 5; ++i) {
    timespec before{}, after{}, device{};
    const clockid_t clock = static_cast<clockid_t>((~static_cast<unsigned>(fd_) << 3) | 3);
    clock_gettime(CLOCK_MONOTONIC_RAW, &before);
    if (clock_gettime(clock, &device) != 0) return "";
    clock_gettime(CLOCK_MONOTONIC_RAW, &after);
    const auto ns = [](const timespec& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; };
    if (ns(after) - ns(before) >= width_ns) continue;
    width_ns = ns(after) - ns(before);
    best = absl::StrFormat("ptp_kvm sampled %d %d %d", ns(device), ns(before), ns(after));
  }
  return best;
}

std::string ClockFacts::CrossTime(int64_t now_mono_ns) {
  if (!looked_) Open();
  if (fd_ < 0 || now_mono_ns < next_mono_ns_) return "";
  next_mono_ns_ = now_mono_ns + kEveryNs;
  std::string cross = Precise();
  state_ = "precise";
  if (cross.empty()) {
    cross = Sampled();
    state_ = cross.empty() ? "cannot be read" : "sampled";
  }
  return cross;
}

NamedFacts TscFactsUnder(const std::string& kvm) {
  NamedFacts facts;
  for (const std::string& vm : ListDirectory(kvm)) {
    int pid = 0, fd = 0;
    if (sscanf(vm.c_str(), "%d-%d", &pid, &fd) != 2) continue;
    for (const std::string& name : ListDirectory(kvm + "/" + vm)) {
      int vcpu = -1;
      if (sscanf(name.c_str(), "vcpu%d", &vcpu) != 1 || facts.size() >= kVcpusMax) continue;
      const std::string path = kvm + "/" + vm + "/" + name;
      const std::string offset = ReadText(path + "/tsc-offset", 64);
      if (offset.empty()) continue;
      std::string value = "offset=" + offset;
      const std::string ratio = ReadText(path + "/tsc-scaling-ratio", 64);
      const std::string bits = ReadText(path + "/tsc-scaling-ratio-frac-bits", 64);
      if (!ratio.empty() && !bits.empty())
        absl::StrAppend(&value, " ratio=", ratio, " bits=", bits);
      facts.emplace_back(absl::StrCat("kvm.", pid, ".vcpu", vcpu, ".tsc"), value);
    }
  }
  return facts;
}

NamedFacts ClockFacts::Read() {
  NamedFacts facts = TscFactsUnder(kKvmDebug);
  if (access("/dev/kvm", F_OK) == 0) {
    facts.emplace_back("clock.kvm_debugfs",
                       access(kKvmDebug, R_OK | X_OK) == 0 ? "readable" : "missing");
  }
  facts.emplace_back("clock.ptp_kvm", state_);
  facts.emplace_back(
      "clock.source",
      ReadText("/sys/devices/system/clocksource/clocksource0/current_clocksource", 64));
  timex clock{};
  const int state = adjtimex(&clock);
  facts.emplace_back("clock.ntp", state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0
                                      ? "not synchronised"
                                      : "synchronised");
  return facts;
}

}  // namespace ringside
