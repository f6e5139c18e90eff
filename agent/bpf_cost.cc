// SPDX-License-Identifier: Apache-2.0
// What the programs of a BpfObject cost, and doing without some of them.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <string_view>

#include "agent/bpf_object.h"

namespace ringside {
namespace {

constexpr std::string_view kSignals = "signals";
// What is under way when hooks come or go has ended by then; a call takes microseconds.
constexpr int kUnderWayUs = 20'000;

}  // namespace

std::string CostGroupOf(const ProgramSpec& spec) {
  if (spec.hook == RS_HOOKS) return "";
  std::string_view group = spec.group;
  group = group.substr(0, group.find('_'));
  for (const std::string_view part : {"vhost", "signal", "write", "woken", "inject", "slow"}) {
    if (group == part) return std::string(kSignals);
  }
  return group == "accept" || group == "taken" ? "merges" : std::string(group);
}

void BpfObject::Hold(bool hold) {
  auto* live = static_cast<volatile rs_config*>(MapTable(kConfigMap, sizeof(rs_config)));
  if (live == nullptr || (live->hold != 0) == hold) return;
  if (!hold) usleep(kUnderWayUs);
  live->hold = hold ? 1 : 0;
  if (hold) usleep(kUnderWayUs);
}

bool BpfObject::AnyPaused(std::string_view group) const {
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (hooks_[i].state == HookState::kPaused && CostGroupOf(programs_[i].spec) == group)
      return true;
  }
  return false;
}

bool BpfObject::SetPaused(const std::set<std::string>& groups) {
  bool changed = false;
  const bool signals = groups.contains(std::string(kSignals));
  if (signals) Hold(true);
  // Entries first: an exit whose entry was not seen is ignored.
  for (size_t i = programs_.size(); i-- > 0;) {
    Program& program = programs_[i];
    if (program.link == nullptr || !groups.contains(CostGroupOf(program.spec))) continue;
    bpf_link__destroy(program.link);
    program.link = nullptr;
    program.was_paused = true;
    hooks_[i].state = HookState::kPaused;
    changed = true;
  }
  for (size_t i = 0; i < programs_.size(); ++i) {
    Program& program = programs_[i];
    const bool paused = hooks_[i].state == HookState::kPaused;
    if (!paused || groups.contains(CostGroupOf(program.spec))) continue;
    program.link = AttachOne(program);
    if (program.link == nullptr) continue;  // stays paused, and is tried again at the next change
    hooks_[i].state = HookState::kAttached;
    changed = true;
  }
  if (!signals && !AnyPaused(kSignals)) Hold(false);
  return changed;
}

void BpfObject::ReadCosts(HookId base, std::vector<HookCost>* costs) const {
  for (size_t i = 0; i < programs_.size(); ++i) {
    const Program& program = programs_[i];
    const std::string group = CostGroupOf(program.spec);
    if (program.link == nullptr || group.empty() || SpecOf(program.spec.hook) != i) continue;
    HookCost cost{.hook = HookId{static_cast<uint32_t>(base) + static_cast<uint32_t>(i)},
                  .group = group};
    cost.rung = program.spec.rung;
    cost.target = program.spec.target;
    cost.hits = ReadHook(i).hits;
    for (const Program& other : programs_) {
      if (other.spec.hook != program.spec.hook || other.link == nullptr) continue;
      bpf_prog_info info{};
      uint32_t size = sizeof(info);
      if (bpf_obj_get_info_by_fd(bpf_program__fd(other.program), &info, &size) != 0) continue;
      cost.runs += info.run_cnt;
      cost.run_ns += info.run_time_ns;
    }
    costs->push_back(std::move(cost));
  }
}

}  // namespace ringside
