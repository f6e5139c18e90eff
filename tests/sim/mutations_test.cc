// SPDX-License-Identifier: Apache-2.0
// A changed rule of the kernel must be noticed: on the same runs that are judged right with the
// rules as they are, the engine says `violated`, or the score catches a wrong cause or interval.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "tests/sim/score.h"

namespace ringside::sim {
namespace {

struct Case {
  Mutation mutation;
  const char* scenario;
  uint64_t from;
  uint64_t to;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.scenario << " mutation " << static_cast<int>(c.mutation);
}

class MutationTest : public testing::TestWithParam<Case> {};

// Runs that are not judged right; the bars of shares mean nothing for a few runs of one kind.
int64_t BadRuns(const Score& score) {
  return std::count_if(score.outcomes.begin(), score.outcomes.end(),
                       [](const Outcome& outcome) { return outcome.bad(); });
}

TEST_P(MutationTest, IsNoticed) {
  ScoreOptions options;
  options.from = GetParam().from;
  options.to = GetParam().to;
  options.scenario = GetParam().scenario;
  const Score right = MakeScore(options);
  EXPECT_EQ(BadRuns(right), 0) << ScoreText(options, right);
  options.mutation = GetParam().mutation;
  const Score wrong = MakeScore(options);
  EXPECT_GT(BadRuns(wrong), 0) << ScoreText(options, wrong);
}

INSTANTIATE_TEST_SUITE_P(Rules, MutationTest,
                         testing::Values(Case{Mutation::kNeedEvent, "ping-pong", 1, 12},
                                         Case{Mutation::kNoRecheck, "bursts", 1, 20},
                                         Case{Mutation::kDisableNothing, "busy-poll", 1, 12},
                                         Case{Mutation::kMergeUnseen, "merging", 1, 12},
                                         Case{Mutation::kMergeAlways, "merging", 1, 4},
                                         Case{Mutation::kMergeTwice, "interrupt-merging", 1, 4},
                                         Case{Mutation::kMaskedLost, "affinity", 1, 40},
                                         Case{Mutation::kRerunLost, "wandering", 1, 12},
                                         Case{Mutation::kDropUncounted, "short-tap-ring", 1, 6},
                                         Case{Mutation::kSignalUncounted, "steady", 1, 4},
                                         Case{Mutation::kWakeUncounted, "steady", 1, 4},
                                         Case{Mutation::kNoneUncounted, "tcp", 1, 12},
                                         Case{Mutation::kLimitHalf, "busy-poll-hard", 1, 6},
                                         Case{Mutation::kTakenTwice, "steady", 1, 4},
                                         Case{Mutation::kSlowTwice, "slow-path-injection", 1, 6}));

}  // namespace
}  // namespace ringside::sim
