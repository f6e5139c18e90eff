// SPDX-License-Identifier: Apache-2.0
#include "agent/governor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace ringside {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int kDetailShiftMax = 6;  // 1 of 64: a rarer sample tells nothing that counts do not
constexpr int64_t kIntervalNsMax = 10 * kSecondNs;
constexpr int kOverMin = 2;  // one look may be a burst
constexpr int64_t kHoldNsMin = 10 * kSecondNs;
constexpr int64_t kHoldNsMax = 3600 * kSecondNs;
// Most steps halve what they are about: below half of the ceiling there is room without the last.
constexpr double kRoom = 0.5;

}  // namespace

int64_t NodeCost::kernel_ns() const {
  int64_t sum = 0;
  for (const Group& group : groups) sum += group.ns;
  return sum;
}

double NodeCost::percent() const {
  if (interval_ns <= 0) return 0;
  return 100.0 * static_cast<double>(process_ns + kernel_ns()) /
         (static_cast<double>(interval_ns) * cpus);
}

std::string PlanText(const CostPlan& plan) {
  std::vector<std::string> parts;
  if (!plan.details) {
    parts.push_back("no details");
  } else if (plan.detail_shift > 0) {
    parts.push_back(absl::StrCat("details 1 of ", 1 << plan.detail_shift));
  }
  if (plan.interval_shift > 0) {
    parts.push_back(absl::StrCat("snapshots ", 1 << plan.interval_shift, " times as far apart"));
  }
  if (!plan.paused.empty()) {
    parts.push_back(absl::StrCat("without ", absl::StrJoin(plan.paused, " and ")));
  }
  return absl::StrJoin(parts, ", ");
}

Governor::Governor(double ceiling_percent, int64_t interval_ns)
    : ceiling_percent_(ceiling_percent), interval_ns_(std::max<int64_t>(interval_ns, 1)) {}

bool Governor::Look(int64_t now_mono_ns, const NodeCost& cost) {
  const double percent = cost.percent();
  if (percent <= ceiling_percent_) {
    over_ = 0;
    return TakeBack(now_mono_ns, percent);
  }
  if (++over_ < kOverMin) return false;
  over_ = 0;
  return GiveUp(now_mono_ns, cost);
}

bool Governor::GiveUp(int64_t now_mono_ns, const NodeCost& cost) {
  Step step{.before = plan_, .taken_mono_ns = now_mono_ns};
  const NodeCost::Group* costliest = nullptr;
  for (const NodeCost::Group& group : cost.groups) {
    if (!group.pausable || group.ns == 0 || plan_.paused.contains(group.name)) continue;
    if (costliest == nullptr || group.ns > costliest->ns) costliest = &group;
  }
  const bool reading = cost.process_ns > cost.kernel_ns();
  const bool rarer = (interval_ns_ << (plan_.interval_shift + 1)) <= kIntervalNsMax;
  if (plan_.details && cost.details > 0) {
    step.what = "details";
    if (plan_.detail_shift < kDetailShiftMax) {
      ++plan_.detail_shift;
    } else {
      plan_.details = false;
    }
  } else if (reading && rarer) {
    step.what = "snapshots";
    ++plan_.interval_shift;
  } else if (costliest != nullptr) {
    step.what = costliest->name;
    plan_.paused.insert(costliest->name);
  } else {
    return false;  // nothing is left to give up
  }
  const bool again = released_.what == step.what &&
                     now_mono_ns - released_mono_ns_ < std::max(released_.hold_ns, kHoldNsMin);
  step.hold_ns = again ? std::min(2 * released_.hold_ns, kHoldNsMax) : kHoldNsMin;
  steps_.push_back(std::move(step));
  return true;
}

bool Governor::TakeBack(int64_t now_mono_ns, double percent) {
  if (steps_.empty() || percent > kRoom * ceiling_percent_) return false;
  const Step& last = steps_.back();
  if (now_mono_ns - last.taken_mono_ns < last.hold_ns) return false;
  released_ = last;
  released_mono_ns_ = now_mono_ns;
  plan_ = last.before;
  steps_.pop_back();
  // The next one is looked at after a look at what this one costs.
  if (!steps_.empty()) steps_.back().taken_mono_ns = now_mono_ns;
  return true;
}

}  // namespace ringside
