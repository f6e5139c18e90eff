// SPDX-License-Identifier: Apache-2.0
// How long entries of a queue were under way, stage by stage, out of journeys (journeys.h), or out
// of marks where no details were recorded.
//
// A stage lies between two points that a journey has one after the other, so that the stages of a
// journey add up to all of it and none is a remainder. Within one node its length is what the
// node's clock says; from one node to the other it is an interval, by the bound between the clocks
// of the two. Percentiles are taken of the lower ends and of the upper ends: the true one is in
// between. That sums agree is checked on each journey, by the clock that both nodes are held to.
#ifndef RINGSIDE_CORRELATE_LATENCY_H_
#define RINGSIDE_CORRELATE_LATENCY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "correlate/histogram.h"
#include "correlate/journeys.h"

namespace ringside {

struct StageLatency {
  PathPoint from{};
  PathPoint to{};
  Histogram lo;
  Histogram hi;
  uint64_t in_tail = 0;   // journeys of the slow tail that have it
  double tail_share = 0;  // of the time that the slow tail took, by the middles
};

struct SlowJourney {
  uint64_t pos = 0;
  int64_t axis_ns = 0;  // of its first point
  int64_t axis_half_ns = 0;
  Span whole;
  std::vector<PathPoint> points;
  std::vector<Span> stages;  // one less than points
  std::optional<Span> vcpu_wait;
};

struct QueueLatency {
  std::string queue;
  std::string host_queue;
  bool by_marks = false;  // else by details
  uint64_t journeys = 0;
  Unfollowed unfollowed;
  std::vector<EventKind> sampled;
  std::vector<StageLatency> stages;  // in the path's order
  // Of journeys that begin where most are known from the beginning: at `whole_from`.
  PathPoint whole_from{};
  StageLatency whole;
  // Of the whole, how long the vCPU was ready to run and had no CPU: part of several stages.
  StageLatency vcpu_wait;
  // Half of the widest interval of a stage between nodes; absent without one.
  std::optional<int64_t> bound_ns;
  uint64_t sums = 0;        // journeys whose stages were added up
  uint64_t sums_wrong = 0;  // of these, do not meet the whole
  // Journeys of at least so much are the slow tail: the slowest hundredth.
  int64_t tail_ns = 0;
  uint64_t in_tail = 0;
  std::vector<SlowJourney> over;  // by time
  uint64_t more_over = 0;         // found no room there
};

// Of a queue to whose eventfd a backend writes from user space (vhost-user), by details of writers.
// Exact: of one clock.
struct WriterLatency {
  std::string queue;
  Histogram returned;   // how long the write kept the thread: what it polls waits
  Histogram forwarded;  // up to the write, since the thread took packets from a vhost-user queue
};

struct LatencyOptions {
  std::optional<int64_t> over_ns;  // journeys that took at least as long are told singly
  size_t over_max = 100;
};

// `maker` has been given all events of the pair.
QueueLatency MeasureJourneys(const QueuePair& pair, JourneyMaker* maker,
                             const LatencyOptions& options);
// From the end of the batch that passed a mark to the interrupt that first saw it: one entry in
// each mark's spacing, and nothing of what is in between.
QueueLatency MeasureMarks(const QueuePair& pair);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_LATENCY_H_
