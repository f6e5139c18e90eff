// SPDX-License-Identifier: Apache-2.0
// This kernel's real virtio devices under a disk load, against /proc/interrupts.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <sstream>
#include <string>

#include "agent/agent.h"
#include "agent/kernel_files.h"
#include "correlate/ledger.h"
#include "proto/chunk.h"
#include "tests/agent/collect_sink.h"
#include "tests/live/disk_load.h"
#include "tests/live/event_counts.h"

namespace ringside {
namespace {

using Totals = std::map<std::string, uint64_t>;

Totals ReadTotals() {
  Totals totals;
  for (const ProcInterrupt& irq : ParseProcInterrupts(ReadText("/proc/interrupts"))) {
    totals[irq.name] = irq.count;
  }
  return totals;
}

// Programs of ours in the kernel. It frees them a moment after they were closed.
int OurPrograms() {
  int count = 0;
  uint32_t id = 0;
  while (bpf_prog_get_next_id(id, &id) == 0) {
    const int fd = bpf_prog_get_fd_by_id(id);
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0) {
      count += std::string(info.name).rfind("guest_", 0) == 0;
    }
    if (fd >= 0) close(fd);
  }
  return count;
}

int OurProgramsLeft() {
  int left = OurPrograms();
  for (int i = 0; i < 50 && left > 0; ++i) {
    usleep(100'000);
    left = OurPrograms();
  }
  return left;
}

// What was recorded, and the kernel's own counts right before and after both edges.
struct Recorded {
  CollectSink sink;
  Totals before_first, after_first, before_last, after_last;
  uint64_t requests = 0;
};

void Skip(const char* why) {
  std::cout << "SKIP: " << why << std::endl;
  _exit(77);
}

void RecordUnderLoad(const AgentOptions& options, int steps, Recorded* run) {
  DiskLoad load;
  if (!load.ok()) Skip("no file system here takes direct writes");
  run->before_first = ReadTotals();
  auto agent = Agent::Start(options, &run->sink);
  ASSERT_TRUE(agent.ok()) << agent.status();
  run->after_first = ReadTotals();
  for (int i = 0; i < steps; ++i) {
    const absl::Status status = (*agent)->Step();
    ASSERT_TRUE(status.ok()) << status;
  }
  run->before_last = ReadTotals();
  ASSERT_TRUE((*agent)->Stop("end of test").ok());
  run->after_last = ReadTotals();
  run->requests = load.requests();
}

// Every queue's interval holds the kernel's own count, and is at most 2 wider than what passed
// while the edges were read.
void ExpectKernelsCounts(const Recorded& run, bool need_btf) {
  const Ledger ledger = MakeLedger(run.sink.AsRecording(), {});
  ASSERT_FALSE(ledger.queues.empty());
  uint64_t busiest = 0;
  for (const QueueLedger& queue : ledger.queues) {
    if (queue.irq_name.empty()) continue;
    SCOPED_TRACE(queue.queue);
    const CountCell* irq = queue.Find(Count::kGuestIrq);
    const CountCell* proc = queue.Find(Count::kGuestProcIrq);
    ASSERT_NE(irq, nullptr);
    ASSERT_NE(proc, nullptr);
    ASSERT_EQ(proc->lo, *proc->hi);
    // The kernel counts before it calls the handler: one may be between the two at each edge.
    EXPECT_LE(irq->lo, proc->lo + 1);
    const std::string& name = queue.irq_name;
    const uint64_t least = run.before_last.at(name) - run.after_first.at(name);
    const uint64_t most = run.after_last.at(name) - run.before_first.at(name);
    EXPECT_LE(irq->lo, most);
    if (need_btf) {
      ASSERT_TRUE(irq->hi.has_value());
      EXPECT_GE(*irq->hi + 1, proc->lo);
      EXPECT_GE(*irq->hi, least);
      EXPECT_LE(*irq->hi - irq->lo, most - least + 2);
      EXPECT_EQ(queue.verdict, Verdict::kHolds);
      std::cout << queue.queue << ": kernel " << proc->lo << ", interval " << irq->lo << ".."
                << *irq->hi << ", bracket " << least << ".." << most << "\n";
    }
    busiest = std::max(busiest, proc->lo);
  }
  EXPECT_GT(busiest, 500u) << "the load made no interrupts";
}

class LiveTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (geteuid() != 0) Skip("needs root");
    if (ListDirectory("/sys/bus/virtio/devices").empty()) Skip("no virtio device");
  }
};

