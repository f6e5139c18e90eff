// SPDX-License-Identifier: Apache-2.0
// Continuous evaluation: what is kept, when it is judged, what becomes news. Times are passed in.
#include "collector/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "collector/store/evaluation.h"
#include "collector/watchers.h"
#include "proto/clocks.h"
#include "tests/collector/replay.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// An evaluator in virtual time, and what it said.
class Bench {
 public:
  explicit Bench(std::function<Analysis(const Recording&, const LedgerOptions&)> analyse = Analyse,
                 size_t inbox_bytes_max = kInboxBytesMax)
      : evaluator_(
            EvaluatorOptions{.recorder = "collector1",
                             .clock = [this] { return now_; },
                             .log = [this](const std::string& line) { log.push_back(line); },
                             .analyse = std::move(analyse),
                             .report =
                                 [this](const std::vector<Change>& changes, const VerdictTracker&) {
                                   for (const Change& change : changes)
                                     stored.push_back(change.what);
                                 },
                             .inbox_bytes_max = inbox_bytes_max}) {}

  void StepAt(double seconds) {
    const auto at_ns = static_cast<int64_t>(seconds * 1e9);
    now_ = ClockReading{at_ns, at_ns, 1'800'000'000'000'000'000 + at_ns, 0, 0};
    evaluator_.Step(now_);
  }
  void Spend(double seconds) { now_.mono_ns += static_cast<int64_t>(seconds * 1e9); }
  Evaluator& evaluator() { return evaluator_; }

  std::vector<std::string> log;
  std::vector<EvaluationChange> stored;

 private:
  ClockReading now_{};
  Evaluator evaluator_;
};

void Feed(Bench& bench, const std::vector<TimedRecord>& records, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) bench.evaluator().OnRecord(records[i].key, records[i].record);
}

// The path of one queue, told in ten parts with a second between them.
void Tell(Bench& bench, const PathOptions& options) {
  PathTruth truth;
  const std::vector<TimedRecord> records = InOrder(ModelPath(options, &truth));
  constexpr size_t kParts = 10;
  for (size_t part = 0; part < kParts; ++part) {
    Feed(bench, records, records.size() * part / kParts, records.size() * (part + 1) / kParts);
    bench.StepAt(100 + static_cast<double>(part) * 6);
  }
}

// A watcher whose connection never ends a write, and goes away.
class Sleeper : public WatchStream {
 public:
  explicit Sleeper(Watchers& watchers) : session_(watchers.Accept(this)) {}
  ~Sleeper() override {
    session_->OnCancel();
    session_->OnWritten(false);
    session_->OnDone();
  }
  void StartWrite(const WatchEvent&) override {}
  void Finish(const absl::Status&) override {}

 private:
  const std::shared_ptr<WatchSession> session_;
};

TEST(EvaluatorTest, AHealthyPathIsNoNews) {
  Bench bench;
  Tell(bench, {});
  EXPECT_THAT(bench.log, IsEmpty());
  EXPECT_EQ(bench.evaluator().totals().rounds, 10u);
  // That it holds is stored, once.
  ASSERT_EQ(bench.stored.size(), 1u);
  const auto& held = std::get<VerdictChange>(bench.stored[0]);
  EXPECT_EQ(held.verdict, Verdict::kHolds);
  EXPECT_EQ(held.queue, "vm1/eth0/rx0");
  EXPECT_EQ(held.host_queue, "host1/tap0/rx0");
}

TEST(EvaluatorTest, LostInterruptsAreToldOnce) {
  Bench bench;
  Tell(bench, {.lose_every = 50});
  std::vector<std::string> violated;
  for (const std::string& line : bench.log) {
    if (line.find("violated") != std::string::npos) violated.push_back(line);
  }
  ASSERT_EQ(violated.size(), 1u);
  EXPECT_THAT(violated[0], HasSubstr("vm1/eth0/rx0 <- host1/tap0/rx0: violated (was"));
  const auto found =
      std::find_if(bench.stored.begin(), bench.stored.end(), [](const EvaluationChange& change) {
        const auto* finding = std::get_if<FindingChange>(&change);
        return finding != nullptr && finding->cause == "lost-interrupt" &&
               finding->step == FindingStep::kAppeared;
      });
  EXPECT_NE(found, bench.stored.end());
}

