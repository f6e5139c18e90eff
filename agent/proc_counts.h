// SPDX-License-Identifier: Apache-2.0
// Counts that the kernel keeps itself, in small text files of /proc. Parsers are pure and give
// nothing where the text is not what it should be: a kernel without the file is an answer. Any
// thread.
#ifndef RINGSIDE_AGENT_PROC_COUNTS_H_
#define RINGSIDE_AGENT_PROC_COUNTS_H_

#include <cstdint>
#include <optional>
#include <string_view>

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

// "Disabling IRQ #25" in a kernel log line: 25.
std::optional<int> ParseDisabledIrq(std::string_view log_line);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_PROC_COUNTS_H_
