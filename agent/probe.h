// SPDX-License-Identifier: Apache-2.0
// One side's view of this kernel's queues: guest (interrupts and NAPI of virtqueues) or host (tap,
// vhost, irqfd, KVM). The agent runs every probe it has in the same steps:
//
//   Discover      which queues are there now
//   ReadCounters  every counter, first reading
//   Between       gauges, and counts that are exact at one instant (/proc/interrupts)
//   ReadCounters  every counter, second reading: the first's lower and upper ends are now known
//   Drain         marks and details from the rings
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_PROBE_H_
#define RINGSIDE_AGENT_PROBE_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/details.h"
#include "bpf/events.h"
#include "correlate/records.h"
#include "proto/chunk.h"

namespace ringside {

// Whether a hook of this rung may be tried where `limit` is the best wanted, as on a kernel that
// has no better: kKprobe does without function hooks of its own (tracepoints keep their types),
// kTracepoint without BTF, kProcfs without BPF. kTpBtf and kFentry leave everything.
bool RungAllowed(Rung limit, Rung rung);

struct ProbeOptions {
  Rung limit = Rung::kTpBtf;
  rs_config config{};             // this kernel's symbols
  uint32_t slots = RS_MAX_SLOTS;  // queues at most; fewer only in tests
  std::string types;              // BTF file of its structures; empty: the kernel's own
};

// One reading of one cumulative counter.
struct Reading {
  QueueId queue{};
  Count count{};
  HookId hook{};
  uint64_t value = 0;
};

struct HookCost;  // agent/bpf_object.h

class Probe {
 public:
  virtual ~Probe() = default;
  // Refreshes the list of queues; what is new or changed goes to the registry.
  virtual void Discover(int64_t now_mono_ns) = 0;
  // Whether queues have appeared that Discover has not seen: what was read since says nothing about
  // them, and a zero read for one of them would be wrong.
  virtual bool Stale() const = 0;
  // Modules have come or gone: tries what was refused before, with what the kernel has now. True if
  // hooks changed; their infos in the table are up to date.
  virtual bool Follow(const ProbeOptions&) { return false; }
  // Appends the same counters in the same order until the next Discover.
  virtual void ReadCounters(std::vector<Reading>* readings) const = 0;
  virtual void Between(std::vector<Sample>* samples, std::vector<GaugeSample>* gauges) = 0;
  virtual void ReadHooks(std::vector<HookSample>* hooks) const = 0;
  virtual void Drain(std::vector<Mark>* marks, std::vector<Event>* events) = 0;
  // How counts divide, cumulative; tables are bounded.
  virtual void ReadParts(std::vector<Part>*) const {}
  // Facts about its queues, by name; few, as they are asked for every few seconds.
  virtual void ReadFacts(std::map<std::string, std::string>*) const {}
  // A kernel log line that came since the last call.
  virtual void OnLogLine(const LogLine&) {}
  // Does without the hooks of these cost groups, and with all others; true if hooks changed, whose
  // infos in the table are then up to date.
  virtual bool SetPaused(const std::set<std::string>&) { return false; }
  virtual void ReadCosts(std::vector<HookCost>*) const {}
  // Has the queues known by now record what is wanted of them, and nothing else.
  virtual void SetDetail(Details* details) = 0;
};

// A record as it leaves the node; `count_now` is its kind's count.
inline Event MakeEvent(const rs_event& e, QueueId queue, uint64_t count_now) {
  return {static_cast<int64_t>(e.mono_ns), e.pos,   queue, e.kind, e.cpu,
          FullNumber(count_now, e.number), e.value, e.rate};
}

// Gives queues their ids and generations and notices when what is known of one changes.
class QueueRegistry {
 public:
  // `object` identifies the queue for its probe. `incarnation` tells two objects under one name
  // apart (0: not known yet, joins whatever was there). Returns the queue's id.
  QueueId Update(const std::string& object, uint64_t incarnation, QueueInfo info);
  // Infos that are new or changed since the last call.
  std::vector<QueueInfo> TakeChanged();
  const QueueInfo* Find(QueueId id) const;
  size_t size() const { return queues_.size(); }

 private:
  struct Entry {
    uint64_t incarnation = 0;
    QueueInfo info;
  };
  std::map<std::string, size_t> by_object_;
  std::vector<Entry> queues_;                    // place = id - 1
  std::map<std::string, uint32_t> generations_;  // by shown name
  std::vector<QueueInfo> changed_;
};

// Hook ids of one agent: each probe's hooks follow the ones before.
class HookTable {
 public:
  // Appends and returns the id of the first.
  HookId Add(std::vector<HookInfo> hooks);
  // Takes over state and reason of hooks that were added before.
  void Update(HookId first, const std::vector<HookInfo>& hooks);
  // Forgets what was added after there were `size`.
  void Shrink(size_t size) { hooks_.resize(size); }
  const std::vector<HookInfo>& hooks() const { return hooks_; }

 private:
  std::vector<HookInfo> hooks_;
};

inline HookId operator+(HookId base, size_t place) {
  return HookId{static_cast<uint32_t>(static_cast<uint32_t>(base) + place)};
}

}  // namespace ringside

#endif  // RINGSIDE_AGENT_PROBE_H_
