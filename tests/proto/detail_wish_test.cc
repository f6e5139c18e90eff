// SPDX-License-Identifier: Apache-2.0
#include "proto/detail_wish.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

uint32_t Bits(std::initializer_list<EventKind> kinds) {
  uint32_t bits = 0;
  for (const EventKind kind : kinds) bits |= EventBit(kind);
  return bits;
}

DetailWish Parsed(const std::string& text) {
  const auto wish = ParseDetailWish(text);
  EXPECT_TRUE(wish.ok()) << wish.status();
  return wish.ok() ? *wish : DetailWish{};
}

TEST(DetailWishTest, AQueueAloneWantsEveryKindButTheUserProbe) {
  const DetailWish wish = Parsed("eth0/rx1");
  EXPECT_EQ(wish.queue, "eth0/rx1");
  EXPECT_EQ(wish.kinds, 0x7ffffeu);
  EXPECT_EQ(wish.least, 0u);
  EXPECT_EQ(wish.every, 1u);
}

TEST(DetailWishTest, StagesThresholdsAndRates) {
  EXPECT_EQ(Parsed("all:guest.irq").kinds, Bits({EventKind::kGuestIrq}));
  EXPECT_EQ(
      Parsed("all:guest.napi,irqfd").kinds,
      Bits({EventKind::kGuestNapiSoftirq, EventKind::kGuestNapiBusy, EventKind::kGuestNapiThread,
            EventKind::kGuestNapiNetpoll, EventKind::kIrqfdWoken}));
  const DetailWish slow = Parsed("vm1/*:kvm,guest>50us@1/8");
  EXPECT_EQ(slow.kinds,
            Bits({EventKind::kKvmInjected, EventKind::kKvmMerged, EventKind::kKvmRejected,
                  EventKind::kKvmSlowpath, EventKind::kGuestHandled, EventKind::kGuestNone}))
      << "events without a time cannot be chosen by one";
  EXPECT_EQ(slow.least, 50'001u) << "longer than, not as long as";
  EXPECT_EQ(slow.every, 8u);
  const DetailWish many = Parsed("*/rx*>8");
  EXPECT_EQ(many.least, 9u);
  EXPECT_EQ(many.kinds & Bits({EventKind::kEventfdWritten, EventKind::kKvmInjected}), 0u);
  EXPECT_NE(many.kinds & EventBit(EventKind::kTunEnqueued), 0u);
}

TEST(DetailWishTest, SaysInOneLineWhatIsWrong) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "detail '': no queue is named (a name, a glob, or all)"},
      {":guest", "detail ':guest': no queue is named (a name, a glob, or all)"},
      {"rx1", "detail 'rx1': 'rx1' is no queue's name: DEVICE/QUEUE, a glob, or all"},
      {"all>", "detail 'all>': '>': a time (50us) or a number follows >"},
      {"all>5m", "detail 'all>5m': '>5m': a time (50us) or a number follows >"},
      {"all>5s", "detail 'all>5s': '>5s' is beyond what a record holds (4.2s)"},
      {"all:guest.irq>5us", "detail 'all:guest.irq>5us': none of these events has a time"},
      {"all:kvm>5", "detail 'all:kvm>5': none of these events has a number of packets or the like"},
      {"all@1/0", "detail 'all@1/0': '@1/0': @1/N takes each Nth, N from 1 to 65,535"},
      {"all@2/3", "detail 'all@2/3': '@2/3': @1/N takes each Nth, N from 1 to 65,535"},
      {"all@1/65536", "detail 'all@1/65536': '@1/65536': @1/N takes each Nth, N from 1 to 65,535"},
  };
  for (const auto& [text, message] : kCases) {
    EXPECT_EQ(std::string(ParseDetailWish(text).status().message()), message);
  }
  const std::string unknown(ParseDetailWish("all:guest.,x").status().message());
  EXPECT_TRUE(unknown.starts_with("detail 'all:guest.,x': no event is called 'guest.'; there are"))
      << unknown;
  EXPECT_FALSE(ParseDetailWish("all:").ok());
  EXPECT_FALSE(ParseDetailWish(std::string(257, '*')).ok());
  EXPECT_FALSE(ParseDetailWishes(std::vector<std::string>(257, "all")).ok());
  EXPECT_EQ(ParseDetailWishes({"all", "x/y"})->size(), 2u);
}

TEST(DetailWishTest, MeansQueuesByNameAndGlob) {
  const std::vector<std::string> names = {"tap0/rx1", "host1/tap0/rx1", "vm1/tap0/rx1"};
  for (const char* text : {"all", "tap0/rx1", "host1/tap0/rx1", "vm1/*", "*/rx*", "*/rx?",
                           "vm1~2/tap0/rx1", "*tap*1", "*"}) {
    EXPECT_TRUE(WishMeans(Parsed(text), names)) << text;
  }
  for (const char* text : {"tap0/rx", "tap0/rx11", "vm2/*", "vm2/tap0/rx1", "*/tx*", "ap0/rx1"}) {
    EXPECT_FALSE(WishMeans(Parsed(text), names)) << text;
  }
}

}  // namespace
}  // namespace ringside
