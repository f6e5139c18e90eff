// SPDX-License-Identifier: Apache-2.0
// Counts that the kernel keeps itself, in small text files of /proc. Parsers are pure and give
// nothing where the text is not what it should be: a kernel without the file is an answer. Any
// thread.
#ifndef RINGSIDE_AGENT_PROC_COUNTS_H_
#define RINGSIDE_AGENT_PROC_COUNTS_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ringside {

// /proc/irq/N/spurious: where an interrupt stands under the rule of bpf/spurious.h.
struct SpuriousNumbers {
  uint32_t count = 0;              // irq_count
  uint32_t unhandled = 0;          // irqs_unhandled
  uint32_t last_unhandled_ms = 0;  // jiffies of the last one, as milliseconds, turned at 2^32
  friend bool operator==(const SpuriousNumbers&, const SpuriousNumbers&) = default;
};
std::optional<SpuriousNumbers> ParseSpurious(std::string_view text);
std::optional<SpuriousNumbers> ReadSpurious(int irq);

// /proc/net/softnet_stat, a line per CPU that is online. The kernel counts in 32 bits.
struct SoftnetCpu {
  uint32_t processed = 0;
  uint32_t squeezed = 0;
};
std::vector<SoftnetCpu> ParseSoftnet(std::string_view text);

// Sums over CPUs in 64 bits, across turns of the kernel's counters. CPUs that go offline or come
// back shift the lines: counting goes on from there, and what passed in between is not counted.
class SoftnetTotals {
 public:
  // False, and nothing changed, if there is nothing to read.
  bool Add(const std::vector<SoftnetCpu>& cpus);
  uint64_t processed() const { return processed_; }
  uint64_t squeezed() const { return squeezed_; }

 private:
  std::vector<SoftnetCpu> last_;
  uint64_t processed_ = 0;
  uint64_t squeezed_ = 0;
};

// /proc/PID/task/TID/schedstat: what the scheduler counts of one thread.
struct SchedNumbers {
  uint64_t run_ns = 0;
  uint64_t delay_ns = 0;  // ready to run, without a CPU
  uint64_t runs = 0;      // times it was given one
};
std::optional<SchedNumbers> ParseSchedstat(std::string_view text);

// "Disabling IRQ #25" in a kernel log line: 25.
std::optional<int> ParseDisabledIrq(std::string_view log_line);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_PROC_COUNTS_H_
