// SPDX-License-Identifier: Apache-2.0
// The agent under its ceiling: what its governor decides is done here, and said.
#include <fmt/format.h>

#include <utility>

#include "agent/agent.h"
#include "proto/clocks.h"

namespace ringside {
namespace {

constexpr int64_t kLookEveryNs = 1'000'000'000;

// What a plan does without altogether; that something is rarer shows in the data.
std::set<std::string> Without(const CostPlan& plan) {
  std::set<std::string> without = plan.paused;
  if (!plan.details) without.insert("details");
  return without;
}

}  // namespace

absl::Status Agent::Govern(int64_t now_mono_ns) {
  if (now_mono_ns < next_look_mono_ns_) return absl::OkStatus();
  next_look_mono_ns_ = now_mono_ns + kLookEveryNs;
  std::vector<HookCost> costs;
  for (const auto& probe : probes_) probe->ReadCosts(&costs);
  const NodeCost cost =
      meter_.Read(now_mono_ns, costs, totals_.events + totals_.dropped, ProcessNs());
  totals_.cost_percent = cost.percent();
  if (options_.ceiling_percent <= 0 || !governor_.Look(now_mono_ns, cost)) return absl::OkStatus();
  return ApplyPlan(now_mono_ns, cost.percent());
}

absl::Status Agent::ApplyPlan(int64_t now_mono_ns, double percent) {
  const CostPlan& plan = governor_.plan();
  bool changed = false;
  for (const auto& probe : probes_) changed |= probe->SetPaused(plan.paused);
  details_.SetShare(plan.details ? 1u << plan.detail_shift : 0);
  ApplyDetail();
  if (changed) {
    for (size_t i = 0; i < hello_.hooks.size() && i < hooks_.hooks().size(); ++i) {
      const HookState state = hooks_.hooks()[i].state;
      HookState& said = hello_.hooks[i].state;
      if (state == HookState::kPaused || said == HookState::kPaused) said = state;
    }
    if (absl::Status status = SayHelloAgain(); !status.ok()) return status;
  }
  const std::string what = PlanText(plan);
  const std::string text =
      fmt::format("{} (cost {:.1f}% of the node, ceiling {:.1f}%)",
                  what.empty() ? "everything as wanted" : what, percent, options_.ceiling_percent);
  absl::Status status = Put(Fact{.mono_ns = now_mono_ns, .name = "agent.governor", .value = text});
  return status.ok() ? SayGivenUp(now_mono_ns, plan, percent) : status;
}

// A gap when it begins, because the agent may not live to see its end, and one when it is over.
absl::Status Agent::SayGivenUp(int64_t now_mono_ns, const CostPlan& plan, double percent) {
  const std::set<std::string> without = Without(plan);
  for (const std::string& what : without) {
    if (!given_up_.try_emplace(what, now_mono_ns).second) continue;
    Gap gap{now_mono_ns, now_mono_ns,
            fmt::format("{} not recorded from here on: the agent took {:.1f}% of the node, its "
                        "ceiling is {:.1f}%",
                        what, percent, options_.ceiling_percent)};
    if (absl::Status status = Put(std::move(gap)); !status.ok()) return status;
  }
  for (auto at = given_up_.begin(); at != given_up_.end();) {
    if (without.contains(at->first)) {
      ++at;
      continue;
    }
    Gap gap{at->second, now_mono_ns,
            fmt::format("{} not recorded, to stay under the agent's ceiling", at->first)};
    at = given_up_.erase(at);
    if (absl::Status status = Put(std::move(gap)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace ringside
