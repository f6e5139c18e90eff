// SPDX-License-Identifier: Apache-2.0
#include "cli/timeline_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kSecondNs = 1'000'000'000;

// One node whose wall clock is 1,000 s ahead of its monotonic one.
Recording Small() {
  Recording recording{.recorder = "vm1", .closed = true};
  Stream stream;
  stream.hello = {.key = {"machine", "boot", "life"},
                  .name = "vm1",
                  .version = "0.1.0",
                  .kernel = "6.1.0",
                  .arch = "x86_64"};
  stream.hello.clock = {.mono_ns = 5 * kSecondNs, .real_ns = 1005 * kSecondNs};
  QueueInfo queue{.id = QueueId{1},
                  .generation = 1,
                  .mono_ns = 5 * kSecondNs,
                  .device = "eth0",
                  .queue = "rx0",
                  .irq_name = "virtio0-input.0",
                  .irq = 27,
                  .ring_size = 256};
  stream.queues = {queue};
  queue.mono_ns = 7 * kSecondNs;
  queue.epoch = 1;
  queue.msi = {.address = 0xfee01000, .data = 0x25, .known = true};
  stream.queues.push_back(queue);
  for (int i = 0; i < 4; ++i) {
    Mark mark{
        .queue = QueueId{1}, .domain = Domain::kIrq, .mono_ns = 6 * kSecondNs + i * 300'000'000};
    mark.pos = 256u * (i + 1);
    mark.counts = {{Count::kGuestIrq, HookId{0}, 100u + 10u * i}};
    stream.marks.push_back(mark);
  }
  stream.log = {{.mono_ns = 8 * kSecondNs, .level = 0, .text = "irq 27: nobody \033[2Jcared"}};
  stream.facts = {{.mono_ns = 5 * kSecondNs, .name = "net.core.busy_read", .value = "50"}};
  stream.gaps = {
      {.from_mono_ns = 8 * kSecondNs, .to_mono_ns = 9 * kSecondNs, .what = "spool full"}};
  stream.bye = Bye{.clock = {.mono_ns = 9 * kSecondNs}, .reason = "duration over"};
  stream.snapshots = {{.sequence = 1,
                       .full = true,
                       .begin = {.mono_ns = 5 * kSecondNs, .real_ns = 1005 * kSecondNs},
                       .end = {.mono_ns = 5 * kSecondNs, .real_ns = 1005 * kSecondNs}}};
  recording.streams.push_back(std::move(stream));
  return recording;
}

std::vector<Moment> All(const Recording& recording, const TimelineFilter& filter = {}) {
  return ListMoments(recording, MakeLedger(recording, {}), filter);
}

std::vector<Moment> Of(const std::vector<Moment>& moments, const std::string& what) {
  std::vector<Moment> found;
  std::copy_if(moments.begin(), moments.end(), std::back_inserter(found),
               [&](const Moment& moment) { return moment.what == what; });
  return found;
}

TEST(TimelineTextTest, MarksAreSummedUpPerSecond) {
  const auto marks = Of(All(Small()), "marks");
  // At 6.0, 6.3, 6.6 and 6.9 s: all in one second of the axis.
  ASSERT_EQ(marks.size(), 1u);
  EXPECT_EQ(marks[0].axis_ns, 1006 * kSecondNs);
  EXPECT_EQ(marks[0].queue, "vm1/eth0/rx0");
  EXPECT_EQ(marks[0].text, "4 irq marks, positions 256 to 1,024, guest.irq +30");
}

TEST(TimelineTextTest, ChangesSayWhatChanged) {
  const auto queues = Of(All(Small()), "queue");
  ASSERT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues[0].text, "found, ring 256, irq 27 (virtio0-input.0)");
  EXPECT_EQ(queues[1].text, "epoch 0 to 1 and MSI 0xfee01000 0x25");
}

TEST(TimelineTextTest, EverythingElseIsThereInOrder) {
  const auto moments = All(Small());
  EXPECT_TRUE(std::is_sorted(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
    return a.axis_ns < b.axis_ns;
  }));
  EXPECT_EQ(Of(moments, "fact").at(0).text, "net.core.busy_read = 50");
  EXPECT_EQ(Of(moments, "gap").at(0).text, "spool full (for 1.0 s)");
  EXPECT_EQ(Of(moments, "agent").size(), 2u);
  EXPECT_THAT(Of(moments, "agent").at(1).text, HasSubstr("duration over"));
}

TEST(TimelineTextTest, FactsOfAnInterruptBelongToItsQueue) {
  Recording recording = Small();
  recording.streams[0].facts.push_back(
      {.mono_ns = 5 * kSecondNs, .name = "virtio0-input.0.affinity", .value = "0-1"});
  EXPECT_EQ(Of(All(recording), "fact").size(), 2u);
  const auto other = Of(All(recording, {.queues = {"vm1/eth0/rx1"}}), "fact");
  ASSERT_EQ(other.size(), 1u);
  EXPECT_EQ(other[0].text, "net.core.busy_read = 50");
}

