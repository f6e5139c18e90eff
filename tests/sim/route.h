// SPDX-License-Identifier: Apache-2.0
// From the eventfd to the vCPU's pending bit: irqfd, KVM's fast and slow path, the VMM's masked
// notifier (kernel facts 3.4, 4). One per vector.
#ifndef RINGSIDE_TESTS_SIM_ROUTE_H_
#define RINGSIDE_TESTS_SIM_ROUTE_H_

#include <cstdint>
#include <string>

#include "correlate/records.h"
#include "tests/sim/loop.h"
#include "tests/sim/random.h"
#include "tests/sim/vq.h"

namespace ringside::sim {

class Guest;

class Route : public Actor {
 public:
  Route(Guest* guest, Vq* vq, uint64_t seed);
  void On(uint32_t what, uint64_t arg) override;

  // The eventfd's wait-queue lock is held by an injection under way.
  bool locked() const { return locked_; }
  // vhost signals the queue's eventfd. True if an injection began: call Finish after race_ns.
  bool Signal();
  void Finish();
  // A write to the eventfd by a process; `vmm`: the VMM's own.
  void Write(const std::string& who, bool vmm);
  // vhost's call eventfd is the VMM's notifier without irqfd, or the real one again.
  void SwapToMasked() { to_masked_ = true; }
  void SwapBack();
  bool to_masked() const { return to_masked_; }
  void SetMessage(const MsiMessage& message) { message_ = message; }
  const MsiMessage& message() const { return message_; }
  Vq* vq() const { return vq_; }

  // -- faults and circumstances --
  double lose = 0;       // share of injections that never become pending
  double duplicate = 0;  // share that the guest gets twice
  double slow = 0;       // share that cannot be injected atomically
  bool blind = false;    // the pending bit cannot be read
  bool wired = true;

 private:
  void Wake(bool own);
  void Inject(bool from_work);
  void SetBit(bool from_work);
  void Again(int vcpu, int vector);
  void Count(Count count, uint64_t* mask);

  Guest* guest_;
  Vq* vq_;
  Random random_;
  MsiMessage message_;
  bool to_masked_ = false;
  bool masked_pending_ = false;
  bool locked_ = false;
  bool slow_now_ = false;
  bool queued_ = false;  // the work item
  uint64_t pos_ = 0;     // of the last injection
  uint64_t wakes_ = 0;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_ROUTE_H_
