// SPDX-License-Identifier: Apache-2.0
// Evidence about two clocks out of a queue: the host publishes used entries, the guest reads the
// index. Never out of signals: an interrupt from an earlier signal sees an entry before its own.
//
//   host     todo p-1            done p           An entry is read no earlier than it is published
//   ----------|---publishes p-----|------>        and, if a read did not see it, that read came
//   guest              unseen p-1 |  seen p       no later than its publication.
//   -----------------------|------|--|--->
#ifndef RINGSIDE_CORRELATE_CLOCK_QUEUE_H_
#define RINGSIDE_CORRELATE_CLOCK_QUEUE_H_

#include <cstdint>
#include <vector>

#include "correlate/clock_fit.h"

namespace ringside {

// A position, and a time of the node's MONOTONIC.
struct IndexTime {
  int64_t mono_ns = 0;
  int64_t pos = 0;
};

struct PublishedTimes {
  std::vector<IndexTime> todo;  // no position above `pos` was published yet
  std::vector<IndexTime> done;  // every position up to `pos` was published
};
struct ObservedTimes {
  std::vector<IndexTime> unseen;  // a read was still to come that gave `pos`
  std::vector<IndexTime> seen;    // a read was over that had given `pos`, or more
};

// What both together prove, the guest's clock as the local one: at most one statement for each of
// the guest's times, the tightest. Positions of both sides count alike; any order of the lists.
void AddQueueEvidence(PublishedTimes host, const ObservedTimes& guest, uint32_t source,
                      std::vector<ClockEvidence>* evidence);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_QUEUE_H_
