// SPDX-License-Identifier: Apache-2.0
// What concerns the node and not one queue: the network softirq of all its CPUs, as the kernel
// counts it itself. Travels as counts of the pseudo-queue cpu/softnet.
#ifndef RINGSIDE_AGENT_NODE_PROBE_H_
#define RINGSIDE_AGENT_NODE_PROBE_H_

#include <vector>

#include "agent/probe.h"
#include "agent/proc_counts.h"

namespace ringside {

// The pseudo-queue's id; whoever asks first makes it known.
QueueId SoftnetQueue(int64_t now_mono_ns, QueueRegistry* registry);

class NodeProbe : public Probe {
 public:
  NodeProbe(HookTable* hooks, QueueRegistry* registry);

  void Discover(int64_t now_mono_ns) override;
  bool Stale() const override { return false; }
  void ReadCounters(std::vector<Reading>*) const override {}
  void Between(std::vector<Sample>* samples, std::vector<GaugeSample>* gauges) override;
  void ReadHooks(std::vector<HookSample>* hooks) const override;
  void Drain(std::vector<Mark>*, std::vector<Event>*) override {}
  void SetDetail(Details*) override {}

 private:
  QueueRegistry* const registry_;
  HookId hook_{};
  QueueId queue_{};
  SoftnetTotals totals_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_NODE_PROBE_H_
