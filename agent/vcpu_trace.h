// SPDX-License-Identifier: Apache-2.0
// Host: the threads of vCPUs event by event, as the scheduler treats them. Its programs are hit by
// every thread of the machine, so they are there only while somebody wants such details.
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_VCPU_TRACE_H_
#define RINGSIDE_AGENT_VCPU_TRACE_H_

#include <map>
#include <vector>

#include "agent/trace_object.h"

namespace ringside {

inline constexpr uint32_t kVcpuKinds =
    EventBit(EventKind::kVcpuWoken) | EventBit(EventKind::kVcpuRuns);

class VcpuTrace {
 public:
  // Its hooks are known from the start, as not needed. `hooks` outlives it.
  VcpuTrace(const ProbeOptions& options, HookTable* hooks);

  struct Thread {
    int tid = 0;
    QueueId queue{};
    QueueDetail detail;
  };
  // These are all threads there are. At most RS_MAX_SLOTS in the life of the programs.
  void Follow(const std::vector<Thread>& threads);
  void Drain(std::vector<Event>* events);
  void ReadHooks(std::vector<HookSample>* hooks) const { trace_.ReadHooks(hooks); }
  void ReadCosts(std::vector<HookCost>* costs) const { trace_.ReadCosts(costs); }

 private:
  void Resume();
  int SlotOf(int tid);

  TraceObject trace_;
  rs_vcpu_slot* slots_ = nullptr;  // once loaded
  std::map<int, int> slot_of_tid_;
  std::vector<QueueId> queue_of_slot_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_VCPU_TRACE_H_
