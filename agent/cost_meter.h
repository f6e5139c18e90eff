// SPDX-License-Identifier: Apache-2.0
// What the agent costs this node: the hits of its hooks times what one hit costs on this machine,
// and the CPU time of its process.
//
// What a hit costs is measured by the kernel, which must be asked to (BPF_ENABLE_STATS) and then
// reads a clock twice per run, of any program on the machine: so only for a second, at the start
// and every five minutes. That clock is in the figure: it errs upwards. Agent thread only.
#ifndef RINGSIDE_AGENT_COST_METER_H_
#define RINGSIDE_AGENT_COST_METER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/bpf_object.h"
#include "agent/governor.h"

namespace ringside {

// Has the kernel measure the run time of programs for as long as it lives.
class BpfStats {
 public:
  BpfStats();
  ~BpfStats();
  BpfStats(const BpfStats&) = delete;
  BpfStats& operator=(const BpfStats&) = delete;
  bool ok() const { return fd_ >= 0; }  // false before 5.8, and without CAP_SYS_ADMIN

 private:
  int fd_;
};

// Where it was never measured: more than any program here has been seen to take.
inline constexpr double kHitNsUnknown = 400;
// What a kprobe costs before its program runs; the kernel's measure begins with the program. That
// of a tracepoint or fentry is a few ns.
inline constexpr double kKprobeEntryNs = 100;

// ns per hit, by what was measured between two readings of the same hook: what the entry costs
// included. `unknown_ns` where the kernel measured less than a hundred runs.
double HitNs(const HookCost& before, const HookCost& after, double unknown_ns);

class CostMeter {
 public:
  // What was spent since the last call; nothing at the first. `details` is the number of details so
  // far, `process_ns` the CPU time of the process so far.
  NodeCost Read(int64_t now_mono_ns, const std::vector<HookCost>& costs, uint64_t details,
                int64_t process_ns);

 private:
  void Measure(int64_t now_mono_ns, bool details, const std::map<HookId, HookCost>& now);

  int64_t last_mono_ns_ = 0;
  uint64_t last_details_ = 0;
  int64_t last_process_ns_ = 0;
  std::map<HookId, HookCost> last_;
  std::map<HookId, double> hit_ns_;  // as measured last
  std::unique_ptr<BpfStats> stats_;
  std::map<HookId, HookCost> measured_from_;
  int64_t next_measure_mono_ns_ = 0;
  bool measured_details_ = false;  // whether there were any then: a record costs more than a count
};

// CPU time of this process so far, user and system.
int64_t ProcessNs();

}  // namespace ringside

#endif  // RINGSIDE_AGENT_COST_METER_H_
