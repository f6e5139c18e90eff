// SPDX-License-Identifier: Apache-2.0
// An agent that may cost next to nothing, on this kernel's real devices under a disk load: it does
// without its hooks, says so, and no count is wrong for it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <string>

#include "agent/agent.h"
#include "agent/kernel_files.h"
#include "correlate/ledger.h"
#include "tests/agent/collect_sink.h"
#include "tests/live/disk_load.h"

namespace ringside {
namespace {

void Skip(const char* why) {
  std::cout << "SKIP: " << why << std::endl;
  _exit(77);
}

// Snapshots so far apart that only hooks are left to give up.
constexpr int64_t kTenSeconds = 10'000'000'000;

void RunUnderLoad(double ceiling_percent, int steps, CollectSink* sink) {
  if (geteuid() != 0) Skip("needs root");
  if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) Skip("this kernel has no BTF");
  DiskLoad load;
  if (!load.ok()) Skip("no file system here takes direct writes");
  const AgentOptions options{
      .roles = kRoleGuest, .snapshot_interval_ns = kTenSeconds, .ceiling_percent = ceiling_percent};
  auto agent = Agent::Start(options, sink);
  ASSERT_TRUE(agent.ok()) << agent.status();
  for (int i = 0; i < steps; ++i) ASSERT_TRUE((*agent)->Step().ok());
  EXPECT_GT((*agent)->totals().cost_percent, 0);
  ASSERT_TRUE((*agent)->Stop("end of test").ok());
}

bool Paused(const Stream& stream, const std::string& target) {
  return std::any_of(stream.hello.hooks.begin(), stream.hello.hooks.end(), [&](const auto& hook) {
    return hook.target == target && hook.state == HookState::kPaused;
  });
}

TEST(LiveGovernor, UnderATinyCeilingHooksGoAndIntervalsSaySo) {
  CollectSink sink;
  ASSERT_NO_FATAL_FAILURE(RunUnderLoad(0.0001, 160, &sink));
  const Stream& stream = sink.stream();
  EXPECT_TRUE(Paused(stream, "irq:irq_handler_entry"));
  EXPECT_TRUE(Paused(stream, "irq:irq_handler_exit"));
  const bool said = std::any_of(stream.facts.begin(), stream.facts.end(), [](const Fact& fact) {
    return fact.name == "agent.governor" && fact.value.find("without irq") != std::string::npos;
  });
  EXPECT_TRUE(said);
  const auto gap = std::find_if(stream.gaps.begin(), stream.gaps.end(), [](const Gap& each) {
    return each.what.find("irq not recorded") == 0 && each.to_mono_ns > each.from_mono_ns;
  });
  ASSERT_NE(gap, stream.gaps.end());
  const Ledger ledger = MakeLedger(sink.AsRecording(), {});
  uint64_t unseen = 0;
  for (const QueueLedger& queue : ledger.queues) {
    const CountCell* irq = queue.Find(Count::kGuestIrq);
    const CountCell* proc = queue.Find(Count::kGuestProcIrq);
    if (irq == nullptr || proc == nullptr) continue;
    SCOPED_TRACE(queue.queue);
    EXPECT_NE(queue.verdict, Verdict::kViolated);
    EXPECT_LE(irq->lo, proc->lo + 1);
    EXPECT_GE(irq->hi.value_or(proc->lo) + 1, proc->lo);
    unseen += proc->lo - std::min<uint64_t>(proc->lo, irq->lo);
    std::cout << queue.queue << ": kernel " << proc->lo << ", seen " << irq->lo << "\n";
  }
  EXPECT_GT(unseen, 100u) << "the hooks were not away under load, nothing was tried";
}

// The load is this process, too, and counts as the agent's.
TEST(LiveGovernor, UnderAWideCeilingNothingIsGivenUp) {
  CollectSink sink;
  ASSERT_NO_FATAL_FAILURE(RunUnderLoad(80, 60, &sink));
  for (const Fact& fact : sink.stream().facts) EXPECT_NE(fact.name, "agent.governor");
  EXPECT_FALSE(Paused(sink.stream(), "irq:irq_handler_entry"));
}

}  // namespace
}  // namespace ringside
