// SPDX-License-Identifier: Apache-2.0
// A guest that lies harms nobody but itself: no identity of the host's own counts is violated, none
// that rests on the guest's word is where the host sees otherwise, no fault of the host is named as
// a root, and what is said of the other guest stays true (design D13).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "tests/sim/judge.h"
#include "tests/sim/scenario.h"

namespace ringside::sim {
namespace {

constexpr uint64_t kSeeds = 8;  // of each lie

// Causes that a host, its backend or its VMM would be blamed for.
const std::set<std::string> kOfTheHost = {
    "empty-signal", "duplicate-injection", "lost-interrupt",    "external-injector",
    "stale-route",  "no-tx-signal",        "lost-across-pause", "slow-path-injection",
    "late-vcpu",    "vector-masked",       "interrupt-merging"};

bool OfGuestOnly(const std::string& violated) {
  return violated.find(": guest.irq = ") != std::string::npos;
}

bool Mine(const std::string& text) { return text.starts_with("vm2/"); }

class LiarTest : public testing::TestWithParam<Lie> {};

TEST_P(LiarTest, HarmsOnlyItself) {
  const size_t place =
      static_cast<size_t>(std::find(kLies.begin(), kLies.end(), GetParam()) - kLies.begin());
  for (uint64_t n = 0; n < kSeeds; ++n) {
    const auto spec = MakeRun("liar", n * kLies.size() + place, Mutation::kNone);
    ASSERT_TRUE(spec.has_value());
    ASSERT_EQ(spec->guest_agents.back().lie, GetParam());
    const Judgement judgement = Judge(*spec);
    SCOPED_TRACE(std::string(LieName(GetParam())) + ", seed " + std::to_string(spec->seed));
    EXPECT_EQ(judgement.failure, "");
    for (const std::string& line : judgement.violated) {
      EXPECT_TRUE(Mine(line) && OfGuestOnly(line)) << line;
    }
    for (const Miss& miss : judgement.misses) {
      EXPECT_TRUE(Mine(miss.queue)) << miss.queue << " " << CountName(miss.count);
    }
    for (const NamedCause& root : judgement.roots) {
      EXPECT_FALSE(kOfTheHost.contains(root.id)) << root.id << " " << root.queue;
    }
    for (const NamedCause& finding : judgement.findings) {
      EXPECT_TRUE(Mine(finding.queue) || finding.id == "data-loss")
          << finding.id << " " << finding.queue;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Lies, LiarTest, testing::ValuesIn(kLies),
                         [](const auto& lie) { return LieName(lie.param); });

}  // namespace
}  // namespace ringside::sim
