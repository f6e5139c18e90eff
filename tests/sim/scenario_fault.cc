// SPDX-License-Identifier: Apache-2.0
// One thing that is wrong in each run; what makes it material is said beside it.
#include "tests/sim/scenario.h"

namespace ringside::sim {

const std::vector<Scenario>& FaultScenarios() {
  static const std::vector<Scenario> list = {};
  return list;
}

const std::vector<Scenario>& PowerScenarios() {
  static const std::vector<Scenario> list = {};
  return list;
}

}  // namespace ringside::sim
