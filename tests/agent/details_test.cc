// SPDX-License-Identifier: Apache-2.0
#include "agent/details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

QueueInfo Queue(const std::string& device, const std::string& queue, const std::string& vm = "") {
  QueueInfo info{.device = device, .queue = queue};
  info.vm_name = vm;
  return info;
}

constexpr uint32_t kIrq = EventBit(EventKind::kGuestIrq);
constexpr uint32_t kHandled = EventBit(EventKind::kGuestHandled);
constexpr uint32_t kInjected = EventBit(EventKind::kKvmInjected);

TEST(DetailsTest, NodesAndVmsAreNames) {
  Details details;
  details.SetNode("host1");
  details.SetWishes({"host1/tap0/rx0", "web/*:kvm"});
  EXPECT_EQ(details.For(Queue("tap0", "rx0"), kIrq).kinds, kIrq);
  EXPECT_EQ(details.For(Queue("tap1", "rx0"), kIrq).kinds, 0u);
  EXPECT_EQ(details.For(Queue("tap1", "rx0", "web"), kIrq | kInjected).kinds, kInjected);
  EXPECT_EQ(details.Text(), "host1/tap0/rx0 web/*:kvm");
  EXPECT_THAT(details.TakeNotes(), IsEmpty());
}

TEST(DetailsTest, TwoWishesForOneKindGiveWhatEitherWants) {
  Details details;
  details.SetWishes({"all:guest.handled>50us@1/8", "*/rx0:guest.handled@1/100"});
  const QueueDetail both = details.For(Queue("eth0", "rx0"), kIrq | kHandled);
  EXPECT_EQ(both.kinds, kHandled);
  EXPECT_EQ(both.of[2].least, 0u);
  EXPECT_EQ(both.of[2].every, 8u);
  EXPECT_EQ(details.For(Queue("eth0", "rx1"), kHandled).of[2].least, 50'001u);
}

TEST(DetailsTest, TheGovernorThinsAllAlike) {
  Details details;
  details.SetWishes({"all:guest.irq", "all:guest.handled@1/3000"});
  details.SetShare(64);
  const QueueDetail thin = details.For(Queue("eth0", "rx0"), kIrq | kHandled);
  EXPECT_EQ(thin.of[1].every, 64u);
  EXPECT_EQ(thin.of[2].every, 65535u) << "what a record can state";
  details.SetShare(0);
  EXPECT_EQ(details.For(Queue("eth0", "rx0"), kIrq | kHandled).kinds, 0u);
  details.SetShare(1);
  EXPECT_EQ(details.For(Queue("eth0", "rx0"), kIrq | kHandled).of[2].every, 3000u);
}

TEST(DetailsTest, SaysOnceWhatMeansNothingHere) {
  Details details;
  details.SetNode("vm1");
  details.SetWishes({"eth9/rx0", "eth0/rx0:kvm", "eth0/rx0:guest.irq", "??"});
  details.For(Queue("eth0", "rx0"), kIrq);
  EXPECT_THAT(details.TakeNotes(),
              ElementsAre(StartsWith("detail '\?\?': '\?\?' is no queue's name"),
                          "detail 'eth9/rx0': means no queue here so far; it stays for new ones",
                          "detail 'eth0/rx0:kvm': of these queues nothing here records "
                          "kvm.injected, kvm.merged, kvm.rejected, kvm.slowpath"));
  details.For(Queue("eth0", "rx0"), kIrq);
  EXPECT_THAT(details.TakeNotes(), IsEmpty());
  EXPECT_EQ(details.For(Queue("eth9", "rx0"), kIrq).kinds, kIrq) << "it came later";
  details.SetWishes({});
  EXPECT_EQ(details.For(Queue("eth9", "rx0"), kIrq).kinds, 0u);
  EXPECT_EQ(details.Text(), "off");
}

TEST(DetailSlotsTest, WritesFiltersThenWordsAndTakesThemBack) {
  std::vector<rs_detail_row> rows(RS_MAX_SLOTS);
  std::vector<rs_tun_slot> slots(RS_MAX_SLOTS);
  DetailSlots words(rows.data(), kIrq | kHandled);
  QueueDetail detail{.kinds = kIrq | kHandled | kInjected};
  detail.of[1].every = 1;
  detail.of[2] = {.least = 7, .every = 3};
  words.Begin();
  words.Want(5, detail);
  words.Want(-1, detail);
  words.Commit(slots.data());
  EXPECT_EQ(slots[5].detail, kIrq | kHandled | uint64_t{kHandled} << 32);
  EXPECT_EQ(rows[5].of[2].least, 7u);
  EXPECT_EQ(slots[4].detail, 0u);
  words.Begin();
  words.Commit(slots.data());
  EXPECT_EQ(slots[5].detail, 0u);
}

TEST(FullNumberTest, IsTheNearestBelowTheCount) {
  EXPECT_EQ(FullNumber(10, 3), 3u);
  EXPECT_EQ(FullNumber((uint64_t{7} << 32) + 5, 4), (uint64_t{7} << 32) + 4);
  EXPECT_EQ(FullNumber((uint64_t{7} << 32) + 5, 0xfffffff0u), (uint64_t{6} << 32) + 0xfffffff0u);
}

}  // namespace
}  // namespace ringside
