// SPDX-License-Identifier: Apache-2.0
// A virtual CPU: what runs on it (interrupt handler over softirq over tasks), when interrupts reach
// it, and when the host lets it run. Work is made of steps; an interrupt suspends a step and the
// rest of it runs afterwards.
#ifndef RINGSIDE_TESTS_SIM_VCPU_H_
#define RINGSIDE_TESTS_SIM_VCPU_H_

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "tests/sim/loop.h"
#include "tests/sim/params.h"
#include "tests/sim/path_times.h"
#include "tests/sim/random.h"

namespace ringside::sim {

class Guest;
class IrqLine;
class Napi;
class Vcpu;
class VcpuHooks;

inline constexpr int64_t kForeverNs = INT64_MAX / 4;

// Something that runs on a vCPU below the interrupts.
class Task {
 public:
  virtual ~Task() = default;
  virtual bool Runnable() const = 0;
  // Does the next step and returns how long it takes; kForeverNs until somebody calls EndStep.
  virtual int64_t Step(Vcpu* on) = 0;
  virtual void Woken() {}
  // The step under way is interrupted, and goes on for `rest` or, for endless ones, for as long as
  // it says itself.
  virtual void Suspended() {}
  virtual int64_t Resumed(int64_t rest) { return rest; }
};

// net_rx_action of one CPU.
class Softirq : public Task {
 public:
  explicit Softirq(Guest* guest) : guest_(guest) {}
  bool Runnable() const override { return !list_.empty() || current_ != nullptr; }
  int64_t Step(Vcpu* on) override;
  void Add(Napi* napi) { list_.push_back(napi); }

 private:
  int64_t NextPoll(Vcpu* on);

  Guest* guest_;
  std::deque<Napi*> list_;
  Napi* current_ = nullptr;
  bool active_ = false;
  int budget_left_ = 0;
  int64_t until_ = 0;
};

inline constexpr int kVectors = 64;

class Vcpu : public Actor {
 public:
  Vcpu(Loop* loop, Guest* guest, int id, const Delays* delays, uint64_t seed);
  void On(uint32_t what, uint64_t arg) override;

  // -- from KVM --
  bool Pending(int vector) const { return irr_[vector]; }
  void SetPending(int vector);
  void ClearPending() { irr_ = {}; }
  void Stop();    // the VM is paused
  void Resume();  // and goes on
  // Repeats of KVM's own: an injection that did not get through is tried again.
  uint64_t reinjected = 0;

  // -- from tasks --
  void Wake();               // something became runnable
  void EndStep(int64_t at);  // the endless step of the task that runs ends at this time
  void AddTask(Task* task) { tasks_.push_back(task); }
  void set_irq_off(bool off) { irq_off_ = off; }
  void YieldAfterSqueeze() { yield_ = true; }

  int id() const { return id_; }
  bool in_guest() const { return state_ == State::kRunning; }
  Softirq softirq;
  // Times so far, in nanoseconds.
  int64_t RunNs() const;
  int64_t DelayNs() const;
  // Who looks on, and the truth, if details are recorded.
  VcpuHooks* hooks = nullptr;
  bool follow = false;
  std::vector<VcpuAbsence> absences;  // that are over

 private:
  enum class State { kRunning, kWaiting, kHalted, kStopped };
  enum class Kind { kNone, kIrq, kSoftirq, kTask };
  struct Rest {  // of a suspended step
    bool there = false;
    int64_t ns = 0;
  };
  void SetState(State state);
  void Start(Kind kind, int64_t duration);
  void Suspend();
  void Dispatch();
  bool RunTask(Task* task, Rest* rest, Kind kind);
  bool AnyTaskRunnable() const;
  void TakeInterrupt();
  void InterruptStep();
  void ScheduleIn(int64_t extra);
  void ThreadOff();
  void ThreadWoken();
  void ThreadOn();
  bool AnyPending() const;

  Loop* loop_;
  Guest* guest_;
  const int id_;
  const Delays* d_;
  Random random_;
  State state_ = State::kHalted;
  int64_t state_since_ = 0;
  int64_t run_ns_ = 0;
  int64_t delay_ns_ = 0;
  uint64_t wake_ = 0;  // generation of scheduled arrivals on the host CPU
  VcpuAbsence absence_;
  std::array<bool, kVectors> irr_{};
  bool kick_sent_ = false;
  bool irq_off_ = false;
  bool yield_ = false;
  int64_t last_irq_end_ = -1;

  Kind kind_ = Kind::kNone;
  Task* task_ = nullptr;
  int64_t step_end_ = 0;
  uint64_t step_ = 0;  // generation
  Rest irq_rest_, softirq_rest_, task_rest_;
  Task* suspended_task_ = nullptr;
  std::vector<Task*> tasks_;
  size_t next_task_ = 0;
  IrqLine* line_ = nullptr;
  int irq_phase_ = 0;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_VCPU_H_