TEST(TimelineTextTest, WindowAndQueueFilter) {
  EXPECT_THAT(Of(All(Small(), {.from_ns = 1007 * kSecondNs}), "marks"), IsEmpty());
  EXPECT_EQ(Of(All(Small(), {.from_ns = 1007 * kSecondNs}), "queue").size(), 1u);
  const auto other = All(Small(), {.queues = {"vm1/eth0/rx1"}});
  EXPECT_THAT(Of(other, "marks"), IsEmpty());
  EXPECT_EQ(Of(other, "log").size(), 1u) << "what concerns no queue stays";
}

TEST(TimelineTextTest, TimesCountFromTheFirstSnapshotAndLogsAreHarmless) {
  const std::string text = TimelineText(All(Small()), 1005 * kSecondNs, {.width = 0});
  EXPECT_THAT(text, HasSubstr("+1.000000 s"));
  EXPECT_THAT(text, HasSubstr("emergency: irq 27: nobody \\x1b[2Jcared"));
  const Json rows = TimelineRows(All(Small()), 1005 * kSecondNs);
  EXPECT_EQ(rows[0]["offset_ns"], 0);
  EXPECT_TRUE(rows[0]["queue"].is_null());
}

TEST(TimelineTextTest, AnAgentThatWasCutOffIsSaid) {
  Recording recording = Small();
  recording.streams[0].bye.reset();
  EXPECT_THAT(Of(All(recording), "agent").at(1).text, HasSubstr("cut off"));
}

TEST(TimelineTextTest, TwoClocksShareOneAxis) {
  PathTruth truth;
  const Recording recording = ModelPath({.batches = 2000}, &truth);
  const auto marks = Of(All(recording), "marks");
  int64_t host_ns = 0;
  int64_t guest_ns = 0;
  for (const Moment& moment : marks) {
    if (moment.node == "host1" && host_ns == 0) host_ns = moment.axis_ns;
    if (moment.node == "vm1" && guest_ns == 0) guest_ns = moment.axis_ns;
  }
  // Their monotonic clocks are 123 ms apart, the axis is good to a fraction of a millisecond.
  EXPECT_LT(std::abs(host_ns - guest_ns), 50'000'000);
}

Moment At(const char* node, int64_t from_ns, int64_t to_ns, std::optional<size_t> root = {}) {
  Moment moment{.axis_ns = (from_ns + to_ns) / 2, .node = node, .what = "event"};
  moment.time.axis = {from_ns, to_ns};
  // On the clock of the family both are known ten times as well.
  const int64_t half_ns = (to_ns - from_ns) / 20;
  if (root) {
    moment.time.root = {*root, {moment.axis_ns - half_ns, moment.axis_ns + half_ns}};
  }
  return moment;
}

std::vector<bool> Unknown(std::vector<Moment> moments) {
  FindUnknownOrder(moments);
  std::vector<bool> unknown;
  for (const Moment& moment : moments) unknown.push_back(moment.order_unknown);
  return unknown;
}

TEST(TimelineTextTest, OverlappingTimesHaveNoOrder) {
  using Is = std::vector<bool>;
  EXPECT_EQ(Unknown({At("host1", 0, 100), At("vm1", 200, 300)}), (Is{false, false}));
  EXPECT_EQ(Unknown({At("host1", 0, 100), At("vm1", 90, 300)}), (Is{true, true}));
  // A node's own events are in order whatever their bound.
  EXPECT_EQ(Unknown({At("vm1", 0, 100), At("vm1", 10, 110)}), (Is{false, false}));
  // Not only neighbours: a wide one reaches over others.
  EXPECT_EQ(Unknown({At("vm1", 0, 20), At("host1", -500, 700), At("host1", 900, 910)}),
            (Is{true, true, false}));
  // One family's clock can tell what the axis cannot; two families' clocks cannot be compared.
  EXPECT_EQ(Unknown({At("host1", 0, 100, 0), At("vm1", 30, 130, 0)}), (Is{false, false}));
  EXPECT_EQ(Unknown({At("host1", 0, 100, 0), At("vm1", 30, 130, 1)}), (Is{true, true}));
  EXPECT_EQ(Unknown({At("host1", 0, 100, 0), At("vm1", 30, 130)}), (Is{true, true}));
}

TEST(TimelineTextTest, UnknownOrderIsShown) {
  std::vector<Moment> moments = {At("host1", 0, 100'000), At("vm1", 90'000, 300'000)};
  FindUnknownOrder(moments);
  const std::string text = TimelineText(moments, 0, {.width = 0});
  EXPECT_THAT(text, HasSubstr("~ +0.000050 s"));
  EXPECT_THAT(text, HasSubstr("order unknown"));
  EXPECT_TRUE(TimelineRows(moments, 0)[0]["order_unknown"]);
  EXPECT_EQ(TimelineRows(moments, 0)[1]["bound_ns"], 105'000);
}

}  // namespace
}  // namespace ringside
