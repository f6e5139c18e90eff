// SPDX-License-Identifier: Apache-2.0
// Host: the threads of vCPUs event by event, as the scheduler treats them. Its programs are hit by
// every thread of the machine, so they are there only while somebody wants such details.
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_VCPU_TRACE_H_
#define RINGSIDE_AGENT_VCPU_TRACE_H_

#include <map>
#include <memory>
#include <vector>

#include "agent/bpf_object.h"
#include "agent/details.h"
#include "agent/probe.h"
#include "agent/ring.h"

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
  void ReadHooks(std::vector<HookSample>* hooks) const;
  void ReadCosts(std::vector<HookCost>* costs) const;

 private:
  bool Load();
  void Resume();
  int SlotOf(int tid);

  const ProbeOptions options_;
  HookTable* const hooks_;
  HookId base_{};
  bool refused_ = false;
  std::unique_ptr<BpfObject> bpf_;
  std::unique_ptr<Ring> events_;
  std::unique_ptr<DetailSlots> details_;
  rs_vcpu_slot* slots_ = nullptr;
  std::map<int, int> slot_of_tid_;
  std::vector<QueueId> queue_of_slot_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_VCPU_TRACE_H_
