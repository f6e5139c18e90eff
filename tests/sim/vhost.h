// SPDX-License-Identifier: Apache-2.0
// The host's side of a queue pair: the tap's ring, the vhost worker (kernel facts 3.1, 3.3), and
// the traffic that arrives.
#ifndef RINGSIDE_TESTS_SIM_VHOST_H_
#define RINGSIDE_TESTS_SIM_VHOST_H_

#include <cstdint>
#include <functional>

#include "tests/sim/guest.h"
#include "tests/sim/loop.h"
#include "tests/sim/params.h"
#include "tests/sim/random.h"
#include "tests/sim/vq.h"

namespace ringside::sim {

class Worker : public Actor {
 public:
  Worker(Guest* guest, size_t pair, uint64_t seed);
  void On(uint32_t what, uint64_t arg) override;

  void Offer(uint64_t packets);  // tun_net_xmit, so many times
  void Kick(Vq* vq);
  bool stopped() const { return stopped_; }
  uint64_t tap_waiting() const { return tap_; }
  uint64_t tap_size() const { return tap_size_; }
  // The VMM takes the backend away (pause, migration) and gives it back.
  void Stop() { stopped_ = true; }
  void Start();

  // -- faults and circumstances --
  double starve = 0;      // share of wake-ups for which the worker gets no CPU
  int64_t starve_ns = 0;  // and how long that lasts
  double copy_factor = 1;
  bool tx_signals = true;              // false: never for used transmit entries
  double empty_signal = 0;             // signals without anything published, per batch
  int64_t reorder_ns = 0;              // looks at the guest's wish so long before it publishes
  std::function<void(uint64_t)> sent;  // packets of the guest that left

 private:
  struct Publication {  // a batch under way
    Vq* vq = nullptr;
    uint64_t n = 0;
    int64_t begin = 0;
    const HostHooks* entered_by = nullptr;  // who saw its beginning
    bool decided = false;
    bool wanted = false;
    bool signalled = false;
    bool woken = false;
  };
  void WakeUp();
  void Next();
  void StepRx();
  void StepTx();
  void BeginBatch(Vq* vq, uint64_t n);
  void AfterFill();
  void Decide();
  void Leave();
  void Resume();
  bool Wanted();
  void Later(int64_t delay, uint32_t what, uint64_t arg = 0);

  Guest* guest_;
  Loop* loop_;
  Random random_;
  Vq* rx_;
  Vq* tx_;
  const uint64_t tap_size_;
  uint64_t tap_ = 0;  // packets in the tap's ring
  uint64_t rxq_ = 0;  // taken from it, not yet copied
  uint64_t rx_done_ = 0;
  uint64_t tx_done_ = 0;
  uint64_t handled_ = 0;
  bool rx_work_ = false;
  bool tx_work_ = false;
  bool busy_ = false;
  bool prefer_tx_ = false;
  bool stopped_ = false;
  Publication batch_;
};

class Traffic : public Actor {
 public:
  Traffic(Guest* guest, size_t pair, Worker* worker, uint64_t seed);
  void On(uint32_t what, uint64_t arg) override;

 private:
  int64_t Gap();

  Guest* guest_;
  const Flow flow_;
  Worker* worker_;
  Random random_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_VHOST_H_
