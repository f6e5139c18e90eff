// SPDX-License-Identifier: Apache-2.0
// Host side: tap queues, vhost queues and irqfd routes of every VM on this kernel, joined by
// pointer.
#ifndef RINGSIDE_AGENT_HOST_PROBE_H_
#define RINGSIDE_AGENT_HOST_PROBE_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/bpf_object.h"
#include "agent/kernel_files.h"
#include "agent/parts.h"
#include "agent/probe.h"
#include "agent/ring.h"
#include "agent/vcpu_trace.h"
#include "agent/vcpu_watch.h"
#include "agent/vhost_user_ports.h"
#include "agent/writer_trace.h"

namespace ringside {

// Slots that were given out. There may be gaps: one that two CPUs wanted at once was given back.
template <typename Slot>
std::vector<int> Given(const Slot* slots) {
  std::vector<int> given;
  for (int slot = 0; slot < RS_MAX_SLOTS; ++slot) {
    if (slots[slot].in_use) given.push_back(slot);
  }
  return given;
}

class HostProbe : public Probe {
 public:
  // Tries function hooks; where the kernel refuses them all, KVM's tracepoints. Null if neither can
  // be had; what was refused, and why, is in `hooks` either way.
  static std::unique_ptr<HostProbe> Start(const ProbeOptions& options, HookTable* hooks,
                                          QueueRegistry* registry);

  void Discover(int64_t now_mono_ns) override;
  bool Stale() const override;
  bool Follow(const ProbeOptions& options) override;
  void ReadCounters(std::vector<Reading>* readings) const override;
  void Between(std::vector<Sample>* samples, std::vector<GaugeSample>* gauges) override;
  void ReadHooks(std::vector<HookSample>* hooks) const override;
  bool SetPaused(const std::set<std::string>& groups) override;
  void ReadCosts(std::vector<HookCost>* costs) const override;
  void ReadParts(std::vector<Part>* parts) const override;
  void ReadFacts(std::map<std::string, std::string>* facts) const override;
  void Drain(std::vector<Mark>* marks, std::vector<Event>* events) override;
  void SetDetail(Details* details) override;

 private:
  // A queue as people see it: what is joined of tap queue, vhost queue and route. -1: not there.
  struct Queue {
    QueueId id{};
    int tun = -1;
    int vhost = -1;
    int route = -1;
    uint64_t mm = 0;        // of the VM, 0 while unknown
    uint64_t tun_priv = 0;  // for the tap ring's gauges
    uint32_t tun_queue = 0;
    rs_tun_cell tun_before{};  // of the tap queue, when this queue got it from another
    uint64_t life = 0;         // a tap's queue without a VM: tells such times apart
  };
  struct TapQueue {
    std::string tap;
    uint32_t ifindex = 0;
    uint32_t queue = 0;
    uint64_t priv = 0;
  };
  struct Vm {
    std::string id;
    VmmNames names;
    int pid = 0;
    std::unique_ptr<VcpuWatch> vcpus;    // once the VMM is known
    std::map<int, QueueId> vcpu_queues;  // by number
  };

