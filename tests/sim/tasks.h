// SPDX-License-Identifier: Apache-2.0
// What runs in the guest: applications that receive (busy polling or asleep), applications that
// send, NAPI threads, and stretches with interrupts off.
#ifndef RINGSIDE_TESTS_SIM_TASKS_H_
#define RINGSIDE_TESTS_SIM_TASKS_H_

#include <cstdint>
#include <string>

#include "tests/sim/guest.h"
#include "tests/sim/loop.h"
#include "tests/sim/vcpu.h"

namespace ringside::sim {

class NapiThread : public Task {
 public:
  explicit NapiThread(Napi* napi) : napi_(napi) {}
  bool Runnable() const override { return woken_ || polling_; }
  void Woken() override { woken_ = true; }
  int64_t Step(Vcpu* on) override;

 private:
  Napi* napi_;
  bool woken_ = false;
  bool polling_ = false;
};

// Receives on one queue. With a busy time it polls the device itself for that long (napi_busy_loop
// by way of sk_busy_loop) before it sleeps.
class Receiver : public Task, public Guest::Socket {
 public:
  Receiver(Guest* guest, size_t pair, const Poller& options, std::string who);
  bool Runnable() const override { return state_ != State::kAsleep || backlog_ > 0; }
  int64_t Step(Vcpu* on) override;
  void Suspended() override;
  int64_t Resumed(int64_t rest) override;
  void Deliver(uint64_t n) override;
  void Sync() override;
  void Published() override;
  // Stops polling altogether (the fault of a guest that no longer reads); it sleeps for good.
  void Quit() { quit_ = true; }

 private:
  enum class State { kApp, kAsleep, kTry, kPolling, kSpinning, kLast };
  int64_t AppStep();
  int64_t TryStep(Vcpu* on);
  int64_t AfterPoll(Vcpu* on);
  int64_t LastStep(Vcpu* on);
  int64_t StartPoll(State state, Vcpu* on);
  int64_t StartSpin();
  void EndSpin();
  bool DataForMe() const { return backlog_ > 0 && !options_.dedicated; }
  int64_t now() const { return guest_->loop()->now(); }

  Guest* guest_;
  const size_t pair_;
  const Poller options_;
  const std::string who_;
  Vq* vq_;
  Napi* napi_;
  State state_ = State::kAsleep;
  uint64_t backlog_ = 0;
  double answers_ = 0;
  int64_t deadline_ = 0;
  uint64_t booked_ = 0;  // turns of this spin that are counted
  bool armed_meanwhile_ = false;
  bool quit_ = false;
  Vcpu* on_ = nullptr;
};

// Sends at a rate of its own; waits while the queue is full.
class Sender : public Task, public Actor {
 public:
  Sender(Guest* guest, size_t pair, double rate_hz, int vcpu);
  void On(uint32_t what, uint64_t arg) override;
  bool Runnable() const override;
  int64_t Step(Vcpu* on) override;

 private:
  Guest* guest_;
  const size_t pair_;
  const double rate_hz_;
  const int vcpu_;
  uint64_t due_ = 0;
};

// A driver or hypervisor that keeps interrupts off for long, again and again.
class IrqOff : public Task, public Actor {
 public:
  IrqOff(Guest* guest, int vcpu, int64_t every_ns, int64_t hold_ns);
  void On(uint32_t what, uint64_t arg) override;
  bool Runnable() const override { return due_; }
  int64_t Step(Vcpu* on) override;

 private:
  Guest* guest_;
  const int vcpu_;
  const int64_t every_ns_;
  const int64_t hold_ns_;
  bool due_ = false;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_TASKS_H_
