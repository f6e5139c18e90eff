// SPDX-License-Identifier: Apache-2.0
// What changes under a running agent, on this kernel's own devices: symbols that come later, types
// that come later, symbols that are hidden. (Modules and VMs that come and go: tests/lab follow.)
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>

#include "agent/bpf_config.h"
#include "agent/guest_probe.h"
#include "tests/live/disk_load.h"

namespace ringside {
namespace {

void Skip(const char* why) {
  std::cout << "SKIP: " << why << std::endl;
  _exit(77);
}

class FollowTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (geteuid() != 0) Skip("needs root");
    if (ListDirectory("/sys/bus/virtio/devices").empty()) Skip("no virtio device");
    if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
    // tracefs in a mount namespace of this process only.
    if (access("/sys/kernel/tracing/events", R_OK) == 0) return;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
        mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr) != 0) {
      Skip("no tracefs can be mounted here");
    }
  }

  void Start(const ProbeOptions& options) {
    probe_ = GuestProbe::Start(options, &hooks_, &registry_);
    probe_->Discover(1);
  }
  // Of all queues; nothing if no queue has it.
  std::optional<uint64_t> Total(Count count) {
    probe_->Discover(1);
    std::vector<Reading> readings;
    probe_->ReadCounters(&readings);
    std::optional<uint64_t> total;
    for (const Reading& reading : readings) {
      if (reading.count == count) total = total.value_or(0) + reading.value;
    }
    return total;
  }
  void MakeInterrupts() {
    DiskLoad load(500);
    if (!load.ok()) Skip("no file system here takes direct writes");
    while (load.requests() < 500) usleep(1000);
  }
  HookState StateOf(const std::string& program) const {
    for (auto hook = hooks_.hooks().rbegin(); hook != hooks_.hooks().rend(); ++hook) {
      if (hook->program == program) return hook->state;
    }
    return HookState::kUnneeded;
  }

  HookTable hooks_;
  QueueRegistry registry_;
  std::unique_ptr<GuestProbe> probe_;
};

// A count that stays 0 because nothing could be recognised would be a lie.
TEST_F(FollowTest, WithoutSymbolsInterruptsAreCountedByNumber) {
  ProbeOptions options{.config = MakeBpfConfig()};
  options.config.fn_vring_interrupt = 0;
  Start(options);
  MakeInterrupts();
  const auto irqs = Total(Count::kGuestIrq);
  ASSERT_TRUE(irqs.has_value());
  EXPECT_GE(*irqs, 400u);
  EXPECT_EQ(StateOf("guest_irq_entry"), HookState::kRefused);
  EXPECT_EQ(StateOf("plain_irq_entry"), HookState::kAttached);
  EXPECT_FALSE(Total(Count::kGuestNapiSoftirq).has_value());
}

TEST_F(FollowTest, PollsOfADriverThatIsHiddenAreNotObserved) {
  ProbeOptions options{.config = MakeBpfConfig()};
  options.config.fn_virtnet_poll = 0;
  options.config.fn_virtnet_poll_tx = 0;
  Start(options);
  EXPECT_TRUE(Total(Count::kGuestIrq).has_value());
  EXPECT_FALSE(Total(Count::kGuestNapiSoftirq).has_value()) << "never observed is no zero";
  // The driver's symbols come with its module; the programs see them without being replaced.
  const ProbeOptions later{.config = MakeBpfConfig()};
  EXPECT_FALSE(probe_->Follow(later)) << "no hook is new";
  if (later.config.fn_virtnet_poll == 0) GTEST_SKIP() << "no virtio_net here";
  EXPECT_TRUE(Total(Count::kGuestNapiSoftirq).has_value());
}

TEST_F(FollowTest, ByNumberBecomesByQueueWhenItCan) {
  ProbeOptions options{.config = MakeBpfConfig()};
  options.config.fn_vring_interrupt = 0;
  Start(options);
  const size_t before = hooks_.hooks().size();
  EXPECT_FALSE(probe_->Follow(options)) << "nothing has changed";
  EXPECT_EQ(hooks_.hooks().size(), before) << "a try in vain leaves no hooks behind";
  EXPECT_TRUE(probe_->Follow({.config = MakeBpfConfig()}));
  EXPECT_EQ(StateOf("plain_irq_entry"), HookState::kUnneeded);
  EXPECT_EQ(StateOf("guest_irq_entry"), HookState::kAttached);
  MakeInterrupts();
  EXPECT_GE(Total(Count::kGuestIrq).value_or(0), 400u);
  std::vector<HookSample> samples;
  probe_->ReadHooks(&samples);
  EXPECT_TRUE(std::all_of(samples.begin(), samples.end(), [&](const HookSample& sample) {
    return static_cast<uint32_t>(sample.hook) <= hooks_.hooks().size();
  }));
}

// More queues than slots: those without one are not silently zero.
TEST_F(FollowTest, QueuesWithoutASlotAreSaid) {
  Start({.config = MakeBpfConfig(), .slots = 1});
  MakeInterrupts();
  Total(Count::kGuestIrq);
  std::vector<HookSample> samples;
  probe_->ReadHooks(&samples);
  uint64_t unplaced = 0;
  for (const HookSample& sample : samples) unplaced += sample.unplaced;
  const uint64_t counted = *Total(Count::kGuestIrq);
  EXPECT_GT(unplaced, 0u) << "one of the two, disk or network, found no slot";
  EXPECT_GE(unplaced + counted, 400u);
}

}  // namespace
}  // namespace ringside
