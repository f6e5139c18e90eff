// SPDX-License-Identifier: Apache-2.0
// A model of ringside-agent: says what the real one would say about this kernel, in the same order
// and with the same races (counters, gauges, counters), and loses what the real one may lose.
#ifndef RINGSIDE_TESTS_SIM_AGENT_H_
#define RINGSIDE_TESTS_SIM_AGENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "correlate/records.h"
#include "tests/sim/guest.h"
#include "tests/sim/hooks.h"
#include "tests/sim/liar.h"
#include "tests/sim/loop.h"
#include "tests/sim/random.h"
#include "tests/sim/vhost.h"

namespace ringside::sim {

// What this agent's kernel does not give, and what is lost on the way.
struct AgentOptions {
  std::string name;
  std::string machine;
  std::string boot = "boot-1";
  std::string instance = "instance-1";
  int64_t start_ns = 0;
  int64_t stop_ns = INT64_MAX;
  int64_t interval_ns = 100 * kMsNs;
  bool kprobes = false;  // functions by kprobe: misses unknown, some hits skipped
  double hit_loss = 0;
  bool kvm = true;        // host: irqfd and KVM hooks
  size_t vms = SIZE_MAX;  // host: looks at so many
  bool smbios = true;     // guest: may read the UUID
  bool merged = true;     // host: the pending bit can be read
  bool vcpu = true;       // host: times of vCPU threads
  bool softnet = true;    // guest
  bool log = true;        // guest
  bool positions = true;  // false: packed ring, vhost-user
  bool woken_fentry_silent = false;
  double snapshot_fold = 0;  // snapshots that a full spool folded into the next
  double record_loss = 0;    // records that never arrive
  double mark_loss = 0;
  DetailOptions details;
  bool tsc = false;  // host: tells the TSC offsets of its guests
  bool bye = true;
  Lie lie = Lie::kNone;  // guest
};

// The truth at the instants of one snapshot.
struct SnapshotTruth {
  uint64_t sequence = 0;
  int64_t mono_ns = 0;
  std::map<QueueId, Counts> counts;
};

struct AgentTruth {
  StreamKey key;
  std::vector<SnapshotTruth> snapshots;  // also of those that did not arrive
  struct Queue {
    QueueId id{};
    std::string name;  // eth0/rx0
    Vq* vq = nullptr;
    uint64_t origin = 0;  // true position of the agent's position 0
    Counts at_start{};
  };
  std::vector<Queue> queues;
};

class Agent : public Actor {
 public:
  using Sink = std::function<void(const StreamKey&, NumberedRecord)>;
  Agent(Loop* loop, const AgentOptions& options, const NodeClock* clock, Sink sink, uint64_t seed);
  ~Agent() override;
  void On(uint32_t what, uint64_t arg) override;

  // What it watches; before its start.
  void WatchGuest(Guest* guest, const std::string& uuid);
  struct HostVm {
    Guest* guest;
    std::string tap;  // name of the VM's first tap
    std::string name;
    std::string uuid;
    int pid;
  };
  void WatchHost(const HostVm& vm) { vms_.push_back(vm); }

  void KernelLog(const std::string& text);
  // A clock exchange as the collector sees this node.
  ClockReading ReadClock() const { return clock_->Read(loop_->now()); }
  bool running() const { return started_ && !stopped_; }
  const StreamKey& key() const { return key_; }
  const AgentTruth& truth() const { return truth_; }

 private:
  struct QueueView {
    QueueInfo info;
    Vq* vq = nullptr;
    Guest* guest = nullptr;
    std::unique_ptr<GuestHooks> guest_hooks;
    std::unique_ptr<HostHooks> host_hooks;
    std::unique_ptr<VcpuHooks> vcpu_hooks;
    int vcpu = -1;  // pseudo-queue of this vCPU
    MsiMessage msi;
    uint32_t epoch = 0;
  };
  struct Reading {
    QueueId queue{};
    Count count{};
    HookId hook{};
    uint64_t value = 0;
  };
  void Start();
  void Stop();
  void Attach();
  void AddGuestQueue(Vq* vq);
  void AddHostQueue(const HostVm& vm, Vq* vq);
  void AddCpuQueue();
  void AddVcpuQueues(const HostVm& vm);
  // The driver has given the guest's queues new rings: they are other queues from now on.
 public:
  void QueuesReplaced(const Guest* guest);

 private:
  void Discover();
  void LetGoOfMoved();
  void Announce(QueueView* view);
  bool Current(const QueueView& view) const;
  void FillGuest(QueueView* view);
  void FillHost(QueueView* view);
  void MakeHello();
  void BeginSnapshot();
  void Advance();  // the next step of the reading under way
  void ReadPass(size_t queue, std::vector<Reading>* readings);
  void ReadGuestCounts(const QueueView& view, std::vector<Reading>* readings) const;
  void ReadHostCounts(const QueueView& view, std::vector<Reading>* readings) const;
  void ReadRouteCounts(const QueueView& view, std::vector<Reading>* readings) const;
  void ReadOthers(const QueueView& view, std::vector<Reading>* readings) const;
  void ReadGauges(size_t queue);
  void GuestGauges(const QueueView& view);
  void IrqGauges(const QueueView& view);
  void HostGauges(const QueueView& view);
  void ReadParts(Snapshot* snapshot) const;
  void ReadHooks(Snapshot* snapshot) const;
  void ReadProc();
  void EndSnapshot();
  void KeepChanged(Snapshot* all);
  void Fold(Snapshot* snapshot);
  void Drain();
  void DrainDetails();
  void SayFacts();
  void SayTscOffsets();
  void Put(Record record);

  Loop* loop_;
  const AgentOptions o_;
  const NodeClock* clock_;
  Sink sink_;
  Random random_;
  StreamKey key_;
  HookContext context_;
  Guest* guest_ = nullptr;
  std::string uuid_;
  std::vector<HostVm> vms_;
  std::vector<QueueView> queues_;
  std::vector<QueueView> retired_;  // marks of them may be on their way
  bool started_ = false;
  bool stopped_ = false;
  bool went_ = false;  // a queue, since the last snapshot
  bool last_ = false;  // the snapshot under way is the last
  uint64_t next_number_ = 1;
  uint64_t sequence_ = 0;
  uint64_t next_detail_ = 1;
  int64_t next_discover_ns_ = 0;

  // The reading under way.
  size_t step_ = 0;
  bool reading_ = false;
  Snapshot snapshot_;
  std::vector<Reading> first_, second_;
  SnapshotTruth snapshot_truth_;
  std::map<std::tuple<QueueId, Count, HookId>, std::pair<uint64_t, uint64_t>> last_samples_;
  std::map<std::pair<QueueId, Gauge>, uint64_t> last_gauges_;
  std::map<std::tuple<QueueId, Count, std::string>, uint64_t> last_parts_;
  std::map<HookId, HookSample> last_hooks_;
  Snapshot folded_;  // changes of snapshots that a full spool kept back
  bool have_folded_ = false;
  AgentTruth truth_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_AGENT_H_
