// SPDX-License-Identifier: Apache-2.0
// All evidence about two nodes' clocks made into one map, and what it says about itself: which of
// its sources cannot be true, whether a clock stepped, how far it can be trusted.
//
// Evidence that leaves no line proves that something is wrong, and which sources disagree says
// what: one that contradicts itself over and over compares two things that are not the same (a
// wrong binding); one without which all others agree is wrong as well; else a clock stepped.
#ifndef RINGSIDE_CORRELATE_CLOCK_FIT_H_
#define RINGSIDE_CORRELATE_CLOCK_FIT_H_

#include <cstdint>
#include <vector>

#include "correlate/clock_map.h"
#include "correlate/clock_steady.h"

namespace ringside {

// A statement by the nodes' MONOTONIC clocks, as events carry them.
struct ClockEvidence {
  int64_t local_mono_ns = 0;
  int64_t reference_mono_ns = 0;
  bool upper = false;  // the local reading came before the reference's; else after
  uint32_t source = 0;
  // The times above are of MONOTONIC_RAW instead.
  bool local_is_raw = false;
  bool reference_is_raw = false;
};

enum class ClockTrust : uint8_t {
  kGood,          // every statement fits, sources found wrong apart
  kStepped,       // fits but for steps that no clock showed by itself: true if that is what it was
  kContradicted,  // fits nothing: the two clocks are not related as the evidence claims
};

struct ClockFit {
  ClockMap map;                 // local RAW to reference RAW, without the sources refused
  std::vector<uint32_t> wrong;  // sources that cannot be true, in order
  ClockTrust trust = ClockTrust::kGood;
  uint64_t strange = 0;  // statements of times at which a node did not run: left out
};

// Sorts the evidence. Both scales hold the readings of their nodes; steps that they show cut the
// map. A pure function of its arguments.
ClockFit FitClocks(const ClockOptions& options, const SteadyScale& local,
                   const SteadyScale& reference, const std::vector<ClockEvidence>& evidence);

// The reference's RAW when the local MONOTONIC showed a time.
ClockRange ReferenceAt(const ClockFit& fit, const SteadyScale& local, int64_t local_mono_ns);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_FIT_H_