TEST(EvaluatorTest, DataInSlowlyIsLookedAtEveryFiveSecondsAndNothingEveryTen) {
  int rounds = 0;
  Bench bench([&rounds](const Recording&, const LedgerOptions&) {
    ++rounds;
    return Analysis{};
  });
  bench.StepAt(99);
  EXPECT_EQ(rounds, 0);  // there is nobody yet
  bench.evaluator().OnRecord(Key("vm1"), {1, MakeHello("vm1")});
  bench.StepAt(100);
  EXPECT_EQ(rounds, 1);
  bench.StepAt(105);  // nothing new
  EXPECT_EQ(rounds, 1);
  bench.evaluator().OnRecord(Key("vm1"), {2, LogLine{1, 1, "x"}});
  bench.StepAt(105.2);
  EXPECT_EQ(rounds, 2);
  bench.evaluator().OnRecord(Key("vm1"), {3, LogLine{1, 1, "x"}});
  bench.StepAt(108);
  EXPECT_EQ(rounds, 2);
  bench.StepAt(110.3);
  EXPECT_EQ(rounds, 3);
  bench.StepAt(120.3);
  EXPECT_EQ(rounds, 4);
}

TEST(EvaluatorTest, SlowRoundsLeaveFourFifthsOfTheCore) {
  int rounds = 0;
  Bench* self = nullptr;
  Bench bench([&](const Recording&, const LedgerOptions&) {
    ++rounds;
    self->Spend(3);
    return Analysis{};
  });
  self = &bench;
  for (uint64_t number = 1; number <= 60; ++number) {
    Record record = LogLine{1, 1, "x"};
    if (number == 1) record = MakeHello("vm1");
    bench.evaluator().OnRecord(Key("vm1"), {number, record});
    bench.StepAt(100 + static_cast<double>(number));
  }
  EXPECT_EQ(rounds, 4);  // at 1, 16, 31 and 46 seconds
  EXPECT_THAT(bench.log, ElementsAre(HasSubstr("takes 3.0 s: done every 15 s, rounds in between")));
}

TEST(EvaluatorTest, AFullInboxLosesRecordsForTheEvaluationAndSaysSo) {
  std::vector<size_t> seen;
  Bench bench(
      [&seen](const Recording& recording, const LedgerOptions&) {
        seen.push_back(recording.streams.at(0).snapshots.size());
        return Analysis{};
      },
      size_t{4} << 10);
  bench.evaluator().OnRecord(Key("vm1"), {1, MakeHello("vm1")});
  std::vector<Sample> samples(10, {QueueId{1}, Count::kGuestIrq, HookId{1}, 5, 6});
  for (uint64_t number = 2; number < 50; ++number) {
    bench.evaluator().OnRecord(Key("vm1"),
                               {number, MakeSnapshot(number - 1, number == 2, samples)});
  }
  bench.StepAt(100);
  EXPECT_THAT(bench.log, ElementsAre(HasSubstr("1 streams came faster than they could be taken")));
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_LT(seen[0], 48u);
  // What comes next does not follow on what was kept: it waits for a full one.
  bench.evaluator().OnRecord(Key("vm1"), {50, MakeSnapshot(49, false, samples)});
  bench.StepAt(110);
  EXPECT_EQ(seen.at(1), 0u);
  bench.evaluator().OnRecord(Key("vm1"), {51, MakeSnapshot(50, true, samples)});
  bench.StepAt(120);
  EXPECT_EQ(seen.at(2), 1u);
}

// For ThreadSanitizer: sessions put, the thread evaluates and publishes, watchers come and go.
TEST(EvaluatorTest, ThreadsMeet) {
  Watchers watchers("collector1");
  std::atomic<int> rounds = 0;
  Evaluator evaluator(EvaluatorOptions{
      .recorder = "collector1",
      .clock = ReadClocks,
      .log = [](const std::string&) {},
      .analyse =
          [&rounds](const Recording&, const LedgerOptions&) {
            Analysis analysis;
            QueueLedger queue{.queue = "vm1/eth0/rx" + std::to_string(++rounds)};
            queue.identities.push_back({.id = "a", .verdict = Verdict::kViolated, .residuals = {}});
            analysis.ledger.queues.push_back(queue);
            return analysis;
          },
      .report =
          [&watchers](const std::vector<Change>& changes, const VerdictTracker& tracker) {
            std::vector<EvaluationChange> news;
            for (const Change& change : changes) news.push_back(change.what);
            watchers.Publish(news, tracker.Present());
          }});
  evaluator.Start();
  std::vector<std::thread> threads;
  for (const char* name : {"vm1", "vm2"}) {
    threads.emplace_back([&evaluator, name] {
      evaluator.OnRecord(Key(name), {1, MakeHello(name)});
      for (uint64_t number = 2; number < 200; ++number) {
        evaluator.OnRecord(Key(name), {number, MakeSnapshot(number - 1, number % 10 == 2, {})});
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      evaluator.OnEnd(Key(name));
    });
  }
  threads.emplace_back([&watchers] {
    for (int i = 0; i < 100; ++i) {
      Sleeper sleeper(watchers);
      watchers.Tick(static_cast<int64_t>(i) * 1'000'000'000);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  for (std::thread& thread : threads) thread.join();
  evaluator.Stop();
  watchers.Close();
  EXPECT_GE(rounds, 1);
  EXPECT_EQ(watchers.size(), 0u);
}

}  // namespace
}  // namespace ringside
