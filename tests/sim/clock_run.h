// SPDX-License-Identifier: Apache-2.0
// One run of the clock model: two nodes, the true relation of their clocks, and the evidence that
// agents would have gathered about it.
#ifndef RINGSIDE_TESTS_SIM_CLOCK_RUN_H_
#define RINGSIDE_TESTS_SIM_CLOCK_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "correlate/clock_fit.h"
#include "tests/sim/clock_nodes.h"

namespace ringside::sim {

// What happens to the clocks, or to the evidence.
enum class ClockFault : uint8_t {
  kNone,
  kSuspended,  // the guest or the host stands still; its wall clock goes on
  kMigrated,   // the guest's counter and RAW jump apart: it shows in its readings
  kStepped,    // the guest's clocks all jump: no reading of its own shows it
  kMisbound,   // one queue's host positions are those of another queue
  kFaults
};

struct ClockSpec {
  uint64_t seed = 0;
  ClockFault fault = ClockFault::kNone;
  bool machines = false;  // two oscillators, exchanges only
  bool exchange = false;
  bool ptp = false;
  bool tsc = false;
  int queues = 1;
  bool slews = false;
  bool marks_only = false;  // count mode: one reading in 256 positions
  double loss = 0;
  double poll_share = 0;  // of time, the guest polls busily
  int64_t span_ns = 0;
  std::string Name() const;
};
ClockSpec DrawClockSpec(uint64_t seed);

struct ClockRun {
  ClockSpec spec;
  ClockNode local;      // guest, or agent
  ClockNode reference;  // host, or collector
  std::vector<ClockReading> local_readings;
  std::vector<ClockReading> reference_readings;
  std::vector<ClockEvidence> evidence;  // sources 0 .. queues - 1, then the others
  // The same, as it would read if every clock had been RAW and read exactly: for an independent
  // judgement of what the evidence allows.
  struct Exact {
    long double local_raw;
    long double reference_raw;
    bool upper;
  };
  std::vector<Exact> exact;
  uint32_t misbound = UINT32_MAX;  // source
};
ClockRun PlayClockRun(const ClockSpec& spec);

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_CLOCK_RUN_H_
