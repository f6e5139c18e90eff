// SPDX-License-Identifier: Apache-2.0
// What a kernel knows of its clocks beyond their readings, as facts: cross times with the host
// (ptp_kvm, in a guest), the TSC offsets that KVM gives to its guests (debugfs, on a host), the
// clock source, and whether something synchronises the wall clock.
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_CLOCK_FACTS_H_
#define RINGSIDE_AGENT_CLOCK_FACTS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ringside {

// Name and value.
using NamedFacts = std::vector<std::pair<std::string, std::string>>;

class ClockFacts {
 public:
  ClockFacts() = default;
  ~ClockFacts();
  ClockFacts(const ClockFacts&) = delete;
  ClockFacts& operator=(const ClockFacts&) = delete;

  // The host's time and ours at one instant: `clock.cross`, new each time, at most once a second.
  // Empty where there is no such clock.
  std::string CrossTime(int64_t now_mono_ns);
  // Everything else, to be told when it changes.
  NamedFacts Read();

 private:
  void Open();
  std::string Precise() const;
  std::string Sampled() const;

  bool looked_ = false;
  int fd_ = -1;
  int64_t next_mono_ns_ = 0;
  std::string state_ = "none";
};

// TSC offset and scaling of all vCPUs that debugfs shows under `kvm`
// (/sys/kernel/debug/kvm).
NamedFacts TscFactsUnder(const std::string& kvm);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_CLOCK_FACTS_H_
