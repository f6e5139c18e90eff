// SPDX-License-Identifier: Apache-2.0
// Real irqfds on /dev/kvm, without a guest: a VM with one vCPU that never runs and one MSI route.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "correlate/hook_proof.h"
#include "correlate/ledger.h"
#include "tests/agent/collect_sink.h"
#include "tests/live/event_counts.h"
#include "tests/live/irqfd_vm.h"

namespace ringside {
namespace {

void Skip(const char* why) {
  std::cout << "SKIP: " << why << std::endl;
  _exit(77);
}

class LiveIrqfdTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (geteuid() != 0 || access("/dev/kvm", R_OK | W_OK) != 0) Skip("needs root and /dev/kvm");
  }
  void SetUp() override {
    if (!vm.ok) Skip("KVM makes no VM with an interrupt controller here");
  }
  void Write(int times) const {
    const uint64_t one = 1;
    for (int i = 0; i < times; ++i) {
      ASSERT_EQ(write(vm.event, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
    }
  }
  // Starts an agent with these wishes and has it know the route, by one write.
  void StartWith(const std::vector<std::string>& wishes) {
    auto started =
        Agent::Start({.roles = kRoleHost, .detail = wishes, .ceiling_percent = 0}, &sink);
    ASSERT_TRUE(started.ok()) << started.status();
    agent = *std::move(started);
    Write(1);
    Steps(25);
  }
  void Steps(int times) const {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(agent->Step().ok());
  }
  // Injections recorded one by one of the only route, by number; and their number by the counter.
  std::vector<Event> StopAndTakeEvents() {
    EXPECT_TRUE(agent->Stop("end of test").ok());
    auto all = EventsByKind(sink);
    if (all.empty()) return {};
    EXPECT_EQ(all.size(), 1u);
    const auto& [key, events] = *all.begin();
    EXPECT_EQ(key.second, static_cast<uint16_t>(EventKind::kKvmInjected));
    counted = LastCount(sink, key.first, Count::kKvmInjected).first;
    return events;
  }

  IrqfdVm vm;
  CollectSink sink;
  std::unique_ptr<Agent> agent;
  uint64_t counted = 0;
};

TEST_F(LiveIrqfdTest, EveryInjectionIsAnEventWithItsNumberAndTime) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"all:kvm"}));
  constexpr uint64_t kWrites = 5000;
  Write(kWrites);
  Steps(3);
  const std::vector<Event> events = StopAndTakeEvents();
  ASSERT_EQ(events.size(), kWrites);
  EXPECT_EQ(counted, kWrites + 1);
  for (size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(events[i].number, i + 1) << "the first came before the wish was applied";
    ASSERT_EQ(events[i].rate, 1u);
    ASSERT_GT(events[i].value, 0u);
    ASSERT_GE(events[i].mono_ns, events[i == 0 ? 0 : i - 1].mono_ns);
  }
}

TEST_F(LiveIrqfdTest, SampledEventsAreEachNth) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"all:kvm.injected@1/10"}));
  Write(5000);
  const std::vector<Event> events = StopAndTakeEvents();
  ASSERT_EQ(events.size(), 500u);  // numbers 1 .. 5000
  EXPECT_EQ(counted, 5001u);
  for (size_t i = 0; i < events.size(); ++i) {
    ASSERT_EQ(events[i].number, 10 * (i + 1));
    ASSERT_EQ(events[i].rate, 10u);
  }
}

TEST_F(LiveIrqfdTest, AThresholdNobodyReachesRecordsNothing) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"all:kvm>4s"}));
  Write(1000);
  EXPECT_TRUE(StopAndTakeEvents().empty());
}

// Nobody reads the ring meanwhile: what finds no room is counted, and the count knows them all.
TEST_F(LiveIrqfdTest, EventsAndDropsAreTheCountWhenTheRingOverflows) {
  ASSERT_NO_FATAL_FAILURE(StartWith({"all:kvm"}));
  constexpr uint64_t kWrites = 3 * RS_EVENT_BYTES / 40;
  Write(kWrites);
  const std::vector<Event> events = StopAndTakeEvents();
  const uint64_t dropped = DroppedRecords(sink);
  EXPECT_EQ(counted, kWrites + 1);
  EXPECT_GT(dropped, kWrites / 2);
  EXPECT_EQ(events.size() + dropped, kWrites);
  EXPECT_EQ(events.back().number, events.size()) << "the first ones have room, the rest is lost";
  std::cout << counted << " counted, " << events.size() << " recorded, " << dropped << " dropped\n";
}

