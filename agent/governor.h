// SPDX-License-Identifier: Apache-2.0
// Keeps the agent's cost, kernel side included, under a ceiling: decides what to give up next and
// what can be had again. Pure: costs and time come in, a plan comes out. Agent thread only.
//
// What is given up, in this order, one step at a time:
//   details   each step records half as many of them, to 1 of 64, then none
//   snapshots where reading costs more than the hooks do: half as often, to one per 10 s
//   hooks     the costliest group is detached; its counts have no upper end from then on
// Steps are taken back last first, once the cost leaves room for it. A step that had to be taken
// again soon after is held twice as long each time, to an hour.
#ifndef RINGSIDE_AGENT_GOVERNOR_H_
#define RINGSIDE_AGENT_GOVERNOR_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace ringside {

// Of one CPU of the node, how much of its time may be ours: with 32 CPUs the default is 0.96 of
// one. An argument, and a stated one: production hosts run on it.
inline constexpr double kCeilingPercent = 3.0;

// What the agent did between two looks.
struct NodeCost {
  struct Group {
    std::string name;
    int64_t ns = 0;  // of all its programs, on all CPUs: hits times what one costs here
    bool pausable = true;
  };
  int64_t interval_ns = 0;  // between the looks
  uint32_t cpus = 1;
  int64_t process_ns = 0;  // CPU time of the agent's process, user and system
  std::vector<Group> groups;
  uint64_t details = 0;  // records of single events, those that found the ring full included

  int64_t kernel_ns() const;
  double percent() const;  // of the node's CPU time; 0 where no time has passed
};

// What is to be done from now on.
struct CostPlan {
  int detail_shift = 0;  // one of 1 << shift is recorded
  bool details = true;
  int interval_shift = 0;        // snapshots 1 << shift times as far apart
  std::set<std::string> paused;  // groups to be detached
  friend bool operator==(const CostPlan&, const CostPlan&) = default;
};

// "details 1 of 4, without napi", for people; empty if nothing is given up.
std::string PlanText(const CostPlan& plan);

class Governor {
 public:
  // `interval_ns` is the wanted time between snapshots.
  Governor(double ceiling_percent, int64_t interval_ns);

  // One look, about once a second. True if the plan changed.
  bool Look(int64_t now_mono_ns, const NodeCost& cost);
  const CostPlan& plan() const { return plan_; }

 private:
  struct Step {
    CostPlan before;
    std::string what;
    int64_t taken_mono_ns = 0;
    int64_t hold_ns = 0;
  };
  bool GiveUp(int64_t now_mono_ns, const NodeCost& cost);
  bool TakeBack(int64_t now_mono_ns, double percent);

  const double ceiling_percent_;
  const int64_t interval_ns_;
  CostPlan plan_;
  std::vector<Step> steps_;
  // The step that was taken back last: to hold it longer if it is needed again at once.
  Step released_;
  int64_t released_mono_ns_ = 0;
  int over_ = 0;  // looks in a row above the ceiling
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_GOVERNOR_H_
