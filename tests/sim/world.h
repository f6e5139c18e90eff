// SPDX-License-Identifier: Apache-2.0
// Plays a run: builds the machines of a RunSpec, lets the time pass, and gives back what the agents
// said and what was true.
#ifndef RINGSIDE_TESTS_SIM_WORLD_H_
#define RINGSIDE_TESTS_SIM_WORLD_H_

#include <memory>
#include <string>
#include <vector>

#include "correlate/recording.h"
#include "tests/sim/agent.h"
#include "tests/sim/run_spec.h"
#include "tests/sim/vhost.h"
#include "tests/sim/wire.h"

namespace ringside::sim {

class World : public Actor {
 public:
  // Records into memory, or into the writer's file.
  World(const RunSpec& spec, std::unique_ptr<IncidentWriter> writer);
  ~World() override;
  // Plays the whole run. INTERNAL if the model made a record that the wire refuses.
  absl::Status Play(Recording* recording);

  const RunSpec& spec() const { return spec_; }
  const std::vector<std::unique_ptr<Agent>>& agents() const { return agents_; }
  uint64_t events() const { return loop_.events(); }
  Guest* guest(size_t vm) { return guests_[vm].get(); }
  const NodeClock& host_clock() const { return host_clock_; }
  Guest* GuestOf(const Vq* vq) const;  // whose queue it is
  const NodeClock& ClockOf(const Guest* guest) const;
  // Details of one agent, as they arrived, in order of time.
  std::vector<DetailEvent> DetailsOf(const StreamKey& key) const { return wire_.DetailsOf(key); }
  void On(uint32_t what, uint64_t arg) override;

 private:
  class Writer;  // an external process that writes to an eventfd
  void BuildVm(size_t vm);
  void BuildAgents();
  void Do(const Event& event);
  void DoRare(const Event& event, Vq* vq);
  void Exchange(size_t agent);
  void StopWorkers(size_t vm);
  void GoOn(size_t vm, bool reload);
  ClockReading CollectorClock() const { return collector_clock_.Read(loop_.now()); }

  const RunSpec spec_;
  Loop loop_;
  Random random_;
  Wire wire_;
  NodeClock host_clock_;
  NodeClock other_host_clock_;
  NodeClock collector_clock_;
  std::vector<std::unique_ptr<NodeClock>> guest_clocks_;
  std::vector<std::unique_ptr<Guest>> guests_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Traffic>> traffic_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::unique_ptr<Agent>> agents_;
  std::vector<ClockExchange> exchanges_;  // under way, by agent
  std::vector<ClockReading> exchange_start_;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_WORLD_H_
