// SPDX-License-Identifier: Apache-2.0
// The kernel's rule for unhandled interrupts, followed on this kernel's network device and compared
// with the kernel's own numbers while traffic runs.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "agent/bpf_config.h"
#include "agent/guest_probe.h"

namespace ringside {
namespace {

void Skip(const char* why) {
  std::cout << "SKIP: " << why << std::endl;
  _exit(77);
}

// From /proc/net/route; 0 if there is none.
in_addr_t DefaultGateway() {
  const std::string text = ReadText("/proc/net/route");
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    char device[32];
    unsigned destination = 1;
    unsigned gateway = 0;
    if (sscanf(text.c_str() + at + 1, "%31s %x %x", device, &destination, &gateway) == 3 &&
        destination == 0) {
      return gateway;
    }
  }
  return 0;
}

// Echo requests to the gateway: the poll for an answer often takes the sent packet off its ring
// too, and the interrupt for that finds nothing to do.
void NetworkLoad(in_addr_t gateway, int ms) {
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = gateway;
  icmphdr echo{};
  echo.type = ICMP_ECHO;
  echo.checksum = static_cast<uint16_t>(~htons(ICMP_ECHO << 8));  // all else is 0
  char answer[256];
  for (int i = 0; i < ms; ++i) {
    (void)!sendto(fd, &echo, sizeof(echo), 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
    (void)!recv(fd, answer, sizeof(answer), 0);
    usleep(i % 500 == 499 ? 150'000 : 1000);  // holes that start the count again
  }
  close(fd);
}

TEST(LiveSpuriousTest, TheHookStandsWhereTheKernelDoes) {
  if (geteuid() != 0) Skip("needs root");
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
  const in_addr_t gateway = DefaultGateway();
  if (gateway == 0) Skip("no gateway to send to");
  HookTable hooks;
  QueueRegistry registry;
  const ProbeOptions options{.config = MakeBpfConfig()};
  const auto probe = GuestProbe::Start(options, &hooks, &registry);
  probe->Discover(0);
  std::thread load([gateway] { NetworkLoad(gateway, 3000); });
  std::map<QueueId, uint64_t> last;
  uint64_t steps = 0;  // of the number of unhandled ones, all queues
  for (int i = 0; i < 200; ++i) {
    usleep(20'000);
    std::vector<Sample> samples;
    std::vector<GaugeSample> gauges;
    probe->Between(&samples, &gauges);
    std::map<QueueId, std::map<Gauge, uint64_t>> now;
    for (const GaugeSample& gauge : gauges) now[gauge.queue][gauge.gauge] = gauge.value;
    for (auto& [queue, values] : now) {
      if (!values.contains(Gauge::kIrqUnhandledHi)) continue;
      EXPECT_LE(values[Gauge::kIrqUnhandledLo], values[Gauge::kIrqUnhandledHi]);
      const uint64_t before = std::exchange(last[queue], values[Gauge::kIrqUnhandledHi]);
      steps += last[queue] > before ? last[queue] - before : 0;
    }
  }
  load.join();
  const GuestProbe::Agreement agreement = probe->SpuriousAgreement();
  std::cout << "agreed " << agreement.agreed << ", disagreed " << agreement.disagreed
            << ", unhandled ones " << steps << "\n";
  EXPECT_EQ(agreement.disagreed, 0u);
  if (!HasFailure() && steps < 20) Skip("this device gave no interrupts without work");
  EXPECT_GT(agreement.agreed, 20u);
}

}  // namespace
}  // namespace ringside
