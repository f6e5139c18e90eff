// SPDX-License-Identifier: Apache-2.0
// What this machine lets ringside count, as text and JSON. Called by `ringside doctor`. Pure.
#ifndef RINGSIDE_CLI_DOCTOR_TEXT_H_
#define RINGSIDE_CLI_DOCTOR_TEXT_H_

#include <string>
#include <vector>

#include "agent/agent.h"
#include "cli/json.h"
#include "cli/machine.h"
#include "cli/table.h"
#include "correlate/records.h"

namespace ringside {

// One stage with the rung in use and what was refused on the way to it.
struct StageReport {
  std::string stage;
  Rung rung = Rung::kNone;                // kNone: nothing attached
  std::vector<const HookInfo*> attached;  // or proven, silent, lossy
  std::vector<uint64_t> hits;             // of each of these while it was watched
  std::vector<const HookInfo*> refused;
};

// In the order in which the stages first appear. Points into `report`.
std::vector<StageReport> GroupByStage(const HookReport& report);

std::string MachineText(const Machine& machine, const Page& page);
std::string StagesText(const std::vector<StageReport>& stages, const Page& page);

Json MachineJson(const Machine& machine);
Json StagesJson(const std::vector<StageReport>& stages);

}  // namespace ringside

#endif  // RINGSIDE_CLI_DOCTOR_TEXT_H_
