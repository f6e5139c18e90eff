// SPDX-License-Identifier: Apache-2.0
// What is news and what is not.
#include "collector/verdict_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Analysis Says(Verdict verdict, const std::string& id = "a = b") {
  Analysis analysis;
  QueueLedger queue{.queue = "vm1/eth0/rx0", .host_queue = "host1/tap0/rx0"};
  queue.identities.push_back({.id = id, .verdict = verdict, .residuals = {}, .why = "because"});
  queue.verdict = verdict;
  analysis.ledger.queues.push_back(queue);
  return analysis;
}

Analysis Finds(Certainty certainty, int64_t since_ns = 5, std::string title = "it is so") {
  Analysis analysis = Says(Verdict::kHolds);
  Finding finding{.cause = Cause::kLostInterrupt, .queue = "vm1/eth0/rx0"};
  finding.certainty = certainty;
  finding.since_ns = since_ns;
  finding.title = std::move(title);
  analysis.findings.push_back(finding);
  return analysis;
}

class TrackerTest : public testing::Test {
 protected:
  // News of an evaluation at that second, as lines.
  std::vector<std::string> At(double seconds, const Analysis& analysis) {
    const auto at_ns = static_cast<int64_t>(seconds * 1e9);
    std::vector<std::string> lines;
    for (const Change& change :
         tracker_.Update(analysis, ClockReading{at_ns, at_ns, at_ns, 0, 0})) {
      if (change.news) lines.push_back(LineOf(change.what));
      all_.push_back(change.what);
    }
    return lines;
  }
  VerdictTracker tracker_;
  std::vector<EvaluationChange> all_;
};

TEST_F(TrackerTest, AViolationIsBelievedWhenItIsSaidTwice) {
  EXPECT_THAT(At(1, Says(Verdict::kHolds)), IsEmpty());
  EXPECT_FALSE(tracker_.restless());
  EXPECT_THAT(At(2, Says(Verdict::kViolated)), IsEmpty());
  EXPECT_TRUE(tracker_.restless());
  EXPECT_THAT(At(3, Says(Verdict::kHolds)), IsEmpty());
  EXPECT_THAT(At(4, Says(Verdict::kViolated)), IsEmpty());
  EXPECT_THAT(At(5, Says(Verdict::kViolated)),
              ElementsAre("vm1/eth0/rx0 <- host1/tap0/rx0: violated (was inconclusive): a = b: "
                          "because"));
  EXPECT_THAT(At(6, Says(Verdict::kViolated)), IsEmpty());
}

TEST_F(TrackerTest, AViolationEndsWhenTheWindowBeganAfterIt) {
  At(1, Says(Verdict::kViolated));
  EXPECT_EQ(At(2, Says(Verdict::kViolated)).size(), 1u);
  for (double at = 3; at < 60; at += 5) EXPECT_THAT(At(at, Says(Verdict::kHolds)), IsEmpty());
  EXPECT_THAT(At(60, Says(Verdict::kViolated)), IsEmpty());  // another one: the same violation
  EXPECT_THAT(At(63, Says(Verdict::kHolds)), IsEmpty());
  EXPECT_THAT(At(119.9, Says(Verdict::kHolds)), IsEmpty());
  EXPECT_THAT(At(120, Says(Verdict::kHolds)),
              ElementsAre("vm1/eth0/rx0 <- host1/tap0/rx0: holds (was violated)"));
  EXPECT_FALSE(tracker_.restless());
}

TEST_F(TrackerTest, HoldsAndInconclusiveComeAndGo) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(At(i * 20, Says(i % 3 == 0 ? Verdict::kInconclusive : Verdict::kHolds)), IsEmpty());
  }
  ASSERT_EQ(all_.size(), 1u);  // that it held at all
  EXPECT_EQ(std::get<VerdictChange>(all_[0]).verdict, Verdict::kHolds);
  EXPECT_EQ(std::get<VerdictChange>(all_[0]).at_real_ns, 20'000'000'000);
}

TEST_F(TrackerTest, AnotherIdentityIsToldWithAllThatAreViolated) {
  Analysis both = Says(Verdict::kViolated);
  both.ledger.queues[0].identities.push_back(
      {.id = "c = d", .verdict = Verdict::kViolated, .residuals = {}, .why = "too"});
  At(1, Says(Verdict::kViolated));
  At(2, Says(Verdict::kViolated));
  EXPECT_THAT(At(3, both), IsEmpty());
  EXPECT_THAT(At(4, both), ElementsAre("vm1/eth0/rx0 <- host1/tap0/rx0: violated (was violated): "
                                       "a = b: because; c = d: too"));
}

