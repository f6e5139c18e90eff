// SPDX-License-Identifier: Apache-2.0
// The last minute of a stream: what is let go, and that no count changes by it.
#include "collector/live_window.h"

#include <gtest/gtest.h>

#include <set>

#include "bpf/position.h"
#include "correlate/series.h"
#include "tests/proto/sample_records.h"

namespace ringside {
namespace {

constexpr QueueId kBusy{1};
constexpr QueueId kQuiet{2};
constexpr HookId kHook{1};

ClockReading Now(int64_t seconds) { return ClockAt(seconds * kSecond_ns); }

// An agent with a busy queue and one that counts once a hundred seconds: a snapshot a second, a
// full one every ten, as agents do.
class Agent {
 public:
  explicit Agent(LiveWindow& window) : window_(window) {
    Put(MakeHello("vm1"));
    Put(MakeQueue(1, "eth0", "rx0"));
    Put(MakeQueue(2, "eth0", "rx1"));
  }
  void Put(Record record) {
    window_.Take(Key("vm1"), {++number_, std::move(record)}, second_ * kSecond_ns);
  }
  void Second(bool lost = false) {
    ++second_;
    busy_ += 10;
    const bool full = second_ % 10 == 1;
    const bool counts = second_ % 100 == 99;
    if (counts) ++quiet_;
    std::vector<Sample> samples = {{kBusy, Count::kGuestIrq, kHook, busy_, busy_ + 1}};
    if (full || counts) samples.push_back({kQuiet, Count::kGuestIrq, kHook, quiet_, quiet_});
    if (!lost) Put(MakeSnapshot(static_cast<uint64_t>(second_), full, samples));
  }
  void Seconds(int count) {
    for (int i = 0; i < count; ++i) {
      Second();
      window_.Trim(Now(second_));
    }
  }
  int64_t second() const { return second_; }
  uint64_t busy() const { return busy_; }

