// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_queue.h"

#include <algorithm>

namespace ringside {
namespace {

// By position; at one position the time that says more comes last (todo) or first (done).
void Sort(std::vector<IndexTime>* times) {
  std::sort(times->begin(), times->end(), [](const IndexTime& a, const IndexTime& b) {
    return a.pos != b.pos ? a.pos < b.pos : a.mono_ns < b.mono_ns;
  });
}

std::vector<IndexTime>::const_iterator FirstAbove(const std::vector<IndexTime>& times,
                                                  int64_t pos) {
  return std::partition_point(times.begin(), times.end(),
                              [pos](const IndexTime& time) { return time.pos <= pos; });
}

}  // namespace

void AddQueueEvidence(PublishedTimes host, const ObservedTimes& guest, uint32_t source,
                      std::vector<ClockEvidence>* evidence) {
  Sort(&host.todo);
  Sort(&host.done);
  for (const IndexTime& read : guest.seen) {
    // The latest time at which what was read here was not yet published.
    const auto above = FirstAbove(host.todo, read.pos - 1);
    if (above == host.todo.begin()) continue;
    evidence->push_back({read.mono_ns, (above - 1)->mono_ns, false, source});
  }
  for (const IndexTime& read : guest.unseen) {
    // The earliest time at which something that was not read here had been published.
    const auto above = FirstAbove(host.done, read.pos);
    if (above == host.done.end()) continue;
    evidence->push_back({read.mono_ns, above->mono_ns, true, source});
  }
}

}  // namespace ringside
