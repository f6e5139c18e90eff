// SPDX-License-Identifier: Apache-2.0
#include "correlate/journeys.h"

#include <gtest/gtest.h>

#include <memory>

#include "correlate/joined.h"
#include "correlate/latency.h"
#include "correlate/latency_evidence.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

constexpr int64_t kOffsetNs = 123'456'789;  // guest MONOTONIC - host MONOTONIC, of the model
constexpr int64_t kUs = 1000;
constexpr int64_t kPos = 200'000;

using enum PathPoint;
using Points = std::vector<PathPoint>;

Points PointsOf(const Journey& journey) {
  Points points;
  for (const JourneyPoint& point : journey.points) points.push_back(point.point);
  return points;
}

bool IsOfGuestsPath(const Sample& sample) {
  return sample.count == Count::kGuestIrq || sample.count == Count::kGuestNapiSoftirq ||
         sample.count == Count::kGuestNapiBusy || sample.count == Count::kGuestNapiThread ||
         sample.count == Count::kGuestNapiNetpoll;
}

// Events on the one queue of the path model, whose clocks are known to a fraction of a
// millisecond. Times are the host's, from the middle of the recording; positions the host's.
class JourneysTest : public testing::Test {
 protected:
  JourneysTest() {
    PathTruth ignored;
    recording_ = ModelPath({.batches = 3000, .clock_bound_ns = 20'000}, &ignored);
    // The events here are not those that the model counted.
    for (Stream& stream : recording_.streams) {
      for (Snapshot& snapshot : stream.snapshots) std::erase_if(snapshot.samples, IsOfGuestsPath);
    }
    const std::vector<Snapshot>& snapshots = recording_.streams[0].snapshots;
    zero_ns_ = snapshots[snapshots.size() / 2].begin.mono_ns;
    Join();
    Earlier();
  }
  void Join() {
    joined_ = std::make_unique<Joined>(recording_);
    for (const QueuePair& pair : joined_->pairs()) {
      if (pair.host != nullptr && pair.guest != nullptr) pair_ = &pair;
    }
    Begin();
  }
  // What the guest's first events show may have been shown before.
  void Earlier() {
    Guest(EventKind::kGuestIrq, -80'000, kPos - 1000);
    Guest(EventKind::kGuestNapiSoftirq, -80'000, kPos - 1000, 1);
  }
  // No event yet.
  void Begin() {
    maker_ = std::make_unique<JourneyMaker>(*pair_);
    numbers_.clear();
  }

  PathEvent Event(EventKind kind, int64_t us, int64_t pos, uint64_t value) {
    return {.mono_ns = zero_ns_ + us * kUs,
            .pos = static_cast<uint64_t>(pos),
            .kind = kind,
            .cpu = 1,
            .number = numbers_[kind]++,
            .value = value,
            .rate = 1};
  }
  void Host(EventKind kind, int64_t us, int64_t pos, uint64_t value = 0) {
    maker_->AddHost(Event(kind, us, pos, value));
  }
  void Guest(EventKind kind, int64_t us, int64_t pos, uint64_t value = 0) {
    PathEvent event = Event(kind, us, pos - *pair_->turn.turn * 65536, value);
    event.mono_ns += kOffsetNs;
    maker_->AddGuest(event);
  }
  void Vcpu(EventKind kind, int64_t us, uint64_t value = 0) {
    maker_->AddVcpu(1, Event(kind, us, 0, value));
  }
  // A batch that publishes `entries` up to `pos`, signals and injects.
  void Signal(int64_t us, int64_t pos, int64_t entries) {
    Host(EventKind::kVhostBatches, us, pos - entries);
    Host(EventKind::kIrqfdWoken, us + 5, pos);
    Host(EventKind::kKvmInjected, us + 12, pos, 3 * kUs);
    Host(EventKind::kVhostSignalled, us + 15, pos, static_cast<uint64_t>(entries));
  }
  void Suppress(int64_t us, int64_t pos, int64_t entries) {
    Host(EventKind::kVhostBatches, us, pos - entries);
    Host(EventKind::kVhostSuppressed, us + 2, pos, static_cast<uint64_t>(entries));
  }
  QueueLatency Measure(const LatencyOptions& options = {}) {
    return MeasureJourneys(*pair_, maker_.get(), options);
  }

  Recording recording_;
  std::unique_ptr<Joined> joined_;
  const QueuePair* pair_ = nullptr;
  int64_t zero_ns_ = 0;
  std::map<EventKind, uint64_t> numbers_;
  std::unique_ptr<JourneyMaker> maker_;
};

TEST_F(JourneysTest, TheWholeWay) {
  Signal(0, kPos, 1);
  Guest(EventKind::kGuestIrq, 3'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 3'030, kPos, 1);
  const QueueLatency latency = Measure({.over_ns = 1});
  ASSERT_EQ(latency.over.size(), 1u);
  const SlowJourney& journey = latency.over.front();
  EXPECT_EQ(journey.points, (Points{kBatch, kWoken, kInjected, kIrq, kPolled}));
  EXPECT_EQ(journey.stages[0].lo_ns, 5 * kUs);
  EXPECT_EQ(journey.stages[0].hi_ns, 5 * kUs);
  EXPECT_EQ(journey.stages[1].mid_ns(), 7 * kUs);
  // From one node to the other: an interval that holds the truth.
  EXPECT_LE(journey.stages[2].lo_ns, 2'988 * kUs);
  EXPECT_GE(journey.stages[2].hi_ns, 2'988 * kUs);
  EXPECT_LT(journey.stages[2].hi_ns - journey.stages[2].lo_ns, 1'000 * kUs);
  EXPECT_EQ(journey.stages[3].mid_ns(), 30 * kUs);
  EXPECT_EQ(latency.sums, 1u);
  EXPECT_EQ(latency.sums_wrong, 0u);
}

// Not the nearest in time: another entry's interrupt may be nearer.
TEST_F(JourneysTest, PositionsDecide) {
  Signal(0, kPos, 1);
  Signal(1'000, kPos + 1, 1);
  Guest(EventKind::kGuestIrq, 5'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 5'010, kPos, 1);
  Guest(EventKind::kGuestIrq, 9'000, kPos + 1);
  Guest(EventKind::kGuestNapiSoftirq, 9'010, kPos + 1, 1);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 2u);
  EXPECT_EQ(journeys[0].points.back().mono_ns, zero_ns_ + 5'010 * kUs + kOffsetNs);
  EXPECT_EQ(journeys[1].points.back().mono_ns, zero_ns_ + 9'010 * kUs + kOffsetNs);
}

TEST_F(JourneysTest, TakenByAPollThatNoInterruptStarted) {
  Suppress(0, kPos, 2);
  Guest(EventKind::kGuestNapiBusy, 2'000, kPos, 2);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 2u);
  EXPECT_EQ(PointsOf(journeys[0]), (Points{kBatch, kPolled}));
}

// The interrupt of an earlier signal saw the entry; its own signal came 20 ms later and is not on
// its way.
TEST_F(JourneysTest, SeenByAnEarlierInterrupt) {
  Signal(0, kPos, 1);
  Suppress(100, kPos + 1, 1);
  Host(EventKind::kVhostBatches, 20'000, kPos + 1);
  Host(EventKind::kIrqfdWoken, 20'005, kPos + 2);
  Host(EventKind::kKvmInjected, 20'012, kPos + 2, 3 * kUs);
  Host(EventKind::kVhostSignalled, 20'015, kPos + 2, 1);
  Guest(EventKind::kGuestIrq, 5'000, kPos + 1);
  Guest(EventKind::kGuestNapiSoftirq, 5'010, kPos + 1, 2);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 2u);
  EXPECT_EQ(PointsOf(journeys[0]), (Points{kBatch, kWoken, kInjected, kIrq, kPolled}));
  EXPECT_EQ(PointsOf(journeys[1]), (Points{kBatch, kIrq, kPolled}));
  EXPECT_EQ(maker_->unfollowed().entries, 3u);
  EXPECT_EQ(maker_->unfollowed().no_poll, 1u);
}

TEST_F(JourneysTest, WhereRecordsAreMissingNothingIsFollowed) {
  Signal(0, kPos, 1);
  ++numbers_[EventKind::kGuestIrq];  // one that was not recorded
  Guest(EventKind::kGuestIrq, 5'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 5'010, kPos, 1);
  EXPECT_TRUE(maker_->Make().empty());
  EXPECT_EQ(maker_->unfollowed().holes, 1u);
}

// A guest's agent that comes late sees entries that others saw before it.
TEST_F(JourneysTest, TheFirstEventsOfAGuestTellNothing) {
  Begin();
  Signal(0, kPos, 1);
  Signal(50'000, kPos + 1, 1);
  Guest(EventKind::kGuestIrq, 40'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 40'010, kPos, 1);
  Guest(EventKind::kGuestIrq, 55'000, kPos + 1);
  Guest(EventKind::kGuestNapiSoftirq, 55'010, kPos + 1, 1);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 1u);
  EXPECT_EQ(journeys[0].pos, static_cast<uint64_t>(kPos + 1));
  EXPECT_EQ(maker_->unfollowed().holes, 1u);
}

// That a busy poll is missing shows only with the next one. A softirq between them may have shown
// what the missing one took.
TEST_F(JourneysTest, AMissingPollMayHideBehindOneOfAnotherKind) {
  Guest(EventKind::kGuestNapiBusy, -1'000, kPos - 10, 1);
  Suppress(0, kPos, 1);
  ++numbers_[EventKind::kGuestNapiBusy];  // took it at once
  Suppress(4'000, kPos + 1, 1);
  Guest(EventKind::kGuestNapiSoftirq, 5'000, kPos + 1, 1);
  Suppress(6'000, kPos + 2, 1);
  Guest(EventKind::kGuestNapiBusy, 7'000, kPos + 2, 1);
  Suppress(8'000, kPos + 3, 1);
  Guest(EventKind::kGuestNapiSoftirq, 9'000, kPos + 3, 1);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 1u);
  EXPECT_EQ(journeys[0].pos, static_cast<uint64_t>(kPos + 3));
  EXPECT_EQ(maker_->unfollowed().holes, 3u);
}

// The guest's counts know of a busy poll of which there is no event: it may have taken anything
// until then.
TEST_F(JourneysTest, PollsThatNobodyAskedForAreCountedAllTheSame) {
  const Stream* const guest = pair_->guest->node->stream;
  const QueueId queue = pair_->guest->info.id;
  for (Stream& stream : recording_.streams) {
    if (&stream != guest) continue;
    for (Snapshot& snapshot : stream.snapshots) {
      const uint64_t busy = snapshot.begin.mono_ns < zero_ns_ + kOffsetNs ? 0 : 1;
      const HookId hook = stream.hello.hooks.front().id;
      snapshot.samples.push_back({queue, Count::kGuestNapiBusy, hook, busy, busy});
    }
  }
  Join();
  Earlier();
  Suppress(-500, kPos, 1);
  Guest(EventKind::kGuestNapiSoftirq, 5'000, kPos, 1);
  Suppress(6'000, kPos + 1, 1);
  Guest(EventKind::kGuestNapiSoftirq, 7'000, kPos + 1, 1);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 1u);
  EXPECT_EQ(journeys[0].pos, static_cast<uint64_t>(kPos + 1));
  EXPECT_EQ(maker_->unfollowed().holes, 1u);
}

// The first batch's outcome and the second's beginning were not recorded.
TEST_F(JourneysTest, ABeginningBelongsToItsOwnBatch) {
  Host(EventKind::kVhostBatches, 0, kPos);
  Host(EventKind::kVhostSuppressed, 3'000, kPos + 2, 1);
  Guest(EventKind::kGuestNapiBusy, 5'000, kPos + 2, 2);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 1u);
  EXPECT_EQ(PointsOf(journeys[0]), (Points{kPolled}));
}

TEST_F(JourneysTest, SampledKindsAreLeftOut) {
  Signal(0, kPos, 1);
  PathEvent irq = Event(EventKind::kGuestIrq, 5'000, kPos - *pair_->turn.turn * 65536, 0);
  irq.rate = 16;
  maker_->AddGuest(irq);
  Guest(EventKind::kGuestNapiSoftirq, 5'010, kPos, 1);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 1u);
  EXPECT_EQ(PointsOf(journeys[0]), (Points{kBatch, kPolled}));
  EXPECT_EQ(maker_->sampled(), std::vector<EventKind>{EventKind::kGuestIrq});
}

// The vCPU was stopped from before the injection on, woken 20 ms after it, and ran 3 ms later.
TEST_F(JourneysTest, AStoppedVcpuIsItsOwnStage) {
  Vcpu(EventKind::kVcpuWoken, 20'012);
  Vcpu(EventKind::kVcpuRuns, 23'012, 30'000 * kUs);
  Signal(0, kPos, 1);
  Guest(EventKind::kGuestIrq, 24'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 24'010, kPos, 1);
  const QueueLatency latency = Measure({.over_ns = 1});
  ASSERT_EQ(latency.over.size(), 1u);
  const SlowJourney& journey = latency.over.front();
  EXPECT_EQ(journey.points,
            (Points{kBatch, kWoken, kInjected, kVcpuWoken, kVcpuRuns, kIrq, kPolled}));
  EXPECT_EQ(journey.stages[2].mid_ns(), 20'000 * kUs);
  EXPECT_EQ(journey.stages[3].mid_ns(), 3'000 * kUs);
  EXPECT_EQ(latency.sums_wrong, 0u);
  for (const StageLatency& stage : latency.stages) {
    if (stage.to != kVcpuWoken) continue;
    EXPECT_GT(stage.tail_share, 0.8);
  }
}

// Preempted, not asleep: it was runnable all the time. What it did before does not matter.
TEST_F(JourneysTest, APreemptedVcpuOnlyWaits) {
  Vcpu(EventKind::kVcpuRuns, -50'000, 0);
  Vcpu(EventKind::kVcpuRuns, 8'000, 9'000 * kUs);
  Signal(0, kPos, 1);
  Guest(EventKind::kGuestIrq, 9'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 9'010, kPos, 1);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 1u);
  EXPECT_EQ(PointsOf(journeys[0]), (Points{kBatch, kWoken, kInjected, kVcpuRuns, kIrq, kPolled}));
}

TEST_F(JourneysTest, ARunningVcpuHasNoStage) {
  Vcpu(EventKind::kVcpuRuns, -50'000, 10 * kUs);
  Vcpu(EventKind::kVcpuRuns, 50'000, 10 * kUs);
  Signal(0, kPos, 1);
  Guest(EventKind::kGuestIrq, 9'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 9'010, kPos, 1);
  const std::vector<Journey> journeys = maker_->Make();
  ASSERT_EQ(journeys.size(), 1u);
  EXPECT_EQ(PointsOf(journeys[0]), (Points{kBatch, kWoken, kInjected, kIrq, kPolled}));
}

// Ready since 3 ms before the batch, on its CPU 2 ms after it; later preempted in its softirq.
TEST_F(JourneysTest, WaitsOfTheVcpuCountInWhicheverStage) {
  Vcpu(EventKind::kVcpuWoken, -3'000);
  Vcpu(EventKind::kVcpuRuns, 2'000, 50'000 * kUs);
  Vcpu(EventKind::kVcpuRuns, 15'000, 7'000 * kUs);
  Vcpu(EventKind::kVcpuRuns, 90'000, 9'000 * kUs);
  Signal(0, kPos, 1);
  Guest(EventKind::kGuestIrq, 4'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 20'000, kPos, 1);
  const QueueLatency latency = Measure();
  ASSERT_EQ(latency.vcpu_wait.lo.count(), 1u);
  EXPECT_NEAR(static_cast<double>(latency.vcpu_wait.lo.max_ns()), 9e6, 1e3);
  EXPECT_NEAR(static_cast<double>(latency.vcpu_wait.hi.max_ns()), 9e6, 1e3);
  EXPECT_NEAR(latency.vcpu_wait.tail_share, 0.45, 0.03);
}

// Since when a vCPU was off its CPU, or when it was woken, is not known: nothing is told of it.
TEST_F(JourneysTest, AWaitThatIsNotKnownIsNotTold) {
  const auto wait = [this] {
    Signal(0, kPos, 1);
    Guest(EventKind::kGuestIrq, 9'000, kPos);
    Guest(EventKind::kGuestNapiSoftirq, 9'010, kPos, 1);
    Host(EventKind::kVhostBatches, 95'000, kPos);  // the recording goes on
    const std::vector<Journey> journeys = maker_->Make();
    EXPECT_EQ(journeys.size(), 1u);
    if (journeys.empty() || !journeys[0].vcpu_wait) return int64_t{-1};
    return journeys[0].vcpu_wait->mid_ns();
  };
  const auto begin = [this] {
    Begin();
    Earlier();
  };
  Vcpu(EventKind::kVcpuWoken, 20);
  Vcpu(EventKind::kVcpuRuns, 8'000, 0);
  EXPECT_EQ(wait(), -1);
  begin();
  ++numbers_[EventKind::kVcpuRuns];  // another one before it
  Vcpu(EventKind::kVcpuRuns, 8'000, 100 * kUs);
  EXPECT_EQ(wait(), -1);
  begin();
  Vcpu(EventKind::kVcpuRuns, 8'000, 9'000 * kUs);
  ++numbers_[EventKind::kVcpuWoken];  // perhaps it was asleep
  Vcpu(EventKind::kVcpuWoken, 90'000);
  EXPECT_EQ(wait(), -1);
  begin();
  Vcpu(EventKind::kVcpuRuns, 8'000, 9'000 * kUs);
  maker_->AddVcpu(2, Event(EventKind::kVcpuRuns, 9'000, 0, 50));  // numbers of its own: one missing
  EXPECT_EQ(wait(), 8'000 * kUs);
}

// A finding about time tells the stage that it makes longer; others stay as they are.
TEST_F(JourneysTest, FindingsAboutTimeTellIt) {
  Vcpu(EventKind::kVcpuRuns, 8'000, 9'000 * kUs);
  Signal(0, kPos, 1);
  Guest(EventKind::kGuestIrq, 9'000, kPos);
  Guest(EventKind::kGuestNapiSoftirq, 9'010, kPos, 1);
  Host(EventKind::kVhostBatches, 95'000, kPos);  // the recording goes on
  std::vector<Finding> findings(2);
  findings[0].cause = Cause::kLateVcpu;
  findings[0].queue = "vm1/vcpu1";
  findings[0].missing = {"how late single interrupts were (needs events of both sides)"};
  findings[1].cause = Cause::kDeadQueue;
  findings[1].queue = pair_->guest->Name();
  EXPECT_TRUE(WantsLatencies(findings));
  TellLatencies({Measure()}, &findings);
  ASSERT_EQ(findings[0].evidence.size(), 2u);
  EXPECT_NE(findings[0].evidence[0].text.find("waited 8.0 ms (median)"), std::string::npos)
      << findings[0].evidence[0].text;
  EXPECT_NE(findings[0].evidence[1].text.find("8.0 ms (median)"), std::string::npos)
      << findings[0].evidence[1].text;
  EXPECT_TRUE(findings[0].missing.empty());
  EXPECT_TRUE(findings[1].evidence.empty());
}

TEST_F(JourneysTest, MarksTellOneStage) {
  const QueueLatency latency = MeasureMarks(*pair_);
  EXPECT_TRUE(latency.by_marks);
  ASSERT_EQ(latency.stages.size(), 1u);
  EXPECT_GT(latency.journeys, 20u);
  // The model's guest takes what is published within 100 us or so.
  EXPECT_LE(latency.stages[0].lo.At(0.5), 1'000 * kUs);
  EXPECT_GE(latency.stages[0].hi.At(0.5), 0);
}

}  // namespace
}  // namespace ringside
