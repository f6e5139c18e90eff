// SPDX-License-Identifier: Apache-2.0
// The text of deploy/witness (witness.sh, witness.ps1), as what it says. Used by `ringside import`.
//
// The text is foreign: whatever it holds, the result keeps to the limits below, each line that
// cannot be read is a problem with its number, and the rest is read. Pure; any thread.
//
//   ringside-witness 1
//   ### about                 "key value" lines: system name kernel arch machine boot uuid
//   ### device virtio0 eth0   "key value" lines
//   ### file PATH             the file
//   ### command WORDS         what it printed
//   ### reading 1             from here to the next: one reading
//   ### clock A U B           REALTIME, seconds since boot, REALTIME again; in seconds
//   ### irq 25                "key value" lines, /proc/irq/25/spurious among them
//   ### tasks                 PID STATE RAN_NS WAITED_NS NAME
//   ### nic NAME              "key value" lines (Windows)
//   ### log                   the kernel's lines, "[seconds] text"
//   ### end
#ifndef RINGSIDE_CLI_WITNESS_WITNESS_TEXT_H_
#define RINGSIDE_CLI_WITNESS_WITNESS_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/proc_counts.h"
#include "cli/claims/claim_file.h"

namespace ringside {

inline constexpr size_t kWitnessTextMax = size_t{16} << 20;  // 1,000 CPUs times 4,000 interrupts
inline constexpr size_t kWitnessQueuesMax = 4096;
inline constexpr size_t kWitnessFactsMax = 16'384;
inline constexpr size_t kWitnessLogMax = 1'000;
inline constexpr size_t kWitnessReadingsMax = 64;

// REALTIME was at least `real_ns` when `boot_ns` (since boot, rounded down to 10 ms) was read, and
// at most `real_to_ns`.
struct WitnessClock {
  int64_t boot_ns = 0;
  int64_t real_ns = 0;
  int64_t real_to_ns = 0;
};

struct WitnessInterrupt {
  int irq = -1;
  uint64_t count = 0;  // of all CPUs
};

struct WitnessReading {
  std::optional<WitnessClock> begin;
  std::optional<WitnessClock> end;
  std::map<std::string, WitnessInterrupt> interrupts;  // virtio's, by name: "virtio0-input.0"
  std::vector<SoftnetCpu> softnet;
  std::map<int, SpuriousNumbers> spurious;
  std::map<std::string, std::map<std::string, uint64_t>> ethtool;  // by netdev, by counter
  std::vector<std::pair<std::string, std::string>> facts;          // read with it: tasks, nics
};

struct WitnessLine {
  int64_t boot_ns = 0;
  std::string text;
};

struct WitnessText {
  std::map<std::string, std::string> about;
  std::map<std::string, std::string> netdevs;              // by virtio device
  std::vector<std::pair<std::string, std::string>> facts;  // names as the agent's
  std::map<int, std::map<std::string, std::string>> irqs;  // hwirq, affinity, ...
  std::optional<int64_t> maxerror_us;                      // of REALTIME, as its kernel says
  std::vector<WitnessReading> readings;
  std::vector<WitnessLine> log;
  bool complete = false;  // "### end" was there
  std::vector<ClaimProblem> problems;
};

// `file` is the name for problems. UTF-16 as Windows writes it is converted.
WitnessText ParseWitness(std::string text, const std::string& file);

}  // namespace ringside

#endif  // RINGSIDE_CLI_WITNESS_WITNESS_TEXT_H_
