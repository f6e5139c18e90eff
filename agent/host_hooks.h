// SPDX-License-Identifier: Apache-2.0
// The host's function hooks as a table: which program counts what, on which rung, and which stands
// in for which.
#ifndef RINGSIDE_AGENT_HOST_HOOKS_H_
#define RINGSIDE_AGENT_HOST_HOOKS_H_

#include <vector>

#include "agent/bpf_object.h"

namespace ringside {

// In attach order. Exits before entries: an exit whose entry was not seen is ignored, an entry
// whose exit is not yet hooked would be counted without an outcome.
const std::vector<ProgramSpec>& HostFunctionPrograms();

}  // namespace ringside

#endif  // RINGSIDE_AGENT_HOST_HOOKS_H_
