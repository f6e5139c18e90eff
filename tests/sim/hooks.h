// SPDX-License-Identifier: Apache-2.0
// The agents' programs in the kernels, as the BPF programs do it (bpf/guest.bpf.c and host_*.h):
// the same slots, the same arithmetic of positions and marks, called by the model where the kernel
// calls the hooks. One object per queue and agent; a restarted agent brings new ones. Details, if
// the run has them, as bpf/detail.bpf.h makes them: kinds, numbers, positions and values.
#ifndef RINGSIDE_TESTS_SIM_HOOKS_H_
#define RINGSIDE_TESTS_SIM_HOOKS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bpf/events.h"
#include "correlate/records.h"
#include "proto/chunk.h"
#include "tests/sim/clock.h"
#include "tests/sim/loop.h"
#include "tests/sim/spurious.h"
#include "tests/sim/vq.h"

namespace ringside::sim {

// Hook ids as the agents give them: in the order of their tables, from 1.
namespace guest_hook {
inline constexpr HookId kWalk{1}, kIrqExit{2}, kIrqEntry{3}, kNapi{4}, kProc{5}, kSoftnet{6};
}
namespace host_hook {
inline constexpr HookId kWalk{1}, kTaken{2}, kAccept{3}, kSlowExit{4}, kSlowEntry{5},
    kInatomicExit{6}, kInatomicEntry{7}, kWokenFentry{8}, kWokenKprobe{9}, kWritten{10},
    kSignal{11}, kVhostExit{13}, kVhostEntry{15}, kTunExit{16}, kTunEntry{17}, kVcpu{18};
}
inline constexpr int kHookIds = 20;

using DetailEvent = ringside::Event;  // not an act of a scenario (run_spec.h)

// Details that an agent is asked for, and how often their ring is full.
struct DetailOptions {
  bool on = false;      // of every queue and vCPU, every hit
  bool busy = true;     // of busy polls, too
  int64_t from_ns = 0;  // of true time; not before
  double full = 0;      // chance of each record that the ring is full from here on
  int64_t full_ns = 0;  // for so long
};
struct DetailRing {
  DetailOptions wish;
  std::vector<DetailEvent> ring;  // not drained yet
  uint64_t dropped = 0;
  int64_t full_until_ns = 0;
};

// One hit, as `struct hit` of bpf/detail.bpf.h; true time.
struct DetailHit {
  int64_t at_ns = 0;
  uint64_t pos = 0;
  uint64_t number = 0;
  int64_t value = 0;
  int cpu = 0;
};

// What the hooks of one agent share.
struct HookContext {
  const Loop* loop = nullptr;
  const NodeClock* clock = nullptr;
  std::vector<Mark> marks;     // not drained yet
  uint64_t marks_dropped = 0;  // the ring was full
  double mark_loss = 0;        // share that finds it full
  uint64_t mark_dice = 1;      // of the losses
  std::array<uint64_t, kHookIds> hits{};
  std::array<uint64_t, kHookIds> lost{};  // hits the kernel skipped
  bool kprobes = false;                   // functions by kprobe: misses are not told
  double hit_loss = 0;                    // share of hits that a kprobe skips
  bool woken_fentry_silent = false;
  DetailRing details;

  int64_t Now() const { return clock->Mono(loop->now()); }
  // What the clock shows for a time between two instants.
  int64_t Between(int64_t from, int64_t to) const { return clock->Mono(to) - clock->Mono(from); }
  void PutMark(Mark mark);
  void PutDetail(EventKind kind, QueueId queue, const DetailHit& hit);
  // One hit of a hook; false if the kernel skipped it.
  bool Hit(HookId hook);
  bool Dice(double p);
};

enum class PollBy { kSoftirq, kBusy, kThread };

class GuestHooks {
 public:
  Counts frozen{};  // the truth when others took its place
  GuestHooks(HookContext* context, Vq* vq, QueueId id);
  void IrqEntry(int cpu);
  void IrqExit(bool handled, int cpu);
  void Polled(PollBy by, uint64_t work, const std::string& who, int cpu);
  // Busy polls that found nothing, many at once.
  struct Turns {
    uint64_t polls;
    int64_t first_ns;  // when the first was over
    int64_t period_ns;
    int cpu;
  };
  void Spun(const Turns& turns, const std::string& who);
  // On demand: the position read, and the slot's memory of it moves.
  uint64_t Walk();

  const QueueId id;
  Vq* const vq;
  rs_guest_slot slot{};
  uint64_t packets_busy = 0;
  std::map<std::string, uint64_t> busy_by;
  SpuriousFollower follower;

 private:
  HookContext* context_;
  int64_t entered_ns_ = 0;  // the handler under way
};

class HostHooks {
 public:
  Counts frozen{};  // the truth when others took its place
  HostHooks(HookContext* context, Vq* vq, QueueId id);
  void TunEntry(uint64_t packets);
  void TunExit(uint64_t enqueued, uint64_t dropped);
  void VhostEntry(bool wired);
  // `irqfd_waits`: on the eventfd of this batch.
  void VhostExit(bool irqfd_waits);
  void Signalled(bool own_batch);
  void Written(const std::string& who, bool vmm);
  void Woken();
  void InatomicEntry(const MsiMessage& message, bool own_batch);
  void InatomicExit(int ret);
  void Accept(bool pending, bool slow);
  void SlowEntry();
  void SlowExit(bool accepted);
  void Taken();
  uint64_t Walk();

  // The true position of this agent's position 0.
  uint64_t origin() const { return origin_; }

  const QueueId id;
  Vq* const vq;
  rs_vhost_slot v{};
  bool posted = false;  // the CPU delivers
  bool blind = false;   // and the pending bit cannot be read
  rs_route_slot r{};
  rs_tun_cell tun{};
  uint64_t written_vmm = 0;
  uint64_t empty = 0;
  std::map<std::string, uint64_t> written_by;
  std::map<std::string, uint64_t> dropped_by;

 private:
  void VhostMark(uint64_t pos);
  void RouteMark(uint64_t pos);
  void Transmitted(bool dropped);
  void RecordBatch(EventKind kind, uint64_t pos, uint64_t number);
  void RecordInjection(EventKind kind, uint64_t number, int64_t entered_ns);
  uint64_t RouteIndex() const;

  HookContext* context_;
  uint64_t origin_;
  bool entered_ = false;  // the injection under way was seen to begin
  bool woken_fentry_ = false;
  bool woken_kprobe_ = false;
  bool tun_entered_ = false;
  int64_t entered_ns_ = 0;       // the injection under way
  int64_t slow_entered_ns_ = 0;  // and that of the kworker
  // Transmits run on two CPUs by turns; their numbers are by CPU.
  std::array<uint64_t, 2> enqueued_on_{};
  std::array<uint64_t, 2> dropped_on_{};
  uint64_t transmits_ = 0;
};

// The thread of one vCPU, as the scheduler's tracepoints see it (bpf/vcpu.bpf.c).
class VcpuHooks {
 public:
  VcpuHooks(HookContext* context, QueueId queue_id) : id(queue_id), context_(context) {}
  void Woken();
  void SwitchedIn();
  void SwitchedOut() { slot.off_ns = static_cast<uint64_t>(context_->Now()); }

  const QueueId id;
  rs_vcpu_slot slot{};

 private:
  HookContext* context_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_HOOKS_H_
