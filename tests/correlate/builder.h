// SPDX-License-Identifier: Apache-2.0
// Recordings put together count by count, for tests of single rules: one queue, host and guest,
// steps of one length, what each step adds to each count and where the gauges stand after it.
// What a whole path does is the simulator's matter (tests/sim).
#ifndef RINGSIDE_TESTS_CORRELATE_BUILDER_H_
#define RINGSIDE_TESTS_CORRELATE_BUILDER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "correlate/recording.h"

namespace ringside {

class Builder {
 public:
  // `queue` as on both sides: "rx0", "tx1". Both sides are bound by address and message.
  explicit Builder(const std::string& queue = "rx0", const std::string& tap = "tap0");

  // A side's counts: what is named here is observed, from zero on.
  Builder& HostCounts(const std::vector<Count>& counts);
  Builder& GuestCounts(const std::vector<Count>& counts);
  // Counts of a pseudo-queue of the host (kVcpu) or the guest (kCpu).
  Builder& Vcpu(int64_t run_us_per_step, int64_t delay_us_per_step, uint64_t delay_us_before = 0);
  Builder& Softnet(int64_t processed_per_step, int64_t squeezed_per_step);

  // `n` steps of `ms`; each adds `growth`, of either side.
  Builder& Steps(int n, int64_t ms, const std::map<Count, uint64_t>& growth);
  // From here on.
  Builder& HostGauges(const std::map<Gauge, uint64_t>& gauges);
  Builder& GuestGauges(const std::map<Gauge, uint64_t>& gauges);
  Builder& Parts(Count count, const std::string& label, uint64_t per_step);
  Builder& GuestMessage(uint64_t address, uint32_t data);
  Builder& GuestLog(const std::string& text);
  Builder& GuestFact(const std::string& name, const std::string& value);

  // Both streams; without the guest's if `host_only`, without the host's if `guest_only`.
  Recording Both() const;
  Recording HostOnly() const;
  Recording GuestOnly() const;

 private:
  struct Node {
    Stream stream;
    std::map<Count, uint64_t> counts;
    std::map<Gauge, uint64_t> gauges;
    std::map<std::pair<Count, std::string>, uint64_t> parts;
  };
  void Snap();
  void SnapSide(Node* node, const std::map<Count, uint64_t>& others);
  Recording Of(std::vector<Stream> streams) const;

  Node host_, guest_;
  std::map<std::pair<Count, std::string>, uint64_t> parts_per_step_;
  std::map<Count, uint64_t> vcpu_, vcpu_step_, softnet_, softnet_step_;
  int64_t now_ns_ = 1'000'000'000;
  bool begun_ = false;
};

}  // namespace ringside

#endif  // RINGSIDE_TESTS_CORRELATE_BUILDER_H_
