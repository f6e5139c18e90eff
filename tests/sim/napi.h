// SPDX-License-Identifier: Apache-2.0
// A NAPI instance of virtio_net and its poll (kernel facts 2.2, 2.4, 2.5), in steps: whoever polls
// (softirq, thread, busy poller) calls Advance until it says that the poll is over.
#ifndef RINGSIDE_TESTS_SIM_NAPI_H_
#define RINGSIDE_TESTS_SIM_NAPI_H_

#include <cstdint>
#include <string>

#include "tests/sim/hooks.h"
#include "tests/sim/vq.h"

namespace ringside::sim {

class Guest;
class Task;
class Vcpu;

class Napi {
 public:
  static constexpr int kWeight = 64;
  static constexpr int kBusyBudget = 8;

  Napi(Guest* guest, Vq* vq, Vq* pair) : guest_(guest), vq_(vq), pair_(pair) {}

  // napi_schedule_prep and what follows it: from an interrupt of this queue, or a poll's end.
  void Schedule(Vcpu* on);
  // Stops it for good, as napi_disable does: whoever polls finds it taken.
  void Disable() { disabled_ = true; }

  // Busy poller: takes it (false: somebody has it), gives it back before its last poll.
  bool TryBusy();
  void ReleaseBusy();
  // Puts it on a CPU's list while it is taken (a busy poller that left work behind).
  void Requeue(Vcpu* on);

  void BeginPoll(int budget, PollBy by, const std::string& who);
  // Next step of the poll: how long it takes, or -1: the poll is over.
  int64_t Advance(Vcpu* on);
  int work() const { return done_; }
  // The poll used all its budget, or was rescheduled meanwhile: it stays on the list.
  bool again() const { return again_; }
  Vq* vq() const { return vq_; }
  Task* thread = nullptr;  // NAPI thread, if it has one

 private:
  enum class Phase { kBegin, kReceive, kArm, kRecheck };
  int64_t Begin();
  int64_t Receive(Vcpu* on);
  int64_t End(Vcpu* on);
  int64_t Arm();
  int64_t Recheck(Vcpu* on);
  void CleanTx(Vq* tx, bool from_rx);
  void Finish(Vcpu* on);

  Guest* guest_;
  Vq* vq_;
  Vq* pair_;
  bool sched_ = false;
  bool missed_ = false;
  bool busy_ = false;  // IN_BUSY_POLL
  bool disabled_ = false;
  Phase phase_ = Phase::kBegin;
  int budget_ = 0;
  int done_ = 0;
  bool again_ = false;
  PollBy by_ = PollBy::kSoftirq;
  std::string who_;
  uint16_t opaque_ = 0;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_NAPI_H_
