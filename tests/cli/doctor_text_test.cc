// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using testing::HasSubstr;
using testing::Not;

HookReport Report() {
  HookReport report;
  report.hooks = {{.stage = "irqfd.woken",
                   .program = "woken_fentry",
                   .target = "irqfd_wakeup",
                   .rung = Rung::kFentry,
                   .state = HookState::kRefused,
                   .reason = "left out with other"},
                  {.stage = "irqfd.woken",
                   .program = "woken_fexit",
                   .target = "irqfd_wakeup",
                   .rung = Rung::kFentry,
                   .state = HookState::kRefused,
                   .reason = "not permitted"},
                  {.stage = "irqfd.woken",
                   .program = "woken_kprobe",
                   .target = "irqfd_wakeup",
                   .rung = Rung::kKprobe,
                   .state = HookState::kAttached,
                   .reason = ""},
                  {.stage = "tun.offered",
                   .program = "tun",
                   .target = "tun_net_xmit",
                   .rung = Rung::kFentry,
                   .state = HookState::kRefused,
                   .reason = "no such function"},
                  {.stage = "guest.irq",
                   .program = "plain",
                   .target = "irq:irq_handler_entry",
                   .rung = Rung::kTracepoint,
                   .state = HookState::kUnneeded,
                   .reason = ""}};
  for (size_t i = 0; i < report.hooks.size(); ++i) {
    report.hooks[i].id = HookId{static_cast<uint32_t>(i + 1)};
  }
  report.samples = {{.hook = HookId{3}, .hits = 290, .misses = std::nullopt}};
  return report;
}

TEST(DoctorTextTest, StagesShowTheRungInUseAndEveryRefusal) {
  const HookReport report = Report();
  const auto stages = GroupByStage(report);
  ASSERT_EQ(stages.size(), 3u);
  EXPECT_EQ(stages[0].rung, Rung::kKprobe);
  EXPECT_EQ(stages[1].rung, Rung::kNone);
  const std::string text = StagesText(stages, {.width = 0});
  EXPECT_THAT(text, HasSubstr("irqfd.woken  kprobe  irqfd_wakeup (unproven)\n"));
  EXPECT_THAT(text, HasSubstr("refused fentry irqfd_wakeup: not permitted"));
  EXPECT_THAT(text, Not(HasSubstr("left out")))
      << "one reason per hook point, the one that says why";
  EXPECT_THAT(text, HasSubstr("nothing could be attached"));
  EXPECT_THAT(text, HasSubstr("refused fentry tun_net_xmit: no such function"));
}

TEST(DoctorTextTest, ASilentHookIsNoRungInUse) {
  HookReport report = Report();
  report.hooks[0].state = HookState::kSilent;
  report.hooks[1].state = HookState::kSilent;
  auto stages = GroupByStage(report);
  EXPECT_EQ(stages[0].rung, Rung::kKprobe);
  EXPECT_THAT(StagesText(stages, {.width = 0}), HasSubstr("irqfd_wakeup (silent)"));
  report.hooks[2].state = HookState::kLossy;
  EXPECT_THAT(StagesText(GroupByStage(report), {.width = 0}), HasSubstr("irqfd_wakeup (lossy)"));
}

TEST(DoctorTextTest, JsonHasEveryHook) {
  const HookReport report = Report();
  const Json json = StagesJson(GroupByStage(report));
  EXPECT_EQ(json[0]["stage"], "irqfd.woken");
  EXPECT_EQ(json[0]["rung"], "kprobe");
  ASSERT_EQ(json[0]["attached"].size(), 1u);
  EXPECT_EQ(json[0]["attached"][0]["program"], "woken_kprobe");
  EXPECT_EQ(json[0]["attached"][0]["state"], "unproven");
  EXPECT_EQ(json[0]["attached"][0]["hits"], 290);
  EXPECT_EQ(json[0]["refused"].size(), 2u);
  EXPECT_EQ(json[0]["refused"][1]["reason"], "not permitted");
  EXPECT_EQ(json[1]["rung"], "none");
}

TEST(DoctorTextTest, MachineFactsSayWhatTheyMean) {
  Machine machine{.kernel = "6.1.0", .arch = "x86_64", .btf = false, .uid = 1000};
  machine.lockdown = "confidentiality";
  machine.missing_capabilities = {"CAP_BPF"};
  machine.virtio = {{.name = "virtio0", .driver = "virtio_net", .netdev = "eth0"}};
  const std::string text = MachineText(machine, {.width = 0});
  EXPECT_THAT(text, HasSubstr("BTF         no"));
  EXPECT_THAT(text, HasSubstr("may not read kernel memory"));
  EXPECT_THAT(text, HasSubstr("uid 1000, lacks CAP_BPF: cannot record"));
  EXPECT_THAT(text, HasSubstr("virtio0 virtio_net eth0"));
  const Json json = MachineJson(machine);
  EXPECT_EQ(json["btf"], false);
  EXPECT_EQ(json["virtio"][0]["netdev"], "eth0");
  EXPECT_EQ(json["missing_capabilities"][0], "CAP_BPF");
}

}  // namespace
}  // namespace ringside