TEST_F(TrackerTest, DefinitionsAreNotJudged) {
  Analysis analysis = Says(Verdict::kViolated);
  analysis.ledger.queues[0].identities[0].by_definition = true;
  analysis.ledger.queues[0].verdict = Verdict::kInconclusive;
  for (int i = 0; i < 5; ++i) EXPECT_THAT(At(i, analysis), IsEmpty());
}

TEST_F(TrackerTest, AnIdentityThatIsNotJudgedAnyMoreDoesNotStayViolated) {
  At(1, Says(Verdict::kViolated));
  At(2, Says(Verdict::kViolated));
  EXPECT_THAT(At(30, Says(Verdict::kHolds, "c = d")), IsEmpty());
  EXPECT_THAT(At(62, Says(Verdict::kHolds, "c = d")),
              ElementsAre("vm1/eth0/rx0 <- host1/tap0/rx0: holds (was violated)"));
}

TEST_F(TrackerTest, AQueueThatNobodySpeaksOfEndsWithAWord) {
  At(1, Says(Verdict::kViolated));
  At(2, Says(Verdict::kViolated));
  EXPECT_THAT(At(40, {}), IsEmpty());
  EXPECT_EQ(tracker_.Present().size(), 1u);
  EXPECT_THAT(At(62, {}), ElementsAre("vm1/eth0/rx0 <- host1/tap0/rx0: inconclusive (was violated):"
                                      " no agent speaks of the queue any more"));
  EXPECT_THAT(tracker_.Present(), IsEmpty());
}

TEST_F(TrackerTest, AQueueThatIsBoundKeepsItsState) {
  Analysis host = Says(Verdict::kViolated);
  host.ledger.queues[0].queue.clear();
  At(1, host);
  EXPECT_EQ(At(2, host).size(), 1u);
  EXPECT_THAT(At(3, Says(Verdict::kViolated)), IsEmpty());
  EXPECT_EQ(tracker_.Present().size(), 1u);
}

TEST_F(TrackerTest, AFindingAppearsChangesAndEnds) {
  EXPECT_THAT(At(1, Finds(Certainty::kLow)), IsEmpty());
  EXPECT_THAT(At(2, Finds(Certainty::kLow)),
              ElementsAre("vm1/eth0/rx0: lost-interrupt appeared, certainty low: it is so"));
  EXPECT_THAT(At(3, Finds(Certainty::kLow, 7, "it is still so")), IsEmpty());
  EXPECT_THAT(At(4, Finds(Certainty::kHigh)), IsEmpty());
  EXPECT_THAT(At(6, Finds(Certainty::kLow)), IsEmpty());  // it did not last
  EXPECT_THAT(At(8, Finds(Certainty::kHigh)), IsEmpty());
  EXPECT_THAT(At(13, Finds(Certainty::kHigh, 9)),
              ElementsAre("vm1/eth0/rx0: lost-interrupt changed, certainty high: it is so"));
  EXPECT_EQ(std::get<FindingChange>(all_.back()).since_real_ns, 5);  // as it was at first
  EXPECT_THAT(At(72, Says(Verdict::kHolds)), IsEmpty());
  EXPECT_THAT(At(73, Says(Verdict::kHolds)),
              ElementsAre("vm1/eth0/rx0: lost-interrupt ended: it is so"));
  EXPECT_THAT(At(74, Finds(Certainty::kHigh)), IsEmpty());
  EXPECT_EQ(At(75, Finds(Certainty::kHigh)).size(), 1u);
  EXPECT_EQ(std::get<FindingChange>(all_.back()).episode, 2u);
}

TEST_F(TrackerTest, AFindingOfOneRoundIsNone) {
  for (int i = 0; i < 20; i += 2) {
    EXPECT_THAT(At(i, Finds(Certainty::kHigh)), IsEmpty());
    EXPECT_THAT(At(i + 1, Says(Verdict::kHolds)), IsEmpty());
  }
}

TEST_F(TrackerTest, FindingsAreBounded) {
  Analysis analysis = Finds(Certainty::kHigh);
  for (size_t i = 0; i < kFindingsMax + 10; ++i) {
    analysis.findings.push_back(analysis.findings[0]);
    analysis.findings.back().queue = "queue" + std::to_string(i);
  }
  At(1, analysis);
  EXPECT_EQ(At(2, analysis).size(), kFindingsMax);
  EXPECT_EQ(tracker_.left_out(), 11u);
}

}  // namespace
}  // namespace ringside