TEST_F(LiveTest, CountsEqualProcInterruptsUnderDiskLoad) {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
  Recorded run;
  ASSERT_NO_FATAL_FAILURE(RecordUnderLoad({.roles = kRoleGuest}, 60, &run));
  ExpectKernelsCounts(run, true);
}

TEST_F(LiveTest, RepeatedWindowsHoldEachTime) {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
  for (int i = 0; i < 5; ++i) {
    Recorded run;
    ASSERT_NO_FATAL_FAILURE(RecordUnderLoad({.roles = kRoleGuest}, 8, &run));
    ExpectKernelsCounts(run, true);
  }
}

TEST_F(LiveTest, DetailEventsAreNumberedLikeTheCount) {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
  Recorded run;
  AgentOptions options{.roles = kRoleGuest, .ceiling_percent = 0};
  options.detail = {"all"};
  ASSERT_NO_FATAL_FAILURE(RecordUnderLoad(options, 20, &run));
  const auto all = EventsByKind(run.sink);
  ASSERT_EQ(DroppedRecords(run.sink), 0u);
  for (const EventKind kind : {EventKind::kGuestIrq, EventKind::kGuestHandled}) {
    uint64_t most = 0;
    for (const auto& [key, events] : all) {
      if (key.second == static_cast<uint16_t>(kind)) most = std::max(most, events.size());
    }
    EXPECT_GT(most, 200u) << CountName(EventCount(kind));
  }
  for (const auto& [key, events] : all) {
    SCOPED_TRACE(EventKindName(key.second));
    EXPECT_EQ(events.size(), events.back().number - events.front().number + 1)
        << "no event is missing or double";
    // Up to what the last snapshot counted, and what came while the rings were read after it.
    const auto [least, most] =
        LastCount(run.sink, key.first, EventCount(static_cast<EventKind>(key.second)));
    EXPECT_GE(events.back().number + 1, least);
    EXPECT_LE(events.back().number + 1, most + 100);
    const bool timed = EventValueOf(static_cast<EventKind>(key.second)) == EventValue::kNs;
    for (const Event& event : events) {
      ASSERT_EQ(event.rate, 1u);
      ASSERT_EQ(timed && event.value == 0, false) << "a handler takes time";
      ASSERT_LT(event.value, 1'000'000'000u);
    }
  }
}

TEST_F(LiveTest, EventsAreChosenByStageAndByTime) {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
  Recorded run;
  AgentOptions options{.roles = kRoleGuest, .ceiling_percent = 0};
  options.detail = {"all:guest.handled>1us", "all:guest.irq@1/16"};
  ASSERT_NO_FATAL_FAILURE(RecordUnderLoad(options, 10, &run));
  const auto all = EventsByKind(run.sink);
  ASSERT_FALSE(all.empty());
  size_t sampled = 0;
  for (const auto& [key, events] : all) {
    const bool irq = key.second == static_cast<uint16_t>(EventKind::kGuestIrq);
    ASSERT_TRUE(irq || key.second == static_cast<uint16_t>(EventKind::kGuestHandled));
    for (const Event& event : events) {
      EXPECT_EQ(event.rate, irq ? 16u : 0u);
      EXPECT_EQ(irq ? event.number % 16 : 0, 0u);
      EXPECT_TRUE(irq || event.value > 1000);
    }
    if (!irq) continue;
    sampled = std::max(sampled, events.size());
    EXPECT_EQ(events.size(), (events.back().number - events.front().number) / 16 + 1);
  }
  EXPECT_GT(sampled, 20u);
}

// NET_RX of all CPUs in /proc/softirqs: counted by the kernel right before its tracepoint.
uint64_t ReadNetRx() {
  std::istringstream lines(ReadText("/proc/softirqs"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    uint64_t sum = 0;
    for (uint64_t count = 0; name == "NET_RX:" && words >> count;) sum += count;
    if (name == "NET_RX:") return sum;
  }
  return 0;
}

TEST_F(LiveTest, NetworkSoftirqsEqualTheKernelsCount) {
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in loopback{.sin_family = AF_INET, .sin_port = htons(9)};
  loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CollectSink sink;
  const uint64_t before_first = ReadNetRx();
  auto agent = Agent::Start({.roles = kRoleGuest}, &sink);
  ASSERT_TRUE(agent.ok()) << agent.status();
  const uint64_t after_first = ReadNetRx();
  for (int i = 0; i < 20; ++i) {
    for (int sent = 0; sent < 100; ++sent) {
      sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&loopback), sizeof(loopback));
    }
    ASSERT_TRUE((*agent)->Step().ok());
  }
  const uint64_t before_last = ReadNetRx();
  ASSERT_TRUE((*agent)->Stop("end of test").ok());
  const uint64_t after_last = ReadNetRx();
  close(fd);
  const Recording recording = sink.AsRecording();
  const Stream& stream = recording.streams.at(0);
  uint64_t runs_lo = 0;
  uint64_t runs_hi = 0;
  uint64_t parts = 0;
  for (const Sample& sample : stream.snapshots.back().samples) {
    if (sample.count == Count::kSoftnetRuns) runs_lo = sample.lo, runs_hi = sample.hi;
  }
  for (const Part& part : stream.snapshots.back().parts) {
    if (part.count == Count::kSoftnetRuns) parts += part.value;
  }
  EXPECT_GE(before_last - after_first, 2000u) << "the load made no softirqs";
  EXPECT_GE(runs_hi, before_last - after_first);
  EXPECT_LE(runs_lo, after_last - before_first);
  EXPECT_GE(parts, runs_lo);
  EXPECT_LE(parts, runs_hi);
  std::cout << "softirq runs: " << runs_lo << ".." << runs_hi << ", kernel "
            << before_last - after_first << ".." << after_last - before_first << "\n";
  for (const HookInfo& hook : stream.hello.hooks) {
    if (hook.target != "irq:softirq_exit") continue;
    EXPECT_EQ(hook.state, HookState::kProven);
  }
}

