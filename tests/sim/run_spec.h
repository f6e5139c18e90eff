// SPDX-License-Identifier: Apache-2.0
// One run, complete: machines, traffic, agents, clocks, what goes wrong and what the truth about it
// is. A scenario makes one from a seed; the world plays it.
#ifndef RINGSIDE_TESTS_SIM_RUN_SPEC_H_
#define RINGSIDE_TESTS_SIM_RUN_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "correlate/finding.h"
#include "tests/sim/agent.h"
#include "tests/sim/clock.h"
#include "tests/sim/params.h"

namespace ringside::sim {

// What is done to a VM, a queue or an agent at a moment. `x` and `ns` are the act's own measure.
enum class Act {
  kWrite,         // a process writes to the queue's eventfd, x times a second, for `ns`
  kStopPolling,   // NAPI is taken away for good
  kLose,          // share x of injections never becomes pending
  kDuplicate,     // share x is delivered twice
  kEmptySignals,  // share x of batches is followed by a signal without anything new
  kNoTxSignal,    // the backend never signals used transmit entries
  kSlow,          // share x of injections takes the workqueue
  kStarve,        // the worker waits `ns` for its CPU at share x of its wake-ups
  kSlowCopy,      // the worker takes x times as long per packet
  kReorder,       // the backend looks at the guest's wish `ns` before it publishes
  kStaleRecheck,  // share x of the guest's looks after arming misses what came
  kAffinity,      // the interrupt moves to another vCPU (x), the route follows
  kStaleRoute,    // the interrupt moves, the route does not follow
  kPause,         // the VM stands still for `ns`; nothing is lost
  kPauseLose,     // the same, and what was pending at the end is lost
  kUnwire,        // no eventfd
  kDisabled,      // the kernel has switched the interrupt off already
  kMigrate,       // the VM stands still for `ns` and goes on on another host
  kReload,        // the driver resets its queues and, after `ns`, has new rings
  kIrqOff,        // interrupts off for `ns` every x seconds, on the queue's vCPU
};

struct Event {
  Act act{};
  int64_t at_ns = 0;
  size_t vm = 0;
  size_t pair = 0;
  bool tx = false;
  double x = 0;
  int64_t ns = 0;
};

struct NamedCause {
  std::string id;
  std::string queue;
  friend bool operator==(const NamedCause&, const NamedCause&) = default;
  friend auto operator<=>(const NamedCause&, const NamedCause&) = default;
};

struct RunSpec {
  uint64_t seed = 1;
  std::string scenario;
  int64_t duration_ns = 2 * kSecNs;
  Mutation mutation = Mutation::kNone;
  std::vector<VmSpec> vms;
  std::vector<Event> events;
  std::vector<AgentOptions> host_agents;   // at least one; several: restarts
  std::vector<AgentOptions> guest_agents;  // by VM; empty name: none
  NodeClock::Options host_clock;
  std::vector<NodeClock::Options> guest_clocks;  // by VM
  NodeClock::Options collector_clock;
  bool exchanges = true;
  int64_t exchange_every_ns = kSecNs / 2;
  int64_t exchange_delay_ns = 200 * kUsNs;
  int64_t cut_from_ns = INT64_MAX;  // the network between agents and collector is cut
  int64_t cut_to_ns = INT64_MAX;
  // The truth.
  bool healthy = true;  // nothing is wrong; losses of this tool apart
  bool lossy = false;   // the tool itself loses data
  std::vector<NamedCause> roots;
  std::vector<NamedCause> contributors;
  std::vector<std::string> withheld;
  bool details = false;    // agents record them, and the truth keeps the times of every entry
  bool host_only = false;  // no agent in any guest, whatever else the scenario is
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_RUN_SPEC_H_
