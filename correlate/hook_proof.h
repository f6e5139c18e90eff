// SPDX-License-Identifier: Apache-2.0
// Whether hooks that attached really are hit: attaching is no proof (kernel facts 15: fentry on
// irqfd_wakeup attaches on 6.12 and never fires), and 99 hits of 290 is no success.
//
// A hook is held against its neighbours on the path: hooks of the same function, and functions that
// call it or that it calls. Only what the kernel's source makes certain is used.
#ifndef RINGSIDE_CORRELATE_HOOK_PROOF_H_
#define RINGSIDE_CORRELATE_HOOK_PROOF_H_

#include <vector>

#include "correlate/records.h"

namespace ringside {

// Sets the state of each hook that is attached: proven (hit, and no neighbour more often), silent
// (never hit while a neighbour was), lossy (hit clearly less often than a neighbour), else attached
// (idle: nothing is known). `samples` are cumulative since the hooks were attached. True if a state
// changed.
bool ProveHooks(const std::vector<HookSample>& samples, std::vector<HookInfo>* hooks);

// Attached in whatever way it has proven itself, but for silent ones: it says something.
bool InUse(HookState state);

const char* HookStateName(HookState state);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_HOOK_PROOF_H_
