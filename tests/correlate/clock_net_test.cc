// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_net.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "correlate/joined.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

constexpr int64_t kOffsetNs = 123'456'789;
constexpr int64_t kRawAheadNs = 7;  // as path_model.cc has it

// The model's guest and host share one oscillator; the host's wall clock is the axis.
struct Truth {
  int64_t axis_ns;
  int64_t host_raw_ns;
};
Truth TruthOf(const Recording& recording, bool guest, int64_t mono_ns) {
  const ClockReading& clock = recording.streams[0].hello.clock;
  const int64_t host_mono_ns = mono_ns - (guest ? kOffsetNs : 0);
  return {host_mono_ns + clock.real_ns - clock.mono_ns, host_mono_ns + kRawAheadNs};
}

void ExpectTruthInside(const Recording& recording, const Joined& joined) {
  size_t number = 0;
  for (const NodeStream& node : joined.nodes()) {
    const bool guest = number++ == 1;
    for (const Snapshot& snapshot : node.stream->snapshots) {
      for (const int64_t later_ns : {0, 3'000'000}) {
        const int64_t mono_ns = snapshot.begin.mono_ns + later_ns;
        const Truth truth = TruthOf(recording, guest, mono_ns);
        const AxisTime axis = node.axis.At(mono_ns);
        EXPECT_LE(axis.lo_ns, truth.axis_ns) << node.name;
        EXPECT_GE(axis.hi_ns, truth.axis_ns) << node.name;
        const auto root = node.axis.RootAt(mono_ns);
        if (!root) continue;
        EXPECT_LE(root->range.lo_ns, guest && root->root == 1 ? mono_ns + 7 : truth.host_raw_ns);
        EXPECT_GE(root->range.hi_ns, guest && root->root == 1 ? mono_ns + 7 : truth.host_raw_ns);
      }
    }
  }
}

TEST(ClockNetTest, TimesOfBothSidesHoldTheTruth) {
  for (const int64_t bound_ns : {20'000, 2'000'000, 80'000'000}) {
    PathTruth ignored;
    const Recording recording = ModelPath({.batches = 3000, .clock_bound_ns = bound_ns}, &ignored);
    const Joined joined(recording);
    ExpectTruthInside(recording, joined);
    EXPECT_EQ(joined.clocks().Root(1), 0u) << "queues relate the guest to its host";
  }
}

// Exchanges of 80 ms: the queues say far more about the guest, so both are shown by the host's
// clock and lie as close to each other as the queues say.
TEST(ClockNetTest, TheWayOverTheHostIsTakenWhereItIsNarrower) {
  PathTruth ignored;
  const Recording recording = ModelPath({.batches = 3000, .clock_bound_ns = 80'000'000}, &ignored);
  const Joined joined(recording);
  const NodeStream& host = joined.nodes().front();
  const NodeStream& guest = joined.nodes().back();
  const int64_t mono_ns = host.stream->snapshots.back().begin.mono_ns;
  const int64_t apart_ns =
      guest.axis.At(mono_ns + kOffsetNs).mid_ns() - host.axis.At(mono_ns).mid_ns();
  const auto root = guest.axis.RootAt(mono_ns + kOffsetNs);
  ASSERT_TRUE(root);
  EXPECT_LT(root->range.half_ns(), 10'000'000);
  EXPECT_LE(std::abs(apart_ns), 2 * root->range.half_ns() + 1000);
}

// Files recorded without any link: both wall clocks may be off by what their kernels state, which
// is 200 ms here, and the queues still tell how guest and host stand to each other.
TEST(ClockNetTest, MergedFilesAreRelatedByTheirQueues) {
  PathTruth ignored;
  const Recording recording = ModelPath({.batches = 3000, .exchanges = false}, &ignored);
  const Joined joined(recording);
  ExpectTruthInside(recording, joined);
  const NodeStream& guest = joined.nodes().back();
  const int64_t mono_ns = guest.stream->snapshots.back().begin.mono_ns;
  const auto root = guest.axis.RootAt(mono_ns);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->root, 0u);
  EXPECT_LT(root->range.half_ns(), 10'000'000);
  EXPECT_GE(guest.axis.At(mono_ns).hi_ns - guest.axis.At(mono_ns).lo_ns, 2 * 200'000'000);
}

// What queues say is used for nothing if it does not meet what the exchanges say.
TEST(ClockNetTest, ARelationThatExchangesContradictIsNotUsed) {
  PathTruth ignored;
  Recording recording = ModelPath({.batches = 3000, .clock_bound_ns = 20'000}, &ignored);
  for (ClockExchange& exchange : recording.streams[1].clocks) {
    for (ClockReading* reading : {&exchange.collector_before, &exchange.collector_after}) {
      reading->mono_ns += 50'000'000;  // as if the answers came from elsewhere
      reading->raw_ns += 50'000'000;
      reading->real_ns += 50'000'000;
    }
  }
  const Joined joined(recording);
  EXPECT_EQ(joined.clocks().Root(1), 1u);
}

// Three marks an hour later than anything else that their node sent: by themselves they would say
// that the guest's clock is an hour off.
TEST(ClockNetTest, EvidenceFromTheFutureIsNamedAndLeftOut) {
  for (const size_t liar : {0, 1}) {
    PathTruth ignored;
    Recording recording = ModelPath({.batches = 3000}, &ignored);
    std::vector<Mark>& marks = recording.streams[liar].marks;
    ASSERT_GT(marks.size(), 4u);
    for (size_t i = marks.size() - 3; i < marks.size(); ++i) {
      marks[i].mono_ns += 3'600'000'000'000;
    }
    const Joined joined(recording);
    ExpectTruthInside(recording, joined);
    const auto to_host = [](const ClockLink& link) { return link.host.has_value(); };
    const std::vector<ClockLink>& links = joined.clocks().links();
    const auto link = std::find_if(links.begin(), links.end(), to_host);
    ASSERT_NE(link, links.end());
    EXPECT_EQ(link->fit.trust, ClockTrust::kGood);
    ASSERT_EQ(link->notes.size(), 1u);
    EXPECT_NE(link->notes[0].find("at which their nodes did not run"), std::string::npos);
  }
}

// A VM that was copied while it ran: two agents with the ids of one, at work at the same time.
TEST(ClockNetTest, CopiesOfAVmAreTwoNodes) {
  PathTruth ignored;
  Recording recording = ModelPath({.batches = 3000}, &ignored);
  Stream copy = recording.streams[1];
  copy.hello.key.instance += "2";
  recording.streams.push_back(copy);
  const Joined joined(recording);
  EXPECT_EQ(joined.nodes().back().name, "vm1~2");
  ASSERT_EQ(joined.warnings().size(), 1u);
  EXPECT_NE(joined.warnings()[0].find("a VM and a copy of it"), std::string::npos);
}

// An agent that was started anew is the same node.
TEST(ClockNetTest, AnAgentThatCameBackIsTheSameNode) {
  PathTruth ignored;
  Recording recording = ModelPath({.batches = 3000}, &ignored);
  Stream later = recording.streams[1];
  later.hello.key.instance += "2";
  const int64_t after_ns = recording.streams[1].snapshots.back().end.mono_ns + 1'000'000'000;
  later.hello.clock.mono_ns = after_ns;
  later.snapshots.clear();
  later.marks.clear();
  recording.streams.push_back(later);
  const Joined joined(recording);
  EXPECT_EQ(joined.nodes().back().name, "vm1");
  EXPECT_TRUE(joined.warnings().empty());
}

}  // namespace
}  // namespace ringside
