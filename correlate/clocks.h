// SPDX-License-Identifier: Apache-2.0
// What a recording proves about the clocks of its nodes: which clock stood where against which
// other, from which sources, within which bound, and what does not fit together.
//
// Two kinds of relations: each node against the collector, by exchanges over the agent's stream
// (two machines, as far as is known, so their rates may wander); and each guest against its host,
// by the positions of the queues that are bound to each other (one machine, one oscillator). A
// guest with both is checked: all ways have to meet.
#ifndef RINGSIDE_CORRELATE_CLOCKS_H_
#define RINGSIDE_CORRELATE_CLOCKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "correlate/clock_net.h"
#include "correlate/joined.h"

namespace ringside {

// The bound at one of the node's snapshots; absent where nothing bounds it.
struct ClockMoment {
  int64_t axis_ns = 0;
  int64_t mono_ns = 0;   // the node's own
  ClockRange reference;  // RAW of the clock it is held against
  std::optional<int64_t> half_ns;
  // Between a guest and its host: what each kind of source says by itself, "exchange" by the way
  // over the collector. They have to meet.
  struct Way {
    std::string name;
    ClockRange reference;
  };
  std::vector<Way> ways;
  int64_t local_raw_ns = 0;  // what the ranges are best told against
};

// Something that happened to a clock between two times of the axis.
struct ClockEvent {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  std::string what;
};

struct ClockRelation {
  std::string node;
  std::string against;  // a host, or "collector"
  std::vector<ClockSource> sources;
  ClockTrust trust = ClockTrust::kGood;
  std::vector<ClockMoment> moments;  // by time
  std::vector<ClockEvent> events;    // steps that clocks showed, and conflicts
  std::vector<std::string> notes;    // sources that could not be used, and why
  // Moments at which two ways do not meet, which ones at first, and how far apart.
  uint64_t disagreeing = 0;
  std::string who_disagrees;  // "queues and ptp_kvm"
  int64_t apart_ns = 0;

  // Of the moments with a bound.
  std::optional<int64_t> MedianHalf() const;
  std::optional<int64_t> WidestHalf() const;
};

// Relations by name of node. Pure; any thread. `joined` is only read.
std::vector<ClockRelation> RelateClocks(const Joined& joined);

// What a bound is good for, in words.
std::string ClockQuality(const ClockRelation& relation);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCKS_H_