TEST_F(LiveIrqfdTest, WishesThatMeanNothingHereAreSaidOnce) {
  auto started =
      Agent::Start({.roles = kRoleHost, .detail = {"nobody/rx0", "all:guest.irq", "all:x"}}, &sink);
  ASSERT_TRUE(started.ok()) << started.status();
  std::vector<std::string> notes = (*started)->TakeNotes();
  Write(1);
  for (int i = 0; i < 25; ++i) ASSERT_TRUE((*started)->Step().ok());
  for (std::string& note : (*started)->TakeNotes()) notes.push_back(std::move(note));
  ASSERT_EQ(notes.size(), 3u);
  EXPECT_TRUE(notes[0].starts_with("detail 'all:x': no event is called 'x'")) << notes[0];
  EXPECT_EQ(notes[1], "detail 'nobody/rx0': means no queue here so far; it stays for new ones");
}

// The process of another VM, which takes an interrupt every few milliseconds: system calls are
// hooked only where there is one that does.
class BusyVm {
 public:
  BusyVm() : pid_(fork()) {
    if (pid_ != 0) return;
    const IrqfdVm other;
    const uint64_t one = 1;
    for (int i = 0; i < 2000 && write(other.event, &one, sizeof(one)) > 0; ++i) usleep(5000);
    _exit(0);
  }
  ~BusyVm() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  const pid_t pid_;
};

TEST_F(LiveIrqfdTest, WithoutAVmSystemCallsAreNotHooked) {
  auto started = Agent::Start({.roles = kRoleHost}, &sink);
  ASSERT_TRUE(started.ok()) << started.status();
  const auto state = [this] {
    const std::vector<HookInfo>& hooks = sink.AsRecording().streams[0].hello.hooks;
    const auto hook = std::find_if(hooks.begin(), hooks.end(), [](const HookInfo& info) {
      return info.program == "msi_sys_write";
    });
    return hook == hooks.end() ? HookState::kRefused : hook->state;
  };
  EXPECT_EQ(state(), HookState::kUnneeded);
  Write(10);
  for (int i = 0; i < 25; ++i) ASSERT_TRUE((*started)->Step().ok());
  EXPECT_TRUE(InUse(state()));
  ASSERT_TRUE((*started)->Stop("end of test").ok());
  for (const QueueLedger& queue : MakeLedger(sink.AsRecording(), {}).queues) {
    EXPECT_EQ(queue.Find(Count::kEventfdWritten), nullptr) << "not seen from the first one on";
  }
}

TEST_F(LiveIrqfdTest, EveryWriteIsOneInjectionOfThatRoute) {
  const BusyVm busy;
  auto started = Agent::Start({.roles = kRoleHost}, &sink);
  ASSERT_TRUE(started.ok()) << started.status();
  constexpr int kWrites = 5000;
  Write(kWrites);
  for (int i = 0; i < 25; ++i) ASSERT_TRUE((*started)->Step().ok());
  ASSERT_TRUE((*started)->Stop("end of test").ok());
  const Ledger ledger = MakeLedger(sink.AsRecording(), {});
  int routes = 0;
  for (const QueueLedger& queue : ledger.queues) {
    const CountCell* injected = queue.Find(Count::kKvmInjected);
    const std::string mine = "/kvm-" + std::to_string(getpid()) + "/";
    if (injected == nullptr || queue.host_queue.find(mine) == std::string::npos) continue;
    ++routes;
    EXPECT_EQ(injected->lo, static_cast<uint64_t>(kWrites));
    EXPECT_EQ(injected->hi, static_cast<uint64_t>(kWrites));
    const CountCell* written = queue.Find(Count::kEventfdWritten);
    ASSERT_NE(written, nullptr);
    EXPECT_EQ(written->lo, static_cast<uint64_t>(kWrites)) << "from the first one on";
    EXPECT_EQ(written->hi, static_cast<uint64_t>(kWrites));
    std::cout << queue.host_queue << ": kvm.injected " << injected->lo << ".." << *injected->hi
              << " (" << injected->hook << ")\n";
  }
  EXPECT_EQ(routes, 1);
}

}  // namespace
}  // namespace ringside
