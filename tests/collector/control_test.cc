// SPDX-License-Identifier: Apache-2.0
// What agents are told to record, by people, by findings and by each other.
#include "collector/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proto/sample_records.h"

namespace ringside {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Peer : public ControlPeer {
 public:
  void SendWishes(const Wishes& told) override { wishes.push_back(told); }
  void SendTrigger(const Trigger& told) override { triggers.push_back(told); }
  std::vector<Wishes> wishes;
  std::vector<Trigger> triggers;
};

class ControlTest : public testing::Test {
 protected:
  static VerdictChange Bound() {
    VerdictChange change;
    change.queue = "vm1/eth0/rx1";
    change.host_queue = "host1/tap0/rx1";
    return change;
  }
  static FindingChange Found(int64_t since_ns) {
    FindingChange change;
    change.at_real_ns = 100 * kSecond_ns;
    change.since_real_ns = since_ns;
    change.cause = "dead-queue";
    change.title = "nobody polls";
    change.queue = "vm1/eth0/rx1";
    change.host_queue = "host1/tap0/rx1";
    return change;
  }

  int64_t now_ns_ = 1'000 * kSecond_ns;
  std::shared_ptr<Peer> peer_ = std::make_shared<Peer>();
  std::vector<std::string> log_;
  Control control_{
      ControlOptions{.start = {.detail = {"vm1/*"}, .recorder = {"all"}},
                     .clock = [this] { return ClockAt(now_ns_); },
                     .log = [this](const std::string& line) { log_.push_back(line); },
                     .peers = [this] { return std::vector<std::shared_ptr<ControlPeer>>{peer_}; }}};
};

TEST_F(ControlTest, DetailsForATimeAndThenAsBefore) {
  EXPECT_THAT(control_.Present().detail, ElementsAre("vm1/*"));
  const auto told = control_.SetDetail({.wishes = {"eth0/rx1"}, .for_ns = 5 * kSecond_ns});
  EXPECT_EQ(*told, 1u);
  ASSERT_THAT(peer_->wishes, SizeIs(1));
  EXPECT_THAT(peer_->wishes[0].detail, ElementsAre("eth0/rx1"));
  EXPECT_THAT(peer_->wishes[0].recorder, ElementsAre("all"));
  now_ns_ += 2 * kSecond_ns;
  EXPECT_EQ(control_.Present().for_ns, 3 * kSecond_ns);  // for an agent that comes now
  control_.Tick(now_ns_);
  EXPECT_THAT(peer_->wishes, SizeIs(1));
  now_ns_ += 4 * kSecond_ns;
  control_.Tick(now_ns_);
  ASSERT_THAT(peer_->wishes, SizeIs(2));
  EXPECT_THAT(peer_->wishes[1].detail, ElementsAre("vm1/*"));
  EXPECT_EQ(peer_->wishes[1].for_ns, 0);
}

TEST_F(ControlTest, OffAndWhatIsNoWish) {
  EXPECT_TRUE(control_.SetDetail({}).ok());
  EXPECT_THAT(peer_->wishes.back().detail, IsEmpty());
  EXPECT_TRUE(control_.SetDetail({.wishes = {"eth0/rx0"}, .recorder = true}).ok());
  EXPECT_THAT(peer_->wishes.back().recorder, ElementsAre("eth0/rx0"));
  const auto wrong = control_.SetDetail({.wishes = {"eth0/rx0:nothing"}});
  EXPECT_EQ(wrong.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(peer_->wishes, SizeIs(2));
}

TEST_F(ControlTest, AFindingRecordsBothSidesFromWhereItBegan) {
  control_.OnChanges({Found(90 * kSecond_ns)});
  ASSERT_THAT(peer_->triggers, SizeIs(1));
  const Trigger& trigger = peer_->triggers[0];
  EXPECT_EQ(trigger.source, "finding");
  EXPECT_THAT(trigger.queues, ElementsAre("vm1/eth0/rx1", "host1/tap0/rx1"));
  EXPECT_EQ(trigger.reason, "dead-queue: nobody polls");
  EXPECT_EQ(trigger.before_ns, 12 * kSecond_ns);
  FindingChange ended = Found(0);
  ended.step = FindingStep::kEnded;
  control_.OnChanges({ended});
  EXPECT_THAT(peer_->triggers, SizeIs(1));
}

TEST_F(ControlTest, ACommandMeansBothSides) {
  control_.OnChanges({Bound()});
  Trigger trigger{.source = "finding", .queues = {"host1/tap0/rx1"}, .reason = "now"};
  EXPECT_EQ(control_.Command(trigger), 1u);
  ASSERT_THAT(peer_->triggers, SizeIs(1));
  EXPECT_EQ(peer_->triggers[0].source, "command");
  EXPECT_THAT(peer_->triggers[0].queues, ElementsAre("host1/tap0/rx1", "vm1/eth0/rx1"));
}

TEST_F(ControlTest, AnAgentsOwnTriggerReachesTheOtherSideAndGoesNoFurther) {
  control_.OnChanges({Bound()});
  control_.OnRecord(Key("vm1"), {1, MakeHello("vm1")});
  const auto fact = [](const std::string& source, const std::string& queue) {
    const Trigger trigger{.source = source, .queues = {queue}, .reason = "irq 25: nobody cared"};
    return NumberedRecord{9, Fact{1, std::string(kTriggerFact), TriggerText(trigger)}};
  };
  control_.OnRecord(Key("vm1"), fact("log", "eth0/rx1"));
  ASSERT_THAT(peer_->triggers, SizeIs(1));
  EXPECT_EQ(peer_->triggers[0].source, "other-side");
  EXPECT_THAT(peer_->triggers[0].queues, ElementsAre("host1/tap0/rx1"));
  control_.OnRecord(Key("vm1"), fact("other-side", "eth0/rx1"));
  control_.OnRecord(Key("vm1"), fact("finding", "eth0/rx1"));
  control_.OnRecord(Key("vm1"), fact("log", "eth0/rx7"));  // bound to nothing
  control_.OnRecord(Key("vm1"), {10, Fact{1, std::string(kTriggerFact), "nonsense"}});
  EXPECT_THAT(peer_->triggers, SizeIs(1));
}

TEST_F(ControlTest, FindingsAreBoundedPerMinute) {
  for (int i = 0; i < 100; ++i) control_.OnChanges({Found(99 * kSecond_ns)});
  EXPECT_THAT(peer_->triggers, SizeIs(kTriggersPerMinuteMax));
  EXPECT_THAT(log_.back(), HasSubstr("the rest of it is left out"));
  now_ns_ += 61 * kSecond_ns;
  control_.OnChanges({Found(99 * kSecond_ns)});
  EXPECT_THAT(peer_->triggers, SizeIs(kTriggersPerMinuteMax + 1));
}

}  // namespace
}  // namespace ringside
