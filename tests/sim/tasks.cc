// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/tasks.h"

#include <algorithm>
#include <utility>

namespace ringside::sim {
namespace {

// Packets a socket holds before more are dropped by the stack (and no longer matter here).
constexpr uint64_t kBacklogMax = 512;
constexpr uint64_t kDueMax = 1024;
// Packets a socket may have in the transmit queue: its send buffer.
constexpr uint64_t kSendBuffer = 48;

}  // namespace

int64_t NapiThread::Step(Vcpu* on) {
  if (!polling_) {
    woken_ = false;
    polling_ = true;
    napi_->BeginPoll(Napi::kWeight, PollBy::kThread, "");
  }
  const int64_t duration = napi_->Advance(on);
  if (duration >= 0) return std::max<int64_t>(duration, 1);
  polling_ = false;
  if (napi_->again()) woken_ = true;
  return 1;
}

// -- receiver --

Receiver::Receiver(Guest* guest, size_t pair, const Poller& options, std::string who)
    : guest_(guest),
      pair_(pair),
      options_(options),
      who_(std::move(who)),
      vq_(guest->rx(pair)),
      napi_(vq_->napi) {
  if (options.busy_ns > 0) state_ = State::kApp;
}

void Receiver::Deliver(uint64_t n) {
  backlog_ = std::min(backlog_ + n, kBacklogMax);
  if (state_ == State::kAsleep) guest_->WakeTask(this);
}

int64_t Receiver::Step(Vcpu* on) {
  on_ = on;
  switch (state_) {
    case State::kAsleep: state_ = State::kApp; return AppStep();
    case State::kApp: return AppStep();
    case State::kTry: return TryStep(on);
    case State::kPolling: {
      const int64_t duration = napi_->Advance(on);
      return duration >= 0 ? std::max<int64_t>(duration, 1) : AfterPoll(on);
    }
    case State::kSpinning:
      EndSpin();
      if (now() >= deadline_ || quit_) {
        napi_->ReleaseBusy();
        return StartPoll(State::kLast, on);
      }
      return StartPoll(State::kPolling, on);
    case State::kLast: return LastStep(on);
  }
  return 1;
}

int64_t Receiver::AppStep() {
  if (backlog_ > 0 && !options_.dedicated) {
    --backlog_;
    answers_ += guest_->spec().pairs[pair_].flow.answer;
    for (; answers_ >= 1; answers_ -= 1) guest_->Transmit(pair_);
    return guest_->random().About(options_.app_ns);
  }
  backlog_ = 0;
  if (options_.busy_ns == 0 || quit_) {
    state_ = State::kAsleep;
    return 1;
  }
  deadline_ = now() + options_.busy_ns;
  state_ = State::kTry;
  return 200;
}

int64_t Receiver::TryStep(Vcpu* on) {
  if (DataForMe() || now() >= deadline_ || quit_) {
    state_ = DataForMe() || (options_.dedicated && !quit_) ? State::kApp : State::kAsleep;
    return 1;
  }
  if (!napi_->TryBusy()) return guest_->spec().delays.spin_ns;
  return StartPoll(State::kPolling, on);
}

int64_t Receiver::StartPoll(State state, Vcpu* on) {
  state_ = state;
  napi_->BeginPoll(Napi::kBusyBudget, PollBy::kBusy, who_);
  return std::max<int64_t>(napi_->Advance(on), 1);
}

int64_t Receiver::AfterPoll(Vcpu* on) {
  if (options_.dedicated) backlog_ = 0;
  if (DataForMe() || now() >= deadline_ || quit_) {
    napi_->ReleaseBusy();
    return StartPoll(State::kLast, on);
  }
  if (vq_->MoreUsed()) return StartPoll(State::kPolling, on);
  state_ = State::kSpinning;
  return StartSpin();
}

int64_t Receiver::StartSpin() {
  const Delays& d = guest_->spec().delays;
  vq_->spin = {.on = true, .since = now(), .period = d.spin_ns};
  vq_->spin.armed_from = d.poll_begin_ns + 20;
  vq_->spin.armed_to = vq_->spin.armed_from + d.enable_ns;
  booked_ = 0;
  return std::max<int64_t>(1, deadline_ - now());
}

// Sees what was published when its turn next looks at the ring.
void Receiver::Published() {
  if (!vq_->spin.on) return;
  const Spin& spin = vq_->spin;
  const int64_t look = guest_->spec().delays.poll_begin_ns;
  int64_t begin = spin.since + (now() - spin.since) / spin.period * spin.period;
  if (begin + look < now()) begin += spin.period;
  on_->EndStep(std::max(now() + 1, begin));
}

void Receiver::Sync() {
  if (!vq_->spin.on) return;
  const Spin& spin = vq_->spin;
  const uint64_t turns = static_cast<uint64_t>((now() - spin.since) / spin.period) - booked_;
  if (turns == 0) return;
  const int64_t first = spin.since + static_cast<int64_t>(booked_ + 1) * spin.period;
  booked_ += turns;
  vq_->truth.Add(Count::kGuestNapiBusy, turns);
  if (vq_->guest_hooks == nullptr) return;
  vq_->guest_hooks->Spun({turns, first, spin.period, on_->id()}, who_);
}

void Receiver::EndSpin() {
  if (!vq_->spin.on) return;
  Sync();
  vq_->spin.on = false;
}

void Receiver::Suspended() {
  if (!vq_->spin.on) return;
  const int64_t phase = (now() - vq_->spin.since) % vq_->spin.period;
  armed_meanwhile_ = phase >= vq_->spin.armed_from && phase < vq_->spin.armed_to;
  EndSpin();
  if (armed_meanwhile_) vq_->EnableCb();
}

int64_t Receiver::Resumed(int64_t rest) {
  if (state_ != State::kSpinning) return rest;
  if (armed_meanwhile_) vq_->DisableCb();
  armed_meanwhile_ = false;
  if (vq_->MoreUsed() || now() >= deadline_) return 1;
  return StartSpin();
}

int64_t Receiver::LastStep(Vcpu* on) {
  const int64_t duration = napi_->Advance(on);
  if (duration >= 0) return std::max<int64_t>(duration, 1);
  if (napi_->again()) napi_->Requeue(on);
  const bool more = backlog_ > 0 || options_.dedicated;
  state_ = more && !quit_ ? State::kApp : State::kAsleep;
  return 1;
}

// -- sender --

Sender::Sender(Guest* guest, size_t pair, double rate_hz, int vcpu)
    : guest_(guest), pair_(pair), rate_hz_(rate_hz), vcpu_(vcpu) {
  guest_->loop()->After(guest_->random().Exp(1e9 / rate_hz), this, 0);
}

void Sender::On(uint32_t, uint64_t) {
  const int burst = guest_->spec().pairs[pair_].flow.send_burst;
  due_ = std::min(due_ + static_cast<uint64_t>(burst), kDueMax);
  guest_->loop()->After(guest_->random().Exp(1e9 * burst / rate_hz_) + 1, this, 0);
  if (Runnable()) guest_->vcpu(vcpu_)->Wake();
}

bool Sender::Runnable() const {
  const Vq& tx = *guest_->tx(pair_);
  return due_ > 0 && !tx.stopped && tx.avail - tx.last_used < kSendBuffer;
}

int64_t Sender::Step(Vcpu*) {
  if (guest_->Transmit(pair_)) --due_;
  return guest_->random().About(guest_->spec().delays.xmit_ns);
}

// -- interrupts off --

IrqOff::IrqOff(Guest* guest, int vcpu, int64_t every_ns, int64_t hold_ns)
    : guest_(guest), vcpu_(vcpu), every_ns_(every_ns), hold_ns_(hold_ns) {
  guest_->loop()->After(every_ns, this, 0);
}

void IrqOff::On(uint32_t, uint64_t) {
  due_ = true;
  guest_->loop()->After(guest_->random().About(every_ns_), this, 0);
  guest_->vcpu(vcpu_)->Wake();
}

int64_t IrqOff::Step(Vcpu* on) {
  due_ = false;
  on->set_irq_off(true);
  return guest_->random().About(hold_ns_);
}

}  // namespace ringside::sim
