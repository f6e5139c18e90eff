// SPDX-License-Identifier: Apache-2.0
// Snapshots of /proc/interrupts: what the later one counted more, for virtio's interrupts.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "cli/claims/readers.h"
#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct Row {
  std::string name;  // "virtio0-input.0"
  int64_t count = 0;
  int line = 0;
};

struct ProcSnapshot {
  size_t cpus = 0;
  std::map<std::string, Row> rows;  // by "irq:31"
};

// "  CPU0   CPU1": how many; 0 if the line is none.
size_t CpusOf(std::string_view line) {
  const std::vector<std::string_view> words = SplitWords(line);
  for (const std::string_view word : words) {
    if (!word.starts_with("CPU") || !ParseCount(word.substr(3)).value) return 0;
  }
  return words.size();
}

// The name a driver gave: the last word, without the names of those who share the interrupt.
std::string NameOf(const std::vector<std::string_view>& words) {
  const std::string_view last = words.back();
  return last.find("virtio") == std::string_view::npos ? "" : std::string(last);
}

bool IsVirtio(std::string_view line) { return line.find("virtio") != std::string_view::npos; }

void ReadRow(const TextLine& line, ProcSnapshot* snapshot, ClaimSink* sink) {
  const size_t colon = line.text.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view number = TrimText(line.text.substr(0, colon));
  const std::vector<std::string_view> words = SplitWords(line.text.substr(colon + 1));
  // NMI, LOC and the like are no device's; nor is the rest ringside's business.
  if (!ParseCount(number).value || !IsVirtio(line.text)) return;
  if (!IsUtf8(line.text)) return sink->Problem(line.number, "bytes that are not UTF-8");
  Row row{.line = line.number};
  for (size_t cpu = 0; cpu < snapshot->cpus; ++cpu) {
    const ParsedCount count = ParseCount(cpu < words.size() ? words[cpu] : std::string_view());
    if (!count.value || *count.value > kClaimMax / 1'000'000) {
      return sink->Problem(line.number, fmt::format("column of CPU {}: {}", cpu,
                                                    count.value ? "too large" : count.why));
    }
    row.count += *count.value;
  }
  if (words.size() <= snapshot->cpus) return sink->Problem(line.number, "the line is cut");
  row.name = NameOf(words);
  if (!snapshot->rows.emplace(fmt::format("irq:{}", number), row).second) {
    sink->Problem(line.number, fmt::format("interrupt {} a second time", number));
  }
}

std::vector<ProcSnapshot> ReadSnapshots(const ClaimText& text, ClaimSink* sink) {
  std::vector<ProcSnapshot> snapshots;
  for (const TextLine& line : text.lines()) {
    if (const size_t cpus = CpusOf(line.text); cpus > 0) {
      snapshots.push_back({.cpus = cpus});
    } else if (!snapshots.empty()) {
      ReadRow(line, &snapshots.back(), sink);
    }
  }
  return snapshots;
}

void Compare(const ProcSnapshot& before, const ProcSnapshot& after, ClaimSink* sink) {
  for (const auto& [irq, row] : after.rows) {
    const auto first = before.rows.find(irq);
    if (first == before.rows.end()) {
      sink->Problem(row.line, fmt::format("{} is not in the first snapshot", irq));
      continue;
    }
    if (row.count < first->second.count) {
      sink->Problem(row.line,
                    fmt::format("{} went back from {} to {}: restarted in between, or "
                                "the snapshots are in the wrong order",
                                irq, Thousands(static_cast<uint64_t>(first->second.count)),
                                Thousands(static_cast<uint64_t>(row.count))));
      continue;
    }
    Claim claim;
    claim.name = "guest.proc_irq";
    claim.queue = row.name.empty() ? irq : row.name;
    claim.value = row.count - first->second.count;
    claim.method = "/proc/interrupts, twice";
    sink->Add(std::move(claim), row.line);
  }
  for (const auto& [irq, row] : before.rows) {
    if (!after.rows.contains(irq)) {
      sink->Problem(row.line, fmt::format("{} is not in the last snapshot", irq));
    }
  }
}

constexpr char kFormat[] = "/proc/interrupts";

}  // namespace

int CountInterruptSnapshots(const std::string& text) {
  const ClaimText lines(text, {});
  return static_cast<int>(
      std::count_if(lines.lines().begin(), lines.lines().end(),
                    [](const TextLine& line) { return CpusOf(line.text) > 0; }));
}

bool LooksLikeInterrupts(const ClaimText& text) {
  return std::any_of(text.lines().begin(), text.lines().end(),
                     [](const TextLine& line) { return CpusOf(line.text) > 0; });
}

ClaimFile ReadInterrupts(const ClaimText& text) {
  ClaimSink sink(text.context(), kFormat, kFormat);
  const std::vector<ProcSnapshot> snapshots = ReadSnapshots(text, &sink);
  if (snapshots.size() < 2) {
    sink.Problem(1, "one snapshot of /proc/interrupts counts since boot; give a second one");
    return sink.Take();
  }
  Compare(snapshots.front(), snapshots.back(), &sink);
  return sink.Take();
}

ClaimFile ParseInterruptPair(const std::string& before, const ClaimContext& before_context,
                             const std::string& after, const ClaimContext& after_context) {
  ClaimSink first(before_context, kFormat, kFormat);
  ClaimSink last(after_context, kFormat, kFormat);
  const std::vector<ProcSnapshot> from = ReadSnapshots(ClaimText(before, before_context), &first);
  const std::vector<ProcSnapshot> to = ReadSnapshots(ClaimText(after, after_context), &last);
  if (from.empty() || to.empty()) {
    last.Problem(0, "no snapshot of /proc/interrupts");
  } else {
    Compare(from.front(), to.back(), &last);
  }
  ClaimFile file = last.Take();
  const ClaimFile other = first.Take();
  file.problems.insert(file.problems.begin(), other.problems.begin(), other.problems.end());
  return file;
}

}  // namespace ringside
