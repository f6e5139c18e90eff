// SPDX-License-Identifier: Apache-2.0
// A virtual machine: its vCPUs, virtqueues, interrupt lines and NAPI instances, the guest kernel's
// interrupt core (kernel facts 2.6), and what its VMM does when a vector is masked or moved.
#ifndef RINGSIDE_TESTS_SIM_GUEST_H_
#define RINGSIDE_TESTS_SIM_GUEST_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "correlate/records.h"
#include "tests/sim/napi.h"
#include "tests/sim/params.h"
#include "tests/sim/random.h"
#include "tests/sim/route.h"
#include "tests/sim/spurious.h"
#include "tests/sim/vcpu.h"
#include "tests/sim/vq.h"

namespace ringside::sim {

class Worker;

// One interrupt of the guest: its descriptor, and the message in the device's table.
class IrqLine {
 public:
  IrqLine(const VmSpec& spec, Mutation mutation, int irq_number, std::string irq_name)
      : number(irq_number),
        name(std::move(irq_name)),
        rule(spec.kernel, mutation == Mutation::kLimitHalf ? 49'900 : kSpuriousLimit) {}
  const int number;
  const std::string name;
  Vq* vq = nullptr;
  int vcpu = 0;
  int vector = 0;
  int old_vcpu = -1;  // still valid until the first interrupt at the new place
  int old_vector = 0;
  MsiMessage message;     // in the guest's table
  bool masked = false;    // likewise
  bool disabled = false;  // spurious or by depth
  bool pending = false;   // IRQS_PENDING
  bool in_progress = false;
  bool route_follows = true;
  const GuestHooks* entered_by = nullptr;  // who saw the entry under way
  uint64_t seen_pos = 0;                   // used index at the entry under way
  SpuriousRule rule;
  uint64_t kstat = 0;
};

class Guest : public Actor {
 public:
  Guest(Loop* loop, const VmSpec& spec, Mutation mutation, uint64_t seed);
  void On(uint32_t what, uint64_t arg) override;

  const VmSpec& spec() const { return spec_; }
  Loop* loop() const { return loop_; }
  Random& random() { return random_; }
  Mutation mutation() const { return mutation_; }
  Vcpu* vcpu(int id) { return vcpus_[static_cast<size_t>(id) % vcpus_.size()].get(); }
  size_t vcpus() const { return vcpus_.size(); }
  size_t pairs() const { return rx_.size(); }
  Vq* rx(size_t pair) { return rx_[pair].get(); }
  Vq* tx(size_t pair) { return tx_[pair].get(); }
  const std::vector<Vq*>& queues() const { return queues_; }
  const std::vector<std::unique_ptr<IrqLine>>& lines() const { return lines_; }

  // -- interrupt core, from the vCPU --
  IrqLine* Taken(Vcpu* on, int vector);
  bool FlowEntry(IrqLine* line, Vcpu* on);    // true: its handler runs now
  bool HandlerDone(IrqLine* line, Vcpu* on);  // true: once more (IRQS_PENDING)

  // -- from NAPI --
  void Consumed(Vq* vq, uint64_t n);
  int64_t Received(Vq* vq, uint64_t n, Vcpu* on);  // returns packets sent in answer
  void Refill(Vq* vq, uint32_t threshold);
  bool RecheckSees(Vq* vq, uint16_t opaque);
  void Polled(Vq* vq, PollBy by, uint64_t work, const std::string& who, Vcpu* on);
  void TxRoom(Vq* vq);
  void WakeTask(Task* task);
  void SoftnetProcessed(int packets) { softnet_processed += static_cast<uint64_t>(packets); }
  void SoftnetSqueezed() { ++softnet_squeezed; }
  uint64_t softnet_processed = 0;
  uint64_t softnet_squeezed = 0;

  // Sends one packet; false if the transmit queue is full.
  bool Transmit(size_t pair);

  // -- tasks --
  void Adopt(std::unique_ptr<Task> task, int vcpu);
  // Receives what a poll delivers on this pair instead of the stack; and who then answers.
  struct Socket {
    virtual ~Socket() = default;
    virtual void Deliver(uint64_t n) = 0;
    virtual void Sync() = 0;  // books what it did without events
    virtual void Published() = 0;
  };
  std::vector<Socket*> sockets;  // by pair; null: the stack itself
  std::vector<Worker*> workers;  // by pair
  void SyncSpins();

  // -- administrator and VMM --
  void SetAffinity(Vq* vq, int vcpu, bool route_follows);
  void Pause();
  void Unpause(bool lose_pending);
  bool running() const { return running_; }
  // The driver reset the device and set it up again: new rings, indices from 0.
  void ReplaceRings();
  // Interrupts that were pending when the VM's state was saved, or came after, may be lost.
  std::function<void(const std::string&)> log;  // kernel log

  // Faults: the look for entries after arming misses some (reordered reads).
  double stale_recheck = 0;

 private:
  void AddPair(size_t pair, uint64_t seed);
  IrqLine* AddLine(Vq* vq, int vcpu);
  void Place(IrqLine* line, int vcpu);
  void Mask(IrqLine* line);
  void NobodyCared(IrqLine* line);
  void EnterHandler(IrqLine* line, Vcpu* on);

  Loop* loop_;
  const VmSpec spec_;
  const Mutation mutation_;
  Random random_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  std::vector<std::unique_ptr<Vq>> rx_, tx_;
  std::vector<Vq*> queues_;
  std::vector<std::unique_ptr<Napi>> napis_;
  std::vector<std::unique_ptr<IrqLine>> lines_;
  std::vector<std::unique_ptr<Route>> routes_;
  std::vector<std::pair<std::unique_ptr<Task>, int>> tasks_;
  std::vector<std::vector<IrqLine*>> vectors_;   // by vCPU and vector
  std::vector<std::vector<Route*>> last_route_;  // KVM's memory of who used a vector
  std::vector<double> answers_;                  // due, by pair
  bool running_ = true;
  friend class Route;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_GUEST_H_
