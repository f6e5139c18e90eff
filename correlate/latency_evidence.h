// SPDX-License-Identifier: Apache-2.0
// What latencies say of causes that are about time: one sentence more for each such finding.
#ifndef RINGSIDE_CORRELATE_LATENCY_EVIDENCE_H_
#define RINGSIDE_CORRELATE_LATENCY_EVIDENCE_H_

#include <vector>

#include "correlate/finding.h"
#include "correlate/latency.h"

namespace ringside {

// Whether any of the findings is one that latencies say something of: late-vcpu,
// slow-path-injection, softirq-squeeze, interrupt-merging.
bool WantsLatencies(const std::vector<Finding>& findings);

// A slow path runs on the writer's CPU: how long writes held it (published case C).
void TellWriters(const std::vector<WriterLatency>& writers, std::vector<Finding>* findings);

// Adds evidence; says nothing where the stage was not seen. Pure.
void TellLatencies(const std::vector<QueueLatency>& queues, std::vector<Finding>* findings);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_LATENCY_EVIDENCE_H_
