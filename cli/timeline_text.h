// SPDX-License-Identifier: Apache-2.0
// What happened, in the order of the common axis: marks (summed up per second), changes of queues
// and settings, kernel log lines, gaps, starts and ends of agents, detail events. Called by
// `ringside timeline`. Pure.
#ifndef RINGSIDE_CLI_TIMELINE_TEXT_H_
#define RINGSIDE_CLI_TIMELINE_TEXT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/json.h"
#include "cli/streams.h"
#include "cli/table.h"
#include "correlate/recording.h"

namespace ringside {

struct Moment {
  int64_t axis_ns = 0;
  std::string node;   // empty: the recorder's own
  std::string queue;  // full name; empty where it concerns the node
  std::string what;   // "marks", "queue", "log", "fact", "gap", "agent", "event"
  std::string text;
  MomentTime time;
  // Something of another node that is listed, too, may have come before it or after it.
  bool order_unknown = false;
};

struct TimelineFilter {
  int64_t from_ns = INT64_MIN;  // both ends included
  int64_t to_ns = INT64_MAX;
  std::vector<std::string> queues;  // only these queues and what concerns no queue; empty: all
};

// Everything but detail events, sorted by time.
std::vector<Moment> ListMoments(const Recording& recording, const Ledger& ledger,
                                const TimelineFilter& filter);

bool Wanted(const TimelineFilter& filter, const Moment& moment);
// By the middle of what is possible.
void SortMoments(std::vector<Moment>& moments);
// Finds the sorted moments whose order to one of another node is not known.
void FindUnknownOrder(std::vector<Moment>& moments);

// Times as "+3.204117 s" from `zero_ns`.
std::string TimelineText(const std::vector<Moment>& moments, int64_t zero_ns, const Page& page);
Json TimelineRows(const std::vector<Moment>& moments, int64_t zero_ns);

}  // namespace ringside

#endif  // RINGSIDE_CLI_TIMELINE_TEXT_H_
