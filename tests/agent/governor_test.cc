// SPDX-License-Identifier: Apache-2.0
// The governor against a small model of a node, whose hooks cost what the plan leaves on.
#include "agent/governor.h"

#include <gtest/gtest.h>

#include <map>

namespace ringside {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Costs in percent of a node with four CPUs.
struct Node {
  std::map<std::string, double> groups;
  std::set<std::string> fixed;  // groups that cannot be paused
  double details = 0;           // of every single one
  double reading = 0;           // at the wanted interval

  NodeCost Costs(const CostPlan& plan) const {
    NodeCost cost{.interval_ns = kSecond, .cpus = 4};
    const auto ns = [](double percent) {
      return static_cast<int64_t>(percent / 100 * 4 * kSecond);
    };
    const double one_of = plan.details ? 1 << plan.detail_shift : 0;
    cost.process_ns = ns(reading / (1 << plan.interval_shift));
    for (const auto& [name, percent] : groups) {
      if (plan.paused.contains(name)) continue;
      cost.groups.push_back({name, ns(percent), !fixed.contains(name)});
    }
    if (details > 0 && one_of > 0) {
      cost.groups.push_back({"events", ns(details / one_of), false});
      cost.details = 1000;
    }
    return cost;
  }
};

struct Ward {
  Governor governor{3.0, kSecond / 10};
  Node node;
  int64_t now = 0;
  int changes = 0;
  double Percent() const { return node.Costs(governor.plan()).percent(); }
  void Run(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      now += kSecond;
      changes += governor.Look(now, node.Costs(governor.plan())) ? 1 : 0;
    }
  }
};

TEST(Governor, LeavesAloneWhatIsCheap) {
  Ward ward{.node = {.groups = {{"irq", 1}, {"napi", 0.5}}, .details = 1, .reading = 0.4}};
  ward.Run(1000);
  EXPECT_EQ(ward.governor.plan(), CostPlan());
  EXPECT_EQ(ward.changes, 0);
}

TEST(Governor, OneBurstIsNoReason) {
  Ward ward{.node = {.groups = {{"irq", 9}}}};
  ward.Run(1);
  ward.node.groups["irq"] = 1;
  ward.Run(10);
  EXPECT_EQ(ward.changes, 0);
}

TEST(Governor, DetailsAreSampledFirstAndComeBack) {
  Ward ward{.node = {.groups = {{"irq", 1}}, .details = 8}};
  ward.Run(10);
  EXPECT_LE(ward.Percent(), 3);
  EXPECT_EQ(ward.governor.plan().detail_shift, 2) << "1 + 8/4 is 3";
  EXPECT_TRUE(ward.governor.plan().paused.empty());
  EXPECT_EQ(PlanText(ward.governor.plan()), "details 1 of 4");
  ward.node.details = 0.1;
  ward.Run(60);
  EXPECT_EQ(ward.governor.plan(), CostPlan());
}

TEST(Governor, ThenNoDetailsThenTheCostliestHooks) {
  Ward ward{.node = {.groups = {{"irq", 2}, {"napi", 4}, {"tun", 3}}, .details = 100}};
  ward.Run(60);
  EXPECT_LE(ward.Percent(), 3);
  EXPECT_FALSE(ward.governor.plan().details);
  EXPECT_EQ(ward.governor.plan().paused, (std::set<std::string>{"napi", "tun"}));
  EXPECT_EQ(PlanText(ward.governor.plan()), "no details, without napi and tun");
}

TEST(Governor, ReadingIsMadeRarerBeforeHooksGo) {
  Ward ward{.node = {.groups = {{"irq", 1}}, .reading = 7}};
  ward.Run(60);
  EXPECT_LE(ward.Percent(), 3);
  EXPECT_EQ(ward.governor.plan().interval_shift, 2);
  EXPECT_TRUE(ward.governor.plan().paused.empty());
}

TEST(Governor, IntervalsAreBounded) {
  Ward ward{.node = {.groups = {{"irq", 1}}, .reading = 100'000}};
  ward.Run(600);
  EXPECT_EQ(ward.governor.plan().interval_shift, 6) << "0.1 s << 6 is below 10 s, one more is not";
  EXPECT_EQ(ward.governor.plan().paused, std::set<std::string>{"irq"});
}

TEST(Governor, WhatCannotBePausedStays) {
  Ward ward{.node = {.groups = {{"irq", 9}}, .fixed = {"irq"}}};
  ward.Run(60);
  EXPECT_EQ(ward.governor.plan(), CostPlan());
}

// A load that is above the ceiling with a group and far below without it would switch for ever.
TEST(Governor, FlappingDiesDown) {
  Ward ward{.node = {.groups = {{"napi", 9}}}};
  ward.Run(3600);
  const int first_hour = ward.changes;
  EXPECT_LT(first_hour, 24) << "each hold is twice the one before";
  ward.changes = 0;
  ward.Run(3 * 3600);
  EXPECT_LT(ward.changes, 10);
}

TEST(Governor, BackWhenTheLoadHasGone) {
  Ward ward{.node = {.groups = {{"napi", 9}, {"tun", 5}}}};
  ward.Run(20);
  EXPECT_EQ(ward.governor.plan().paused.size(), 2u);
  ward.node.groups = {{"napi", 0.1}, {"tun", 0.1}};
  ward.Run(40);
  EXPECT_TRUE(ward.governor.plan().paused.empty());
}

TEST(NodeCost, IsOfAllCpus) {
  NodeCost cost{.interval_ns = kSecond, .cpus = 2, .process_ns = kSecond / 100};
  cost.groups = {{"irq", kSecond / 100, true}};
  EXPECT_DOUBLE_EQ(cost.percent(), 1.0);
  EXPECT_DOUBLE_EQ(NodeCost{}.percent(), 0);
}

}  // namespace
}  // namespace ringside
