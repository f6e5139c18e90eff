// SPDX-License-Identifier: Apache-2.0
// Streams that are no agent's: text that a small script took in a guest (deploy/witness), imported.
// They have no hooks, no positions and two readings, and name their queues as an agent would. Plain
// functions; any thread.
#ifndef RINGSIDE_CORRELATE_WITNESS_H_
#define RINGSIDE_CORRELATE_WITNESS_H_

#include <algorithm>
#include <string_view>

#include "correlate/identity.h"

namespace ringside {

// The program of a witness' hooks; their targets are the files that were read.
inline constexpr std::string_view kWitnessProgram = "witness";

inline bool IsWitness(const Hello& hello) {
  return !hello.hooks.empty() &&
         std::all_of(hello.hooks.begin(), hello.hooks.end(),
                     [](const HookInfo& hook) { return hook.program == kWitnessProgram; });
}

// The fact by which whoever imports a witness says which of the host's taps is behind one of its
// network devices: "eth0" + this.
inline constexpr std::string_view kHostDeviceFact = ".host_device";

// "task.PID", of a kernel thread that polls queues; its value is "NAME STATE RAN_US WAITED_US".
inline constexpr std::string_view kTaskFact = "task.";

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_WITNESS_H_
