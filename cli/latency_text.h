// SPDX-License-Identifier: Apache-2.0
// Latencies as text and JSON rows. Called by `ringside latency`. Pure.
#ifndef RINGSIDE_CLI_LATENCY_TEXT_H_
#define RINGSIDE_CLI_LATENCY_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/json.h"
#include "cli/table.h"
#include "correlate/latency.h"

namespace ringside {

// Queue by queue: stages with percentiles, their share of the slow tail, what was not followed, and
// single journeys where they were asked for. Times count from `zero_ns`.
std::string LatencyText(const std::vector<QueueLatency>& queues,
                        const std::vector<WriterLatency>& writers, int64_t zero_ns,
                        const Page& page);
Json LatencyRows(const std::vector<QueueLatency>& queues);
Json WriterRows(const std::vector<WriterLatency>& writers);

}  // namespace ringside

#endif  // RINGSIDE_CLI_LATENCY_TEXT_H_