  HostProbe(HookTable* hooks, QueueRegistry* registry);
  bool StartFunctions(const ProbeOptions& probe_options);
  bool StartTracepoints(const ProbeOptions& probe_options);
  void RetireRoute(int slot);
  void RetireVhost(int slot);
  void RetireVm(uint64_t mm);
  void HookSystemCalls();
  void RetireGone();
  void TakeTun(int slot, Queue* queue);
  rs_tun_cell SumTun(int slot) const;
  void WalkTaps();
  void WalkTap(const std::string& tap, uint32_t ifindex, uint64_t priv);
  bool WalkVhost(int slot, rs_walk_out* out) const;
  void JoinTaps();
  void UpdateVhost(int slot, int64_t now_mono_ns);
  void UpdateRoute(int slot, int64_t now_mono_ns);
  void UpdateTap(int slot, int64_t now_mono_ns);
  void NameRoutes();
  int FindTun(uint32_t ifindex, uint32_t queue) const;
  const Vm& VmOf(uint64_t mm, int pid);
  const Vm* FindVm(const Queue& queue) const;
  void UpdateVcpus(Vm* vm, int64_t now_mono_ns);
  void FillRoute(int slot, QueueInfo* info);
  void ReadTun(const Queue& queue, std::vector<Reading>* readings) const;
  void ReadVhost(const Queue& queue, std::vector<Reading>* readings) const;
  void ReadRoute(const Queue& queue, std::vector<Reading>* readings) const;
  void ReadMessages(const Queue& queue, std::vector<Reading>* readings) const;
  void ReadWish(const Queue& queue, const rs_walk_out& out, std::vector<GaugeSample>* gauges) const;
  void ReadTap(const Queue& queue, std::vector<GaugeSample>* gauges) const;
  void ReadVcpus(std::vector<Sample>* samples) const;
  void AddLossesOfOthers(std::vector<HookSample>* samples) const;
  void OnMark(const rs_mark& m, std::vector<Mark>* marks) const;
  uint32_t KindsOf(const Queue& queue) const;
  uint32_t WriterKindsOf(const Queue& queue) const;
  void ChooseWokenHook();
  std::pair<QueueId, uint64_t> SourceOf(const rs_event& event) const;
  bool has(rs_hook which) const { return bpf_->attached(which); }
  HookId hook(rs_hook which) const;

  HookTable* const hooks_;
  QueueRegistry* const registry_;
  std::unique_ptr<BpfObject> bpf_;
  bool functions_ = false;
  bool system_calls_ = false;       // without functions: some VM was seen, and they are hooked
  std::set<int> unwritten_;         // routes that are older than that
  std::set<std::string> given_up_;  // cost groups
  rs_config config_{};              // as the programs have it
  HookId base_{};
  std::map<int, HookId> hook_ids_;
  rs_vhost_slot* vhosts_ = nullptr;
  rs_route_slot* routes_ = nullptr;
  rs_tun_slot* tuns_ = nullptr;
  const rs_tun_cell* tun_cells_ = nullptr;
  uint32_t cpus_ = 1;
  uint64_t salt_[2];  // of hashed kernel pointers; new for every agent
  std::unique_ptr<Ring> marks_;
  std::unique_ptr<Ring> events_;
  std::unique_ptr<DetailSlots> tun_details_;
  std::unique_ptr<DetailSlots> vhost_details_;
  std::unique_ptr<DetailSlots> route_details_;
  std::map<std::string, Queue> queues_;         // by object: "vhost:3", "route:5", "tun:2"
  std::map<uint64_t, TapQueue> tap_of_socket_;  // of this Discover
  std::map<int, TapQueue> tap_of_vhost_;        // by vhost slot
  std::map<int, int> direction_of_vhost_;       // 0 rx, 1 tx
  std::map<uint64_t, uint64_t> vhost_mm_;       // by vhost slot
  std::map<uint64_t, Vm> vms_;                  // by mm
  std::set<int> retired_vhosts_;                // slots of what is gone; never used again
  std::set<int> retired_routes_;
  uint64_t vms_gone_ = 0;
  uint64_t taps_alone_ = 0;
  VhostUserPorts vhost_user_ports_;
  std::map<int, VhostUserQueue> vhost_user_;  // by route slot; the last name is kept
  std::vector<QueueId> queue_of_vhost_;
  std::vector<QueueId> queue_of_route_;
  std::vector<QueueId> queue_of_tun_;
  const rs_part* parts_ = nullptr;
  ProcessNames names_;
  std::map<uint32_t, std::string> drop_reasons_;
  HookId sched_hook_{};
  std::unique_ptr<VcpuTrace> vcpu_trace_;
  std::unique_ptr<WriterTrace> writer_trace_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_HOST_PROBE_H_
