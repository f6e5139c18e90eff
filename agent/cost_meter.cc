// SPDX-License-Identifier: Apache-2.0
#include "agent/cost_meter.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace ringside {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMeasureEveryNs = 300 * kSecondNs;
constexpr uint64_t kRunsMin = 100;  // fewer are the cold caches of an idle machine

}  // namespace

BpfStats::BpfStats() : fd_(bpf_enable_stats(BPF_STATS_RUN_TIME)) {}

BpfStats::~BpfStats() {
  if (fd_ >= 0) close(fd_);
}

double HitNs(const HookCost& before, const HookCost& after, double unknown_ns) {
  const uint64_t runs = after.runs - std::min(before.runs, after.runs);
  if (runs < kRunsMin) return unknown_ns;
  const double entry = after.rung == Rung::kKprobe ? kKprobeEntryNs : 0;
  return static_cast<double>(after.run_ns - std::min(before.run_ns, after.run_ns)) / runs + entry;
}

void CostMeter::Measure(int64_t now_mono_ns, bool details, const std::map<HookId, HookCost>& now) {
  if (stats_ != nullptr) {
    for (const auto& [hook, cost] : now) {
      const auto from = measured_from_.find(hook);
      const auto known = hit_ns_.try_emplace(hook, kHitNsUnknown).first;
      if (from != measured_from_.end()) known->second = HitNs(from->second, cost, known->second);
    }
    stats_.reset();
    next_measure_mono_ns_ = now_mono_ns + kMeasureEveryNs;
    measured_details_ = details;
    return;
  }
  if (now_mono_ns < next_measure_mono_ns_ && details == measured_details_) return;
  stats_ = std::make_unique<BpfStats>();
  measured_from_ = now;
  if (stats_->ok()) return;
  stats_.reset();
  next_measure_mono_ns_ = now_mono_ns + kMeasureEveryNs;
  measured_details_ = details;
}

NodeCost CostMeter::Read(int64_t now_mono_ns, const std::vector<HookCost>& costs, uint64_t details,
                         int64_t process_ns) {
  std::map<HookId, HookCost> now;
  for (const HookCost& cost : costs) now[cost.hook] = cost;
  NodeCost result{.cpus = static_cast<uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)))};
  if (last_mono_ns_ != 0) {
    result.interval_ns = now_mono_ns - last_mono_ns_;
    result.process_ns = process_ns - last_process_ns_;
    result.details = details - last_details_;
  }
  Measure(now_mono_ns, result.details > 0, now);
  std::map<std::string, double> groups;
  for (const auto& [hook, cost] : now) {
    const auto before = last_.find(hook);
    if (before == last_.end()) continue;
    const auto known = hit_ns_.find(hook);
    const double ns = known == hit_ns_.end() ? kHitNsUnknown : known->second;
    groups[cost.group] += ns * (cost.hits - std::min(before->second.hits, cost.hits));
  }
  for (const auto& [name, ns] : groups) {
    result.groups.push_back({.name = name, .ns = static_cast<int64_t>(ns)});
  }
  last_ = std::move(now);
  last_mono_ns_ = now_mono_ns;
  last_details_ = details;
  last_process_ns_ = process_ns;
  return result;
}

int64_t ProcessNs() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * kSecondNs + time.tv_nsec;
}

}  // namespace ringside
