// SPDX-License-Identifier: Apache-2.0
// Guest side: every virtio queue of this kernel that has an interrupt of its own.
#ifndef RINGSIDE_AGENT_GUEST_PROBE_H_
#define RINGSIDE_AGENT_GUEST_PROBE_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/bpf_object.h"
#include "agent/kernel_files.h"
#include "agent/msix.h"
#include "agent/parts.h"
#include "agent/probe.h"
#include "agent/ring.h"
#include "agent/spurious_track.h"

namespace ringside {

class GuestProbe : public Probe {
 public:
  // Tries the BTF programs, then plain tracepoints; with neither it still counts from
  // /proc/interrupts. What was refused, and why, is in `hooks`. Never fails.
  static std::unique_ptr<GuestProbe> Start(const ProbeOptions& options, HookTable* hooks,
                                           QueueRegistry* registry);

  void Discover(int64_t now_mono_ns) override;
  bool Stale() const override;
  bool Follow(const ProbeOptions& options) override;
  void ReadCounters(std::vector<Reading>* readings) const override;
  void Between(std::vector<Sample>* samples, std::vector<GaugeSample>* gauges) override;
  void ReadHooks(std::vector<HookSample>* hooks) const override;
  bool SetPaused(const std::set<std::string>& groups) override;
  void ReadCosts(std::vector<HookCost>* costs) const override;
  void Drain(std::vector<Mark>* marks, std::vector<Event>* events) override;
  void SetDetail(Details* details) override;
  void ReadParts(std::vector<Part>* parts) const override;
  void OnLogLine(const LogLine& line) override;
  // How often the kernel's own count of unhandled interrupts was what the hook had followed, and
  // how often not, over all queues.
  struct Agreement {
    uint64_t agreed = 0;
    uint64_t disagreed = 0;
  };
  Agreement SpuriousAgreement() const;

 private:
  struct Queue {
    QueueId id{};
    int irq = -1;
    int slot = -1;     // in guest_slots; -1: never seen by BPF
    bool net = false;  // has NAPI
    bool rx = false;
    std::string affinity;  // effective; a change means a new MSI message
    MsiMessage msi;
    uint32_t epoch = 0;
    std::string device_path;   // PCI device in sysfs
    bool gone = false;         // the kernel object behind the slot changed
    uint64_t proc_count = 0;   // as /proc/interrupts said last
    uint64_t irqs_before = 0;  // the hook's count right before that
    SpuriousTrack spurious;
    bool followed = false;       // as of the last Discover
    uint64_t trips = 0;          // ends of windows at which the rule certainly switched it off
    bool off = false;            // the kernel switched it off ...
    uint64_t off_at = 0;         // ... after this many interrupts
    std::optional<bool> masked;  // its entry in the MSI-X table, where that can be read
  };
  GuestProbe(HookTable* hooks, QueueRegistry* registry);

  bool StartBtf(const ProbeOptions& probe_options);
  bool StartPlain();
  void FindNetQueues();
  void NameNewSlots();
  void ReadDevice(const std::string& virtio_device);
  void ReadVector(const std::string& pci_path, bool message, Queue* queue);
  void UpdateQueue(const ProcInterrupt& irq, int64_t now_mono_ns);
  void CountSoftirqs(std::vector<Reading>* readings) const;
  void ReadSoftirqParts(std::vector<Part>* parts) const;
  void CountSlot(const Queue& queue, std::vector<Reading>* readings) const;
  void ReadRing(const Queue& queue, const rs_walk_out& out, std::vector<Sample>* samples,
                std::vector<GaugeSample>* gauges) const;
  void ReadInterrupt(uint64_t jiffies, Queue* queue, std::vector<GaugeSample>* gauges);
  uint64_t CountOf(const rs_event& event) const;
  uint32_t KindsOf(const Queue& queue) const;
  uint64_t InterruptsOf(const Queue& queue) const;
  void SwitchedOff(Queue* queue) const;
  HookId hook(rs_hook which) const;

  HookTable* const hooks_;
  QueueRegistry* const registry_;
  std::unique_ptr<BpfObject> bpf_;  // null: rung 0
  rs_config config_{};              // as the programs have it
  HookId base_{};                   // id of the object's first hook
  std::map<int, HookId> hook_ids_;  // rs_hook -> id
  HookId walk_hook_{};
  HookId proc_hook_{};
  rs_guest_slot* slots_ = nullptr;
  const rs_part* parts_ = nullptr;
  const rs_softirq_cell* softirqs_ = nullptr;  // a row per CPU; null if not hooked
  QueueId softnet_{};
  const rs_plain_irq* plain_irqs_ = nullptr;
  std::unique_ptr<Ring> marks_;
  std::unique_ptr<Ring> events_;
  std::unique_ptr<DetailSlots> detail_slots_;
  std::map<std::string, int> slot_of_name_;  // "virtio0-input.0" -> slot
  std::vector<bool> named_;                  // by slot
  uint32_t slots_seen_ = 0;                  // in use when Discover last looked
  std::map<std::string, Queue> queues_;      // by interrupt name
  std::vector<QueueId> queue_of_slot_;
  struct Device {
    std::string netdev;
    std::string pci_path;
  };
  std::map<std::string, Device> devices_;                    // by "virtio0"
  std::map<std::string, std::optional<MsixLocation>> msix_;  // by PCI device
  ProcessNames names_;
  std::optional<std::set<int>> disabled_before_;  // by the kernel, before the first Discover
  uint32_t hz_ = 0;
  SpuriousVariant variant_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_GUEST_PROBE_H_
