// SPDX-License-Identifier: Apache-2.0
// Latencies of an incident's queues, out of its detail events. Called by `ringside latency` and
// `explain`; main thread.
#ifndef RINGSIDE_CLI_PATH_EVENTS_H_
#define RINGSIDE_CLI_PATH_EVENTS_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/incident_args.h"
#include "correlate/latency.h"

namespace ringside {

// Of one queue and side so many events are read at most, the first ones: half a gigabyte.
inline constexpr size_t kPathEventsMax = 4'000'000;

// Of the queues of the ledger that both sides recorded, within the window that was asked for, by
// name. By marks where there are no details. Reads `events_max` of each queue and side.
absl::StatusOr<std::vector<QueueLatency>> MeasureLatencies(const LoadedLedger& loaded,
                                                           const LatencyOptions& options,
                                                           size_t events_max = kPathEventsMax);

// Queues of any node with details of writers, whether another side is known or not, by name. Those
// that were chosen by their length are left out: they say nothing of the others.
absl::StatusOr<std::vector<WriterLatency>> MeasureWriters(const LoadedLedger& loaded,
                                                          size_t events_max = kPathEventsMax);

}  // namespace ringside

#endif  // RINGSIDE_CLI_PATH_EVENTS_H_
