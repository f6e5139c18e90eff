// SPDX-License-Identifier: Apache-2.0
// Stand-ins of the ladder, on this kernel: a group is used exactly where the one above was refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>

#include "agent/bpf_config.h"
#include "agent/embedded.h"

namespace ringside {
namespace {

class LiveLadderTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* why = geteuid() != 0                                 ? "needs root"
                      : access("/sys/kernel/btf/vmlinux", R_OK) != 0 ? "this kernel has no BTF"
                                                                     : nullptr;
    if (why == nullptr) return;
    std::cout << "SKIP: " << why << std::endl;
    _exit(77);
  }
  static BpfObject::Options GuestOptions() {
    BpfObject::Options options{.name = "guest", .begin = ringside_bpf_guest_begin};
    options.end = ringside_bpf_guest_end;
    options.config = MakeBpfConfig();
    options.map_sizes = {{"hook_cells", PossibleCpus() * RS_HOOKS}};
    options.free_lists = {{"free_slots", RS_MAX_SLOTS}};
    return options;
  }
};

// Rungs are only labels here: both programs load on every kernel with BTF.
const std::vector<ProgramSpec> kTwo = {
    {"guest_napi_poll", RS_HOOK_NAPI, "guest.napi", "napi:napi_poll", Rung::kFentry, "first"},
    {"guest_irq_entry", RS_HOOK_IRQ_ENTRY, "guest.irq", "irq:irq_handler_entry", Rung::kKprobe,
     "second", "first"},
};

TEST_F(LiveLadderTest, AStandInIsNotNeededWhereTheFirstIsThere) {
  auto bpf = BpfObject::Load(GuestOptions(), kTwo);
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  (*bpf)->Attach();
  EXPECT_EQ((*bpf)->hooks()[0].state, HookState::kAttached);
  EXPECT_EQ((*bpf)->hooks()[1].state, HookState::kUnneeded);
  EXPECT_TRUE((*bpf)->attached(RS_HOOK_NAPI));
  EXPECT_FALSE((*bpf)->attached(RS_HOOK_IRQ_ENTRY));
}

TEST_F(LiveLadderTest, AStandInIsTakenWhereTheFirstIsLeftOut) {
  BpfObject::Options options = GuestOptions();
  options.limit = Rung::kKprobe;
  auto bpf = BpfObject::Load(options, kTwo);
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  (*bpf)->Attach();
  EXPECT_EQ((*bpf)->hooks()[0].state, HookState::kRefused);
  EXPECT_EQ((*bpf)->hooks()[1].state, HookState::kAttached);
  EXPECT_EQ((*bpf)->SpecOf(RS_HOOK_IRQ_ENTRY), 1u);
  // One that is not attached has seen nothing, whatever others count.
  EXPECT_EQ((*bpf)->ReadHooks()[0].hits, 0u);
}

// A kernel may refuse a program when it is loaded or when it is attached (fentry on arm64 6.1). Its
// stand-in counts then, and only then.
TEST_F(LiveLadderTest, ExactlyOneCountsWhereverTheKernelRefuses) {
  BpfObject::Options options{.name = "host", .begin = ringside_bpf_host_begin};
  options.end = ringside_bpf_host_end;
  options.config = MakeBpfConfig();
  options.map_sizes = {{"hook_cells", PossibleCpus() * RS_HOOKS}};
  options.free_lists = {{"free_parts", RS_MAX_PARTS}};
  const std::vector<ProgramSpec> specs = {
      {"host_eventfd_signal", RS_HOOK_EVENTFD_SIGNAL, "vhost.signalled", "eventfd_signal_mask",
       Rung::kFentry, "signal"},
      {"host_drop", RS_HOOK_DROP, "tun.dropped", "skb:kfree_skb", Rung::kTpBtf, "drop", "signal"},
  };
  auto bpf = BpfObject::Load(options, specs);
  ASSERT_TRUE(bpf.ok()) << bpf.status();
  (*bpf)->Attach();
  EXPECT_NE((*bpf)->attached(RS_HOOK_EVENTFD_SIGNAL), (*bpf)->attached(RS_HOOK_DROP));
  if ((*bpf)->attached(RS_HOOK_DROP)) {
    EXPECT_FALSE((*bpf)->hooks()[0].reason.empty());
    // The free list was filled again with the second load: rows from 0 to the end.
    EXPECT_FALSE((*bpf)->FillFreeList("free_parts", 1).ok());
  }
}

}  // namespace
}  // namespace ringside
