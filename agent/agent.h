// SPDX-License-Identifier: Apache-2.0
// The agent: watches this kernel's queues and gives what it sees to a sink, as numbered records.
//
//   Start   load and attach, say Hello, take the first full snapshot
//   Step    one pass: rings, log, and a snapshot when one is due; returns after at most ~50 ms
//   Stop    last snapshot, Bye, flush; nothing of it stays in the kernel
//
// One thread calls all of it. The sink outlives the agent.
#ifndef RINGSIDE_AGENT_AGENT_H_
#define RINGSIDE_AGENT_AGENT_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/cost_meter.h"
#include "agent/details.h"
#include "agent/event_packer.h"
#include "agent/facts.h"
#include "agent/governor.h"
#include "agent/kernel_log.h"
#include "agent/probe.h"
#include "agent/recording.h"
#include "agent/sink.h"

namespace ringside {

struct AgentOptions {
  uint32_t roles = 0;                 // RoleBits; 0: whatever this machine can be
  std::string name;                   // shown name; empty: the host's
  std::vector<std::string> detail;    // wishes from the start (proto/detail_wish.h)
  std::vector<std::string> recorder;  // likewise, kept for a trigger (flight_recorder.h)
  std::vector<std::string> trigger;   // events that are one
  int64_t snapshot_interval_ns = 100'000'000;
  Rung limit = Rung::kTpBtf;  // no better rung is tried (see RungAllowed)
  // What the agent may cost this node, kernel side included, in percent of all its CPUs; 0: no
  // ceiling.
  double ceiling_percent = kCeilingPercent;
  std::string btf;             // file or folder (see FindKernelTypes); empty: found by itself
  std::string begins_because;  // why a new stream begins where there was one; empty: nothing
};

// What can be hooked here and what is refused, with the kernel's reasons, and what was hit while
// the hooks were attached, for `watch_ns` (correlate/hook_proof.h). PERMISSION_DENIED without the
// privileges.
struct HookReport {
  std::vector<HookInfo> hooks;
  std::vector<HookSample> samples;
  int64_t watched_ns = 0;
  bool measured = false;        // the kernel told what each hook costs
  std::vector<HookCost> costs;  // over `watched_ns`, of hooks that are attached
};
// `measure`: have the kernel measure run times meanwhile, which makes every BPF program of the
// machine a little slower.
absl::StatusOr<HookReport> ProbeHooks(const AgentOptions& options, int64_t watch_ns, bool measure);

// Why interrupts are counted by a lower rung than was allowed, for a warning; else empty.
std::string WhyDegraded(const std::vector<HookInfo>& hooks, Rung limit);

// Running totals for progress lines.
struct AgentTotals {
  size_t queues = 0;
  uint64_t interrupts = 0;  // of all queues since the start
  uint64_t snapshots = 0;
  uint64_t events = 0;
  uint64_t dropped = 0;     // marks and events that found a ring full
  uint64_t late = 0;        // events that came out of a ring after their time was packed
  double cost_percent = 0;  // of the node, over the last second
};

class Agent {
 public:
  static absl::StatusOr<std::unique_ptr<Agent>> Start(const AgentOptions& options, Sink* sink);
  absl::Status Step();
  absl::Status Stop(const std::string& reason);
  const Hello& hello() const { return hello_; }
  const AgentTotals& totals() const { return totals_; }
  // What there is to say to people since the last call: wishes that mean nothing here, and such.
  std::vector<std::string> TakeNotes() { return std::exchange(notes_, {}); }

 private:
  Agent(const AgentOptions& options, Sink* sink)
      : options_(options),
        sink_(sink),
        governor_(options.ceiling_percent, options.snapshot_interval_ns) {}
  absl::Status StartProbes();
  absl::Status SayInherited();
  absl::Status Put(Record record);
  absl::Status TakeSnapshot(bool full);
  absl::Status Discover(int64_t now_mono_ns);
  absl::Status FollowModules(int64_t now_mono_ns);
  bool FollowHost(const ProbeOptions& options);
  // Everything as read at one instant, before it is known what changed.
  struct Readings {
    ClockReading begin;
    ClockReading end;
    std::vector<Sample> samples;
    std::vector<GaugeSample> gauges;
    std::vector<HookSample> hooks;
    std::vector<Part> parts;
  };
  Readings ReadAll();
  absl::Status DrainRings(bool all);
  absl::Status PackEvents(int64_t now_mono_ns, bool all);
  absl::Status TakeRequests();
  absl::Status SayWishes();
  absl::Status PutChunks(std::vector<EventChunk> chunks);
  absl::Status OpenRecorder(const Trigger& trigger, int64_t now_mono_ns);
  void ApplyDetail();
  absl::Status SayLate(int64_t now_mono_ns);
  // Looks at the cost once a second and gives something up, or takes it back (agent_cost.cc).
  absl::Status Govern(int64_t now_mono_ns);
  absl::Status ApplyPlan(int64_t now_mono_ns, double percent);
  absl::Status SayGivenUp(int64_t now_mono_ns, const CostPlan& plan, double percent);
  // Whether a queue of the snapshot before is not there any more.
  bool QueueWent(const Readings& readings);
  void KeepChanged(const Readings& readings, Snapshot* snapshot);
  // With what is known of the hooks by now.
  absl::Status SayHelloAgain();
  // Says the Hello again if hooks are there that nobody needed before.
  absl::Status SayNewHooks();
  // Says the Hello again if hooks have proven or failed to prove themselves since.
  absl::Status SayHookStates(const std::vector<HookSample>& samples);

  const AgentOptions options_;
  Sink* const sink_;
  HookTable hooks_;
  QueueRegistry registry_;
  std::vector<std::unique_ptr<Probe>> probes_;
  KernelLog log_;
  Facts facts_;
  Details details_;
  std::optional<EventRecording> recording_;
  std::string recorder_said_ = "off";
  EventPacker packer_;
  uint64_t next_event_ = 1;
  std::vector<std::string> notes_;
  uint64_t late_said_ = 0;
  bool hurry_ = false;  // rings fill fast: look again soon
  Hello hello_;
  int64_t started_mono_ns_ = 0;
  std::map<std::string, uint64_t> modules_;  // as of the last look
  AgentTotals totals_;
  CostMeter meter_;
  Governor governor_;
  int64_t next_look_mono_ns_ = 0;
  std::map<std::string, int64_t> given_up_;  // what the governor does without, since when
  uint64_t next_number_ = 1;
  uint64_t sequence_ = 0;
  int64_t next_snapshot_mono_ns_ = 0;
  int64_t next_discover_mono_ns_ = 0;
  int64_t next_full_mono_ns_ = 0;
  std::set<QueueId> last_queues_;  // of the last snapshot
  // What the last snapshot said, to send only what changed.
  std::map<std::tuple<QueueId, Count, HookId>, std::pair<uint64_t, uint64_t>> last_samples_;
  std::map<std::pair<QueueId, Gauge>, uint64_t> last_gauges_;
  std::map<HookId, HookSample> last_hooks_;
  std::map<std::tuple<QueueId, Count, std::string>, uint64_t> last_parts_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_AGENT_H_
