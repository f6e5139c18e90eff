// SPDX-License-Identifier: Apache-2.0
// What can be wrong with one queue of one VM. A fault changes the description of its VM and pair
// and adds acts; what makes it material (so that it must be found) is said beside it.
#ifndef RINGSIDE_TESTS_SIM_FAULTS_H_
#define RINGSIDE_TESTS_SIM_FAULTS_H_

#include <span>
#include <string>
#include <vector>

#include "tests/sim/random.h"
#include "tests/sim/run_spec.h"

namespace ringside::sim {

struct Site {  // where a fault is put
  size_t vm = 0;
  size_t pair = 0;
  bool tx = false;
};

struct Fault {
  const char* name;
  const char* text;
  const char* cause;  // id of the root
  bool tx;            // it is the transmit queue's
  bool whole_vm;      // changes more than its own pair: one per VM
  const char* needs;  // kinds of evidence whose absence matters to it, separated by blanks
  void (*apply)(Random& random, const Site& site, RunSpec* spec);
};

const std::vector<Fault>& Faults();
std::span<const Fault> GuestFaults();
std::span<const Fault> HostFaults();

// Name of a site's queue in the truth: the guest's, or the host's if the guest has no agent.
std::string QueueName(const RunSpec& spec, const Site& site);

inline VmSpec& VmAt(const Site& site, RunSpec* spec) { return spec->vms[site.vm]; }
inline Flow& FlowAt(const Site& site, RunSpec* spec) {
  return spec->vms[site.vm].pairs[site.pair].flow;
}
inline void AddAct(const Site& site, Act act, int64_t at_ns, double x, int64_t ns, RunSpec* spec) {
  spec->events.push_back({.act = act,
                          .at_ns = at_ns,
                          .vm = site.vm,
                          .pair = site.pair,
                          .tx = site.tx,
                          .x = x,
                          .ns = ns});
}

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_FAULTS_H_
