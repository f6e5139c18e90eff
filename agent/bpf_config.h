// SPDX-License-Identifier: Apache-2.0
// What the BPF programs are told about this kernel before they load.
#ifndef RINGSIDE_AGENT_BPF_CONFIG_H_
#define RINGSIDE_AGENT_BPF_CONFIG_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/bpf_object.h"
#include "bpf/events.h"
#include "correlate/records.h"

namespace ringside {

// Symbol addresses and flag bits of the running kernel; 0 (or bit 32) for what it does not have.
rs_config MakeBpfConfig();

// The kernel's HZ: the coarse clocks advance once per tick. 0 if it cannot be known.
uint32_t TicksPerSecond();

// What the kernel calls its reasons for dropping packets: "FULL_RING", by its number of it. Empty
// on kernels without reasons.
std::map<uint32_t, std::string> ReadDropReasons();

// The hooks of an object of which nothing could be used, with the reason on each that has none.
std::vector<HookInfo> RefusedHooks(const std::vector<ProgramSpec>& specs,
                                   std::vector<HookInfo> tried, const absl::Status& status);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_BPF_CONFIG_H_
