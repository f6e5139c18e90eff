// SPDX-License-Identifier: Apache-2.0
// The agents' programs in the kernels, as the BPF programs do it (bpf/guest.bpf.c and host_*.h):
// the same slots, the same arithmetic of positions and marks, called by the model where the kernel
// calls the hooks. One object per queue and agent; a restarted agent brings new ones.
#ifndef RINGSIDE_TESTS_SIM_HOOKS_H_
#define RINGSIDE_TESTS_SIM_HOOKS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bpf/events.h"
#include "correlate/records.h"
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

  int64_t Now() const { return clock->Mono(loop->now()); }
  void PutMark(Mark mark);
  // One hit of a hook; false if the kernel skipped it.
  bool Hit(HookId hook);
  bool Dice(double p);
};

enum class PollBy { kSoftirq, kBusy, kThread };

class GuestHooks {
 public:
  Counts frozen{};  // the truth when others took its place
  GuestHooks(HookContext* context, Vq* vq, QueueId id);
  void IrqEntry();
  void IrqExit(bool handled);
  void Polled(PollBy by, uint64_t work, const std::string& who);
  // Busy polls that found nothing, many at once.
  void Spun(uint64_t polls, const std::string& who);
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

  HookContext* context_;
  uint64_t origin_;
  bool entered_ = false;  // the injection under way was seen to begin
  bool woken_fentry_ = false;
  bool woken_kprobe_ = false;
  bool tun_entered_ = false;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_HOOKS_H_
