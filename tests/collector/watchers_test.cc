// SPDX-License-Identifier: Apache-2.0
// Those who watch: the present state, changes, bounds.
#include "collector/watchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using ::testing::HasSubstr;

VerdictChange Change(const std::string& queue) {
  VerdictChange change;
  change.queue = queue;
  change.verdict = Verdict::kViolated;
  change.before = Verdict::kHolds;
  return change;
}

// A connection that writes when it is told to.
class Connection : public WatchStream {
 public:
  explicit Connection(Watchers& watchers) { session_ = watchers.Accept(this); }
  void StartWrite(const WatchEvent& event) override { written.push_back(event); }
  void Finish(const absl::Status& status) override { finished = status; }
  void Drain() {
    for (size_t done = 0; done < written.size(); ++done) session_->OnWritten(true);
  }
  WatchSession& session() { return *session_; }

  std::vector<WatchEvent> written;
  std::optional<absl::Status> finished;

 private:
  std::shared_ptr<WatchSession> session_;
};

TEST(WatchersTest, ThePresentStateComesFirstThenChanges) {
  Watchers watchers("collector1");
  watchers.Publish({}, {Change("a"), MakeFindingChange(5, FindingStep::kAppeared, 1, Finding{})});
  Connection connection(watchers);
  watchers.Publish({Change("b")}, {Change("a"), Change("b")});
  connection.Drain();
  ASSERT_EQ(connection.written.size(), 4u);
  EXPECT_EQ(std::get<WatchVerdict>(connection.written[0]).before, "");
  EXPECT_EQ(std::get<WatchFinding>(connection.written[1]).step, "open");
  EXPECT_EQ(connection.written[2], WatchEvent(WatchPresent{"collector1", 1, 1}));
  EXPECT_EQ(std::get<WatchVerdict>(connection.written[3]).queue, "b");
  EXPECT_EQ(std::get<WatchVerdict>(connection.written[3]).before, "holds");
  watchers.Close();
  EXPECT_EQ(connection.finished->code(), absl::StatusCode::kUnavailable);
  connection.session().OnDone();
  EXPECT_EQ(watchers.size(), 0u);
}

TEST(WatchersTest, ASlowWatcherIsCutOffAndNobodyElse) {
  Watchers watchers("collector1");
  std::vector<EvaluationChange> present(3000, Change("a"));
  watchers.Publish({}, present);  // however many: what there is has to be said
  Connection slow(watchers);
  Connection quick(watchers);
  quick.Drain();
  for (size_t i = 0; i < kWatchQueueMax + 1; ++i) {
    watchers.Publish({Change("b")}, present);
    quick.session().OnWritten(true);
  }
  quick.Drain();
  EXPECT_FALSE(quick.finished);
  EXPECT_FALSE(slow.finished);  // a write is under way
  slow.session().OnWritten(true);
  ASSERT_TRUE(slow.finished);
  EXPECT_EQ(slow.finished->code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(slow.finished->message()), HasSubstr("too slow: 1024 changes wait"));
  EXPECT_EQ(slow.written.size(), 1u);
}

TEST(WatchersTest, OneTooManyIsTurnedAway) {
  Watchers watchers("collector1");
  std::vector<std::unique_ptr<Connection>> connections;
  for (size_t i = 0; i < kWatchersMax; ++i) {
    connections.push_back(std::make_unique<Connection>(watchers));
    EXPECT_FALSE(connections.back()->finished);
  }
  Connection late(watchers);
  ASSERT_TRUE(late.finished);
  EXPECT_EQ(late.finished->code(), absl::StatusCode::kResourceExhausted);
  connections[0]->session().OnDone();
  Connection next(watchers);
  EXPECT_FALSE(next.finished);
}

TEST(WatchersTest, ABeatEveryFiveSeconds) {
  Watchers watchers("collector1");
  Connection connection(watchers);
  for (int64_t at_ms = 5000; at_ms < 16'000; at_ms += 20) watchers.Tick(at_ms * 1'000'000);
  connection.Drain();
  EXPECT_EQ(connection.written.size(), 1u + 3);
}

TEST(WatchersTest, OneThatGoesAwayIsLetGo) {
  Watchers watchers("collector1");
  Connection connection(watchers);
  connection.session().OnCancel();
  connection.session().OnWritten(false);
  EXPECT_TRUE(connection.finished);
  watchers.Publish({Change("b")}, {});
  EXPECT_EQ(connection.written.size(), 1u);
}

}  // namespace
}  // namespace ringside
