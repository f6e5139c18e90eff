// SPDX-License-Identifier: Apache-2.0
// Continuous evaluation of simulated machines in virtual time: what it says, and what it costs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "collector/evaluator.h"
#include "tests/collector/replay.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Said {
  std::vector<std::string> lines;
  std::vector<EvaluationChange> stored;
  int64_t from_ns = 0;
  double cpu_s = 0;
  double span_s = 0;
  uint64_t rounds = 0;
};

// Tells the recording to an evaluator as it would have been heard.
Said Evaluate(const Recording& recording) {
  Said said;
  ClockReading now{};
  Evaluator evaluator(
      EvaluatorOptions{.recorder = "collector1",
                       .clock = [&now] { return now; },
                       .log = [&said](const std::string& line) { said.lines.push_back(line); },
                       .report =
                           [&said](const std::vector<Change>& changes, const VerdictTracker&) {
                             for (const Change& change : changes)
                               said.stored.push_back(change.what);
                           }});
  const std::vector<TimedRecord> records = InOrder(recording);
  size_t next = 0;
  const int64_t from_ns = records[records.size() / 1000].axis_ns;
  const int64_t to_ns = records.back().axis_ns;
  const double began_s = CpuSeconds();
  for (int64_t at_ns = from_ns; at_ns <= to_ns; at_ns += 200'000'000) {
    while (next < records.size() && records[next].axis_ns <= at_ns) {
      evaluator.OnRecord(records[next].key, records[next].record);
      ++next;
    }
    now = ClockReading{at_ns - from_ns + 1, at_ns - from_ns + 1, at_ns, 0, 0};
    evaluator.Step(now);
  }
  said.cpu_s = CpuSeconds() - began_s;
  said.span_s = static_cast<double>(to_ns - from_ns) / 1e9;
  said.from_ns = from_ns;
  said.rounds = evaluator.totals().rounds;
  return said;
}

sim::RunSpec Machines(uint64_t seed, int vms, int pairs, int64_t seconds) {
  sim::RunSpec spec;
  spec.seed = seed;
  spec.duration_ns = seconds * sim::kSecNs;
  sim::Random random(seed, "machines");
  for (int vm = 0; vm < vms; ++vm) {
    std::vector<sim::Flow> flows;
    for (int pair = 0; pair < pairs; ++pair) {
      sim::Flow flow{.pattern = sim::Pattern::kPings, .rate_hz = random.Real(2, 200), .answer = 1};
      if (pair == 0) flow = sim::SteadyFlow(random.Real(100, 1000));
      if (pair == 1 && vm % 4 == 0) flow = {};  // idle
      flows.push_back(flow);
    }
    sim::AddVm(random, flows, &spec);
    spec.guest_agents.push_back({.name = spec.vms.back().name,
                                 .machine = "machine-" + spec.vms.back().name,
                                 .interval_ns = sim::kSecNs});
  }
  spec.host_agents.push_back(
      {.name = "host1", .machine = "machine-host1", .interval_ns = sim::kSecNs});
  return spec;
}

Recording Play(const sim::RunSpec& spec) {
  sim::World world(spec, nullptr);
  Recording recording;
  const absl::Status status = world.Play(&recording);
  EXPECT_TRUE(status.ok()) << status;
  return recording;
}

// A sanitizer looks for other mistakes, five times as slowly.
#ifdef __SANITIZE_ADDRESS__
constexpr int kMinutes = 2;
#else
constexpr int kMinutes = 10;
#endif

TEST(EvaluatorSimTest, AHundredHealthyQueuesForTenMinutesAreNoNews) {
  const double began_s = CpuSeconds();
  const Recording recording = Play(Machines(7, 13, 4, kMinutes * 60));
  const double played_s = CpuSeconds() - began_s;
  const Said said = Evaluate(recording);
  EXPECT_THAT(said.lines, IsEmpty());
  EXPECT_GE(said.rounds, kMinutes * 10u);
  size_t held = 0;
  for (const EvaluationChange& change : said.stored) {
    const auto* verdict = std::get_if<VerdictChange>(&change);
    held += verdict != nullptr && verdict->verdict == Verdict::kHolds ? 1 : 0;
  }
  EXPECT_GE(held, 60u);  // they were judged, not passed over
  fmt::print(
      "104 queues x 1 snapshot/s, {:.0f} s: played in {:.1f} s, {} of them held;"
      " {} rounds, {:.1f} ms of CPU each, {:.1f}% of one core\n",
      said.span_s, played_s, held, said.rounds, 1e3 * said.cpu_s / said.rounds,
      100 * said.cpu_s / said.span_s);
}

// What machines do in a day: interrupts move, VMs stand still, a poller receives.
TEST(EvaluatorSimTest, OdditiesAreNoNewsEither) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    sim::RunSpec spec = Machines(seed, 4, 3, 200);
    for (int64_t at_s = 20; at_s < 180; at_s += 13) {
      spec.events.push_back({.act = sim::Act::kAffinity,
                             .at_ns = at_s * sim::kSecNs,
                             .vm = static_cast<size_t>(at_s % 3),
                             .x = static_cast<double>(at_s % 2)});
    }
    spec.events.push_back(
        {.act = sim::Act::kPause, .at_ns = 90 * sim::kSecNs, .vm = 3, .ns = sim::kSecNs / 5});
    const Said said = Evaluate(Play(spec));
    EXPECT_THAT(said.lines, IsEmpty()) << "seed " << seed;
  }
}

TEST(EvaluatorSimTest, WhatIsLostInTheMiddleIsToldWithinSeconds) {
  sim::RunSpec spec = Machines(11, 2, 2, 120);
  spec.events.push_back({.act = sim::Act::kLose, .at_ns = 60 * sim::kSecNs, .x = 0.05});
  const Said said = Evaluate(Play(spec));
  ASSERT_FALSE(said.lines.empty());
  int64_t first_ns = INT64_MAX;
  for (const EvaluationChange& change : said.stored) {
    const auto* verdict = std::get_if<VerdictChange>(&change);
    if (verdict == nullptr || verdict->verdict != Verdict::kViolated) continue;
    first_ns = std::min(first_ns, verdict->at_real_ns - said.from_ns);
  }
  fmt::print("lost from 60 s on, told at {:.1f} s\n", static_cast<double>(first_ns) / 1e9);
  EXPECT_GT(first_ns, 59 * sim::kSecNs);
  EXPECT_LT(first_ns, 75 * sim::kSecNs);
  EXPECT_THAT(said.lines, testing::Contains(HasSubstr("vm1/eth0/rx0 <- ")));
  for (const std::string& line : said.lines) EXPECT_THAT(line, HasSubstr("vm1/eth0/rx0"));
}

}  // namespace
}  // namespace ringside
