// SPDX-License-Identifier: Apache-2.0
// What a recording holds, read as evidence about clocks: which inequality each record proves.
//
// A vhost mark is made under vq->mutex after used->idx was written: at its time everything up to
// its position is published, and nothing above it. A guest's interrupt mark reads its clock after
// the index, and its vCPU may have been away in between: it proves what had been read by then, and
// nothing about what had not. A snapshot's gauges are read between its two readings of the clocks.
// last_used_idx runs ahead of used->idx by one batch at most, which the ring's size bounds.
#ifndef RINGSIDE_CORRELATE_CLOCK_EVIDENCE_H_
#define RINGSIDE_CORRELATE_CLOCK_EVIDENCE_H_

#include <vector>

#include "correlate/clock_fit.h"
#include "correlate/clock_queue.h"
#include "correlate/pairing.h"
#include "correlate/recording.h"

namespace ringside {

// A stream's own readings: its hello, snapshots, exchanges and bye.
SteadyScale ScaleOf(const Stream& stream);
// The collector's readings in all exchanges that it made, by time.
std::vector<ClockReading> CollectorReadings(const std::vector<const Stream*>& streams);

// The agent's clock as the local one, the collector's as the reference.
void AddExchanges(const std::vector<ClockExchange>& exchanges, uint32_t source,
                  std::vector<ClockEvidence>* evidence);

PublishedTimes Published(const LocalQueue& host);
// Positions as the host counts them: `turn` turns more than the guest's.
ObservedTimes Observed(const LocalQueue& guest, int64_t turn);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_EVIDENCE_H_