TEST_F(LiveTest, LeavesNothingInTheKernel) {
  ASSERT_EQ(OurProgramsLeft(), 0) << "another agent runs here";
  CollectSink sink;
  auto agent = Agent::Start({.roles = kRoleGuest}, &sink);
  ASSERT_TRUE(agent.ok()) << agent.status();
  EXPECT_GT(OurPrograms(), 0);
  ASSERT_TRUE((*agent)->Stop("end of test").ok());
  EXPECT_EQ(OurProgramsLeft(), 0);
}

TEST_F(LiveTest, WithoutBtfTracepointsRemain) {
  // tracefs in a mount namespace of this process only.
  if (access("/sys/kernel/tracing/events", R_OK) != 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
        mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr) != 0) {
      Skip("no tracefs can be mounted here");
    }
  }
  Recorded run;
  AgentOptions options{.roles = kRoleGuest};
  options.limit = Rung::kTracepoint;
  ASSERT_NO_FATAL_FAILURE(RecordUnderLoad(options, 20, &run));
  ExpectKernelsCounts(run, false);
  const Ledger ledger = MakeLedger(run.sink.AsRecording(), {});
  EXPECT_EQ(ledger.nodes[0].rungs, "tracepoint");
  for (const QueueLedger& queue : ledger.queues) {
    EXPECT_FALSE(queue.Find(Count::kGuestIrq)->hi.has_value()) << "its losses cannot be seen";
  }
}

TEST_F(LiveTest, WithoutBpfTheKernelsOwnCountRemains) {
  Recorded run;
  AgentOptions options{.roles = kRoleGuest};
  options.limit = Rung::kProcfs;
  ASSERT_NO_FATAL_FAILURE(RecordUnderLoad(options, 5, &run));
  const Ledger ledger = MakeLedger(run.sink.AsRecording(), {});
  ASSERT_FALSE(ledger.queues.empty());
  EXPECT_EQ(ledger.nodes[0].rungs, "procfs");
  for (const QueueLedger& queue : ledger.queues) {
    EXPECT_NE(queue.Find(Count::kGuestProcIrq), nullptr);
    EXPECT_EQ(queue.Find(Count::kGuestIrq), nullptr) << "never observed is no cell";
  }
}

}  // namespace
}  // namespace ringside
