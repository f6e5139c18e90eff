// SPDX-License-Identifier: Apache-2.0
// What each hook costs on this machine under its present load, as text and JSON. Called by
// `ringside doctor --cost`. Pure.
#ifndef RINGSIDE_CLI_COST_TEXT_H_
#define RINGSIDE_CLI_COST_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "cli/json.h"
#include "cli/table.h"

namespace ringside {

// One hook while it was watched.
struct CostRow {
  const HookCost* cost = nullptr;
  double hits_per_s = 0;
  std::optional<double> hit_ns;   // absent: hit too rarely to tell, or not measured
  std::optional<double> percent;  // of one CPU
};

// The costliest first; those that were not hit come last. Points into `report`.
std::vector<CostRow> CostRows(const HookReport& report);

// `cpus` is the node's number of CPUs.
std::string CostText(const HookReport& report, int cpus, const Page& page);
Json CostJson(const HookReport& report, int cpus);

}  // namespace ringside

#endif  // RINGSIDE_CLI_COST_TEXT_H_
