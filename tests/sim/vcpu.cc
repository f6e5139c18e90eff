// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/vcpu.h"

#include <algorithm>
#include <string>

#include "tests/sim/guest.h"
#include "tests/sim/hooks.h"
#include "tests/sim/napi.h"

namespace ringside::sim {
namespace {

enum What : uint32_t { kStepEnd, kKick, kArrive, kPreempt, kWoken };

// Part of a wake-up that the host's scheduler books as waiting: an idle CPU is quick.
constexpr int64_t kIdleWaitNs = 500;

}  // namespace

Vcpu::Vcpu(Loop* loop, Guest* guest, int id, const Delays* delays, uint64_t seed)
    : softirq(guest),
      loop_(loop),
      guest_(guest),
      id_(id),
      d_(delays),
      random_(seed, "vcpu" + std::to_string(id)) {}

void Vcpu::SetState(State state) {
  const int64_t span = std::max<int64_t>(0, loop_->now() - state_since_);
  if (state_ == State::kRunning) run_ns_ += span;
  if (state_ == State::kWaiting) delay_ns_ += span;
  state_since_ = loop_->now();
  state_ = state;
}

int64_t Vcpu::RunNs() const {
  return run_ns_ + (state_ == State::kRunning ? loop_->now() - state_since_ : 0);
}

int64_t Vcpu::DelayNs() const {
  return delay_ns_ +
         (state_ == State::kWaiting ? std::max<int64_t>(0, loop_->now() - state_since_) : 0);
}

bool Vcpu::AnyPending() const {
  return std::any_of(irr_.begin(), irr_.end(), [](bool bit) { return bit; });
}

void Vcpu::On(uint32_t what, uint64_t arg) {
  switch (what) {
    case kStepEnd:
      if (arg != step_ || state_ != State::kRunning) return;
      if (kind_ == Kind::kIrq) {
        InterruptStep();
        return;
      }
      kind_ = Kind::kNone;
      irq_off_ = false;
      Dispatch();
      return;
    case kKick:
      kick_sent_ = false;
      if (state_ != State::kRunning || kind_ == Kind::kIrq || irq_off_ || !AnyPending()) return;
      Suspend();
      TakeInterrupt();
      return;
    case kArrive:
      if (arg != wake_ || state_ != State::kWaiting) return;
      delay_ns_ += kIdleWaitNs;
      SetState(State::kRunning);
      ThreadOn();
      ++wake_;
      if (d_->wait_ns > 0) {
        loop_->After(random_.Exp(static_cast<double>(d_->slice_ns)) + 1, this, kPreempt, wake_);
      }
      Dispatch();
      return;
    case kPreempt:
      if (arg != wake_ || state_ != State::kRunning) return;
      Suspend();
      SetState(State::kWaiting);
      ThreadOff();
      ++wake_;
      loop_->After(random_.Exp(static_cast<double>(d_->wait_ns)) + 1, this, kArrive, wake_);
      return;
    case kWoken:
      if (arg == wake_ && state_ == State::kWaiting) ThreadWoken();
      return;
  }
}

// -- its thread, as the host's scheduler sees it --

void Vcpu::ThreadOff() {
  absence_ = {.off = loop_->now()};
  if (hooks != nullptr) hooks->SwitchedOut();
}

void Vcpu::ThreadWoken() {
  absence_.woken = loop_->now();
  if (hooks != nullptr) hooks->Woken();
}

void Vcpu::ThreadOn() {
  absence_.on = loop_->now();
  if (follow) absences.push_back(absence_);
  if (hooks != nullptr) hooks->SwitchedIn();
}

void Vcpu::SetPending(int vector) {
  irr_[vector] = true;
  if (state_ == State::kRunning && !kick_sent_) {
    kick_sent_ = true;
    loop_->After(d_->lab ? random_.From(d_->lab->interrupted) : random_.About(d_->kick_ns), this,
                 kKick);
  }
  if (state_ == State::kHalted) Wake();
}

// The thread sleeps until it is runnable; what it then waits for its CPU is booked as waiting.
void Vcpu::Wake() {
  if (state_ == State::kRunning) {
    if (kind_ == Kind::kNone) Dispatch();
    return;
  }
  if (state_ != State::kHalted) return;
  ScheduleIn(d_->lab ? random_.From(d_->lab->interrupted) : random_.About(d_->wake_ns));
}

void Vcpu::ScheduleIn(int64_t extra) {
  SetState(State::kWaiting);
  state_since_ += extra;  // on its way, not waiting
  const int64_t wait =
      d_->wait_ns > 0 && d_->wake_waits ? random_.Exp(static_cast<double>(d_->wait_ns)) : 0;
  ++wake_;
  // The scheduler sees it on the CPU that it wakes up on: an interrupt between CPUs later.
  if (follow) loop_->After(extra / 3, this, kWoken, wake_);
  loop_->After(extra + wait, this, kArrive, wake_);
}

void Vcpu::Stop() {
  if (state_ == State::kStopped) return;
  if (state_ == State::kRunning) {
    Suspend();
    ThreadOff();
  }
  ++wake_;
  SetState(State::kStopped);
}

void Vcpu::Resume() {
  if (state_ != State::kStopped) return;
  SetState(State::kHalted);
  ScheduleIn(random_.About(d_->wake_ns));
}

void Vcpu::Start(Kind kind, int64_t duration) {
  kind_ = kind;
  step_end_ = loop_->now() + duration;
  ++step_;
  if (duration < kForeverNs) loop_->At(step_end_, this, kStepEnd, step_);
}

void Vcpu::EndStep(int64_t at) {
  if (kind_ != Kind::kTask || state_ != State::kRunning) return;
  ++step_;
  step_end_ = at;
  loop_->At(at, this, kStepEnd, step_);
}

void Vcpu::Suspend() {
  const int64_t rest = std::max<int64_t>(0, step_end_ - loop_->now());
  ++step_;
  if (kind_ == Kind::kIrq) irq_rest_ = {true, rest};
  if (kind_ == Kind::kSoftirq) softirq_rest_ = {true, rest};
  if (kind_ == Kind::kTask) {
    task_rest_ = {true, rest};
    suspended_task_ = task_;
    task_->Suspended();
  }
  kind_ = Kind::kNone;
}

bool Vcpu::AnyTaskRunnable() const {
  return task_rest_.there || std::any_of(tasks_.begin(), tasks_.end(),
                                         [](const Task* task) { return task->Runnable(); });
}

// What runs next: the rest of a handler, an interrupt, softirq, tasks; else the vCPU halts.
void Vcpu::Dispatch() {
  if (kind_ != Kind::kNone || state_ != State::kRunning) return;
  if (irq_rest_.there) {
    irq_rest_.there = false;
    Start(Kind::kIrq, irq_rest_.ns);
    return;
  }
  if (AnyPending()) {
    TakeInterrupt();
    return;
  }
  const bool skip = yield_ && AnyTaskRunnable();
  yield_ = false;
  if (!skip && softirq_rest_.there) {
    softirq_rest_.there = false;
    Start(Kind::kSoftirq, softirq_rest_.ns);
    return;
  }
  if (!skip && softirq.Runnable()) {
    kind_ = Kind::kSoftirq;  // what it wakes on this vCPU waits for its turn
    Start(Kind::kSoftirq, softirq.Step(this));
    return;
  }
  if (task_rest_.there) {
    task_rest_.there = false;
    task_ = suspended_task_;
    kind_ = Kind::kTask;
    Start(Kind::kTask, task_->Resumed(task_rest_.ns));
    return;
  }
  for (size_t i = 0; i < tasks_.size(); ++i) {
    Task* task = tasks_[(next_task_ + i) % tasks_.size()];
    if (!task->Runnable()) continue;
    next_task_ = (next_task_ + i + 1) % tasks_.size();
    task_ = task;
    kind_ = Kind::kTask;
    Start(Kind::kTask, task->Step(this));
    return;
  }
  SetState(State::kHalted);
  ThreadOff();
}

void Vcpu::TakeInterrupt() {
  int vector = 0;
  while (!irr_[vector]) ++vector;
  irr_[vector] = false;
  line_ = guest_->Taken(this, vector);
  irq_phase_ = 0;
  const int64_t window = last_irq_end_ == loop_->now() ? d_->window_ns : 0;
  Start(Kind::kIrq, window + random_.About(d_->irq_entry_ns));
}

void Vcpu::InterruptStep() {
  kind_ = Kind::kIrq;
  if (line_ != nullptr) {
    const bool more =
        irq_phase_ == 0 ? guest_->FlowEntry(line_, this) : guest_->HandlerDone(line_, this);
    irq_phase_ = 1;
    if (more) {
      Start(Kind::kIrq, random_.About(d_->handler_ns));
      return;
    }
  }
  kind_ = Kind::kNone;
  last_irq_end_ = loop_->now();
  Dispatch();
}

// -- softirq --

int64_t Softirq::Step(Vcpu* on) {
  if (!active_) {
    active_ = true;
    budget_left_ = guest_->spec().softirq_budget;
    until_ = guest_->loop()->now() + guest_->spec().softirq_time_ns;
    const Delays& d = guest_->spec().delays;
    return d.lab ? guest_->random().From(d.lab->polled) : d.softirq_ns;
  }
  if (current_ == nullptr) {
    if (list_.empty()) {
      active_ = false;
      return 1;
    }
    return NextPoll(on);
  }
  const int64_t duration = current_->Advance(on);
  if (duration >= 0) return duration;
  Napi* const napi = current_;
  current_ = nullptr;
  budget_left_ -= napi->work();
  guest_->SoftnetProcessed(napi->work());
  if (napi->again()) list_.push_back(napi);
  if (list_.empty()) {
    active_ = false;
  } else if (budget_left_ <= 0 || guest_->loop()->now() >= until_) {
    guest_->SoftnetSqueezed();
    active_ = false;
    on->YieldAfterSqueeze();
  }
  return 1;
}

int64_t Softirq::NextPoll(Vcpu* on) {
  current_ = list_.front();
  list_.pop_front();
  current_->BeginPoll(Napi::kWeight, PollBy::kSoftirq, "");
  return std::max<int64_t>(1, current_->Advance(on));
}

}  // namespace ringside::sim
