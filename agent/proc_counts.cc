// SPDX-License-Identifier: Apache-2.0
#include "agent/proc_counts.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

// The number behind `name` and spaces; nothing if there is none.
template <typename T>
std::optional<T> NumberAfter(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + name.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  T value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<SpuriousNumbers> ParseSpurious(std::string_view text) {
  const auto count = NumberAfter<uint32_t>(text, "count ");
  const auto unhandled = NumberAfter<uint32_t>(text, "\nunhandled ");
  const auto last = NumberAfter<uint32_t>(text, "\nlast_unhandled ");
  if (!count || !unhandled || !last) return std::nullopt;
  return SpuriousNumbers{*count, *unhandled, *last};
}

std::optional<SpuriousNumbers> ReadSpurious(int irq) {
  return ParseSpurious(ReadText(absl::StrCat("/proc/irq/", irq, "/spurious"), 256));
}

std::vector<SoftnetCpu> ParseSoftnet(std::string_view text) {
  std::vector<SoftnetCpu> cpus;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    uint32_t columns[3] = {};  // processed, dropped, squeezed
    bool whole = true;
    for (uint32_t& column : columns) {
      line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
      const auto parsed = std::from_chars(line.data(), line.data() + line.size(), column, 16);
      whole = whole && parsed.ec == std::errc();
      line.remove_prefix(static_cast<size_t>(parsed.ptr - line.data()));
    }
    if (whole) cpus.push_back({columns[0], columns[2]});
  }
  return cpus;
}

bool SoftnetTotals::Add(const std::vector<SoftnetCpu>& cpus) {
  if (cpus.empty()) return false;
  const bool first = last_.empty();
  for (size_t i = 0; i < cpus.size(); ++i) {
    const SoftnetCpu before = first || last_.size() != cpus.size() ? cpus[i] : last_[i];
    const SoftnetCpu from = first ? SoftnetCpu{} : before;
    processed_ += static_cast<uint32_t>(cpus[i].processed - from.processed);
    squeezed_ += static_cast<uint32_t>(cpus[i].squeezed - from.squeezed);
  }
  last_ = cpus;
  return true;
}

std::optional<SchedNumbers> ParseSchedstat(std::string_view text) {
  uint64_t columns[3] = {};
  for (uint64_t& column : columns) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), column);
    if (parsed.ec != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  }
  return SchedNumbers{columns[0], columns[1], columns[2]};
}

std::optional<int> ParseDisabledIrq(std::string_view log_line) {
  return NumberAfter<int>(log_line, "Disabling IRQ #");
}

}  // namespace ringside
