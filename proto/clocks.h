// SPDX-License-Identifier: Apache-2.0
// Reads a node's four clocks as close together as user space can: for agents and collectors, who
// put them into records.
#ifndef RINGSIDE_PROTO_CLOCKS_H_
#define RINGSIDE_PROTO_CLOCKS_H_

#include "correlate/records.h"

namespace ringside {

// The narrowest of a few attempts: preemption between two reads widens only one of them. Any
// thread.
ClockReading ReadClocks();

int64_t MonotonicNs();

}  // namespace ringside

#endif  // RINGSIDE_PROTO_CLOCKS_H_