 private:
  LiveWindow& window_;
  uint64_t number_ = 0;
  int64_t second_ = 0;
  uint64_t busy_ = 0;
  uint64_t quiet_ = 1'000'000;
};

TEST(LiveWindowTest, AMinuteIsKeptThinnedAndNoCountIsLost) {
  LiveWindow window("collector1");
  Agent agent(window);
  for (int i = 0; i < 300; ++i) {
    agent.Seconds(1);
    const Stream& stream = window.recording().streams.at(0);
    ASSERT_LE(stream.snapshots.size(), 1u + 11 + 11);
    ASSERT_TRUE(stream.snapshots.front().full);
    const StreamSeries series(stream);
    const auto first = series.CountAt(kBusy, Count::kGuestIrq, kHook, 0);
    const auto last = series.CountAt(kBusy, Count::kGuestIrq, kHook, stream.snapshots.size() - 1);
    ASSERT_TRUE(first && last);
    EXPECT_EQ(last->lo, agent.busy());
    const int64_t span_s =
        (stream.snapshots.back().begin.mono_ns - stream.snapshots.front().begin.mono_ns) /
        kSecond_ns;
    EXPECT_EQ(last->lo - first->lo, static_cast<uint64_t>(span_s) * 10);
    EXPECT_GE(span_s, std::min(agent.second() - 1, int64_t{60}));
    EXPECT_LT(span_s, 65);  // a step of the thinned part more
    // The other queue's count is known from the first snapshot on: it never seems to begin.
    EXPECT_EQ(series.FirstSnapshotOf(kQuiet, Count::kGuestIrq, kHook), size_t{0});
  }
  EXPECT_TRUE(window.recording().streams[0].bye);  // it is attached, not cut off
}

TEST(LiveWindowTest, AStreamThatComesInTheMiddleWaitsForAFullSnapshot) {
  LiveWindow window("collector1");
  const auto put = [&](uint64_t number, Record record) {
    window.Take(Key("vm1"), {number, std::move(record)}, kSecond_ns);
  };
  put(1, MakeHello("vm1"));
  put(50, MakeSnapshot(20, false, {{kBusy, Count::kGuestIrq, kHook, 5, 5}}));
  put(51, MakeSnapshot(21, false, {{kBusy, Count::kGuestIrq, kHook, 6, 6}}));
  EXPECT_TRUE(window.recording().streams[0].snapshots.empty());
  put(52, MakeSnapshot(22, true, {{kBusy, Count::kGuestIrq, kHook, 7, 7}}));
  EXPECT_EQ(window.recording().streams[0].snapshots.size(), 1u);
}

TEST(LiveWindowTest, AHoleEndsWhatWasKnown) {
  LiveWindow window("collector1");
  Agent agent(window);
  agent.Seconds(34);
  agent.Second(/*lost=*/true);
  agent.Seconds(5);
  EXPECT_TRUE(window.recording().streams[0].snapshots.empty());
  agent.Seconds(2);  // a full one is among them
  EXPECT_EQ(window.recording().streams[0].snapshots.size(), 2u);
}

TEST(LiveWindowTest, ANewGenerationBeginsAnew) {
  LiveWindow window("collector1");
  Agent agent(window);
  agent.Seconds(30);
  agent.Put(Marks{{{kBusy, Domain::kIrq, 0, 0, 30 * kSecond_ns, 1, 600, {}}}});
  QueueInfo again = MakeQueue(1, "eth0", "rx0");
  again.generation = 2;
  agent.Put(again);
  const Stream& stream = window.recording().streams[0];
  for (const Snapshot& snapshot : stream.snapshots) {
    for (const Sample& sample : snapshot.samples) EXPECT_EQ(sample.queue, kQuiet);
  }
  EXPECT_TRUE(stream.marks.empty());
  EXPECT_EQ(stream.queues.size(), 2u);
}

TEST(LiveWindowTest, RepeatsAreLeftOutAndMissingNumbersCounted) {
  LiveWindow window("collector1");
  const auto put = [&](uint64_t number, Record record) {
    window.Take(Key("vm1"), {number, std::move(record)}, kSecond_ns);
  };
  put(1, MakeHello("vm1"));
  put(2, MakeSnapshot(1, true, {}));
  put(2, MakeSnapshot(1, true, {}));
  put(6, MakeSnapshot(2, true, {}));
  window.Trim(Now(2));
  EXPECT_EQ(window.recording().streams[0].snapshots.size(), 2u);
  EXPECT_EQ(window.recording().streams[0].missing_numbers, 3u);
}

TEST(LiveWindowTest, StreamsThatEndedLeaveAMinuteLater) {
  LiveWindow window("collector1");
  Agent agent(window);
  agent.Seconds(10);
  window.End(Key("vm1"));
  window.Trim(Now(50));
  ASSERT_EQ(window.recording().streams.size(), 1u);
  EXPECT_FALSE(window.recording().streams[0].bye);  // cut off
  window.Trim(Now(71));
  EXPECT_TRUE(window.recording().streams.empty());
}

TEST(LiveWindowTest, ARestartedAgentTakesItsForerunnersPlace) {
  LiveWindow window("collector1");
  Agent agent(window);
  agent.Seconds(10);
  window.End(Key("vm1"));
  Hello hello = MakeHello("vm1");
  hello.key.instance = "agent-2";
  window.Take(hello.key, {1, hello}, 12 * kSecond_ns);
  ASSERT_EQ(window.recording().streams.size(), 1u);
  EXPECT_EQ(window.recording().streams[0].hello.key.instance, "agent-2");
}

// Marks of both sides, whose positions are whole turns apart: what each keeps by itself must still
// meet.
TEST(LiveWindowTest, MarksOfBothSidesAreThinnedAlike) {
  LiveWindow window("collector1");
  constexpr uint64_t kTurns = 3 * 65536;
  for (const char* name : {"host1", "vm1"}) {
    window.Take(Key(name), {1, MakeHello(name)}, kSecond_ns);
    window.Take(Key(name), {2, MakeQueue(1, "eth0", "rx0")}, kSecond_ns);
  }
  uint64_t number = 2;
  for (uint64_t pos = 1000; pos < 1'000'000; pos += 100) {
    ++number;
    const int64_t at_ns = static_cast<int64_t>(pos) * 10'000;
    for (const char* name : {"host1", "vm1"}) {
      const bool host = name[0] == 'h';
      const uint64_t own = pos + (host ? kTurns : 0);
      Marks marks;
      if (rs_crosses_mark(own - 100, own, 8)) {
        marks.marks.push_back(
            {QueueId{1}, host ? Domain::kVhost : Domain::kIrq, 0, 0, at_ns, own - 100, own, {}});
      }
      window.Take(Key(name), {number, marks}, at_ns);
    }
    if (pos % 50'000 == 0) window.Trim(Now(static_cast<int64_t>(pos) / 100'000));
  }
  window.Trim(Now(10));
  std::set<uint64_t> host, guest;
  for (const Mark& mark : window.recording().streams[0].marks) host.insert(mark.pos - kTurns);
  for (const Mark& mark : window.recording().streams[1].marks) guest.insert(mark.pos);
  EXPECT_LE(host.size(), kMarksPerDomainMax);
  EXPECT_GE(host.size(), kMarksPerDomainMax / 4);
  EXPECT_EQ(host, guest);
}

TEST(LiveWindowTest, MemoryIsBoundedByFoldingMore) {
  LiveWindow window("collector1", 20'000);
  Agent agent(window);
  agent.Seconds(100);
  EXPECT_EQ(window.level(), 0);
  LiveWindow tight("collector1", 4'000);
  Agent other(tight);
  other.Seconds(100);
  EXPECT_GT(tight.level(), 0);
  EXPECT_LT(tight.recording().streams[0].snapshots.size(),
            window.recording().streams[0].snapshots.size());
  LiveWindow none("collector1", 100);
  Agent first(none);
  first.Seconds(10);
  none.Take(Key("vm2"), {1, MakeHello("vm2")}, kSecond_ns);
  EXPECT_EQ(none.left_out(), 1u);
  EXPECT_EQ(none.recording().streams.size(), 1u);
}

}  // namespace
}  // namespace ringside
