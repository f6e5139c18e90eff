// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/napi.h"

#include <algorithm>

#include "tests/sim/guest.h"

namespace ringside::sim {
namespace {

// Packets consumed in one step: an interrupt may come in between.
constexpr uint64_t kChunk = 8;
constexpr int64_t kCompletionNs = 60;  // per used transmit entry

}  // namespace

void Napi::Schedule(Vcpu* on) {
  if (disabled_) return;
  if (sched_) {
    missed_ = true;
    return;
  }
  sched_ = true;
  vq_->DisableCb();
  Requeue(on);
}

void Napi::Requeue(Vcpu* on) {
  if (thread != nullptr) {
    guest_->WakeTask(thread);
  } else {
    on->softirq.Add(this);
  }
}

bool Napi::TryBusy() {
  if (disabled_ || sched_) return false;
  sched_ = busy_ = true;
  return true;
}

void Napi::ReleaseBusy() {
  missed_ = false;
  busy_ = false;
}

void Napi::BeginPoll(int budget, PollBy by, const std::string& who) {
  phase_ = Phase::kBegin;
  budget_ = budget;
  by_ = by;
  who_ = who;
  done_ = 0;
  again_ = false;
}

int64_t Napi::Advance(Vcpu* on) {
  switch (phase_) {
    case Phase::kBegin: return Begin();
    case Phase::kReceive: return Receive(on);
    case Phase::kArm: return Arm();
    case Phase::kRecheck: return Recheck(on);
  }
  return -1;
}

int64_t Napi::Begin() {
  vq_->DisableCb();
  phase_ = Phase::kReceive;
  const int64_t begin = guest_->spec().delays.poll_begin_ns;
  if (pair_ == nullptr) return begin;
  const uint64_t before = pair_->last_used;
  CleanTx(pair_, true);
  return begin + static_cast<int64_t>(pair_->last_used - before) * kCompletionNs;
}

void Napi::CleanTx(Vq* tx, bool from_rx) {
  const bool delayed = from_rx && tx->kernel != GuestKernel::k510;
  do {
    if (delayed) tx->DisableCb();
    const uint64_t n = tx->used - tx->last_used;
    tx->Consume(n);
    guest_->Consumed(tx, n);
  } while (delayed && !tx->EnableCbDelayed());
  guest_->TxRoom(tx);
}

int64_t Napi::Receive(Vcpu* on) {
  if (!vq_->rx) {
    const uint64_t n = vq_->used - vq_->last_used;
    CleanTx(vq_, false);
    phase_ = Phase::kArm;
    return guest_->spec().delays.empty_ns + static_cast<int64_t>(n) * kCompletionNs;
  }
  const uint64_t ready = vq_->used - vq_->last_used;
  const uint64_t n = std::min({ready, kChunk, static_cast<uint64_t>(std::max(0, budget_ - done_))});
  if (n == 0) return End(on);
  vq_->Consume(n);
  guest_->Consumed(vq_, n);
  done_ += static_cast<int>(n);
  const int64_t answers = guest_->Received(vq_, n, on);
  const Delays& d = guest_->spec().delays;
  return guest_->random().About(static_cast<int64_t>(n) * d.packet_ns + answers * d.xmit_ns);
}

// All taken that may be: refill, then either stay scheduled or, a little later, arm the interrupt.
int64_t Napi::End(Vcpu* on) {
  guest_->Refill(vq_, std::min<uint32_t>(static_cast<uint32_t>(budget_), vq_->size) / 2);
  if (done_ >= budget_) {
    again_ = true;
    Finish(on);
    return -1;
  }
  phase_ = Phase::kArm;
  return guest_->spec().delays.empty_ns;
}

int64_t Napi::Arm() {
  opaque_ = vq_->EnableCb();
  phase_ = Phase::kRecheck;
  return guest_->spec().delays.enable_ns;
}

int64_t Napi::Recheck(Vcpu* on) {
  if (busy_) {
    vq_->DisableCb();
  } else if (missed_) {
    missed_ = false;
    vq_->DisableCb();
    if (by_ == PollBy::kSoftirq) {
      again_ = true;
    } else {
      Requeue(on);
    }
  } else {
    sched_ = false;
    if (guest_->RecheckSees(vq_, opaque_)) {
      if (by_ == PollBy::kSoftirq) {
        sched_ = again_ = true;
        vq_->DisableCb();
      } else {
        Schedule(on);
      }
    }
  }
  Finish(on);
  return -1;
}

void Napi::Finish(Vcpu* on) {
  phase_ = Phase::kBegin;
  const uint64_t work = vq_->rx ? static_cast<uint64_t>(done_) : 0;
  guest_->Polled(vq_, by_, work, who_, on);
}

}  // namespace ringside::sim
