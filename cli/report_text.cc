// SPDX-License-Identifier: Apache-2.0
#include "cli/report_text.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr size_t kVerdictsShown = 3;  // in full; at 3 a.m. nobody reads the forth one first

// Ranks of what a narrow page leaves out, first to last; what no queue shows comes before all.
enum HideRank {
  kAlways,
  kUnseen,
  kFinding,
  kPolls,
  kWoken,    // most often equal to injected
  kHandled,  // the rest of irq and none
  kSuppressed,
  kOffered,
  kMerged,
  kDropped,
  kSignalled,
};

struct CountColumn {
  Count count;
  const char* title;
  HideRank rank;
  bool bar;
};
using Counts = std::set<Count>;
constexpr CountColumn kCountColumns[] = {
    {Count::kTunOffered, "offered", kOffered, false},
    {Count::kTunDropped, "drop", kDropped, false},
    {Count::kVhostBatches, "batches", kAlways, true},
    {Count::kVhostSignalled, "signalled", kSignalled, false},
    {Count::kVhostSuppressed, "supp", kSuppressed, false},
    {Count::kEventfdWritten, "written", kAlways, false},
    {Count::kIrqfdWoken, "woken", kWoken, false},
    {Count::kKvmInjected, "injected", kAlways, false},
    {Count::kKvmMerged, "merged", kMerged, false},
    {Count::kGuestIrq, "irq", kAlways, true},
    {Count::kGuestProcIrq, "proc irq", kAlways, false},
    {Count::kGuestHandled, "handled", kHandled, false},
    {Count::kGuestNone, "none", kAlways, false},
    {Count::kGuestNapiBusy, "busy", kPolls, true},
    {Count::kGuestNapiSoftirq, "softirq", kPolls, false},
};

const Identity* FirstWith(const QueueLedger& queue, Verdict verdict) {
  for (const Identity& identity : queue.identities) {
    if (!identity.by_definition && identity.verdict == verdict) return &identity;
  }
  return nullptr;
}

// Until causes are known by name, the identity that is violated stands for the finding.
std::string FindingColumn(const QueueLedger& queue) {
  if (!queue.finding.empty()) return queue.finding;
  const Identity* violated = FirstWith(queue, Verdict::kViolated);
  return violated == nullptr ? "" : violated->id;
}

bool SeenAnywhere(const Ledger& ledger, Count count) {
  for (const QueueLedger& queue : ledger.queues) {
    if (queue.Find(count) != nullptr) return true;
  }
  return false;
}

// The kernel's own count of interrupts stands where no hook counted them.
bool ProcIrqAlone(const Ledger& ledger) {
  return std::any_of(ledger.queues.begin(), ledger.queues.end(), [](const QueueLedger& queue) {
    return queue.Find(Count::kGuestProcIrq) != nullptr && queue.Find(Count::kGuestIrq) == nullptr;
  });
}

// Signals by a program in place of the kernel's vhost.
bool BackendWrites(const Ledger& ledger) {
  return std::any_of(ledger.queues.begin(), ledger.queues.end(), [](const QueueLedger& queue) {
    const CountCell* written = queue.Find(Count::kEventfdWritten);
    return written != nullptr && written->lo > 0 && queue.Find(Count::kVhostBatches) == nullptr;
  });
}

// Columns for what is told otherwise, or did not happen, in most recordings.
Counts LeftOut(const Ledger& ledger) {
  Counts counts;
  if (!ProcIrqAlone(ledger)) counts.insert(Count::kGuestProcIrq);
  if (!BackendWrites(ledger)) counts.insert(Count::kEventfdWritten);
  return counts;
}

std::vector<Column> ReportColumns(const Ledger& ledger, const Counts& left_out) {
  std::vector<Column> columns = {{.title = "queue"}};
  for (const CountColumn& spec : kCountColumns) {
    if (left_out.contains(spec.count)) continue;
    int rank = SeenAnywhere(ledger, spec.count) ? spec.rank : kUnseen;
    columns.push_back(
        {.title = spec.title, .align = Align::kRight, .bar = spec.bar, .hide_rank = rank});
  }
  columns.push_back({.title = "verdict", .bar = true});
  bool found = std::any_of(ledger.queues.begin(), ledger.queues.end(),
                           [](const QueueLedger& queue) { return !FindingColumn(queue).empty(); });
  columns.push_back({.title = "finding", .hide_rank = found ? kFinding : kUnseen});
  return columns;
}

// Interrupts that found nothing and packets that were dropped are why people look.
Style CountStyle(Count count, const CountCell* cell) {
  if (cell == nullptr) return Style::kDim;
  return count == Count::kTunDropped && cell->lo > 0 ? Style::kBad : Style::kPlain;
}

std::vector<Cell> ReportRow(const QueueLedger& queue, bool one_host, const Counts& left_out) {
  std::vector<Cell> row = {{QueuePairText(queue, one_host)}};
  for (const CountColumn& spec : kCountColumns) {
    if (left_out.contains(spec.count)) continue;
    const CountCell* cell = queue.Find(spec.count);
    row.push_back({CountCellText(cell), CountStyle(spec.count, cell)});
  }
  row.push_back({std::string(VerdictName(queue.verdict)), VerdictStyle(queue.verdict)});
  row.push_back({FindingColumn(queue), Style::kBold});
  return row;
}

// Segments side by side, four blanks between them, on as many lines as it takes.
std::string FlowText(const std::vector<std::string>& segments, const Page& page) {
  std::string out;
  int used = 0;
  for (const std::string& segment : segments) {
    int width = DisplayWidth(segment);
    if (used > 0 && page.width > 0 && used + 4 + width > page.width) {
      out += "\n  ";
      used = 2;
    } else if (used > 0) {
      out += "    ";
      used += 4;
    }
    out += segment;
    used += width;
  }
  return out + "\n";
}

bool HasPair(const Ledger& ledger) {
  return std::any_of(ledger.queues.begin(), ledger.queues.end(), [](const QueueLedger& queue) {
    return !queue.queue.empty() && !queue.host_queue.empty();
  });
}

std::vector<const QueueLedger*> QueuesWith(const Ledger& ledger, Verdict verdict) {
  std::vector<const QueueLedger*> queues;
  for (const QueueLedger& queue : ledger.queues) {
    if (queue.verdict == verdict) queues.push_back(&queue);
  }
  return queues;
}

std::string ViolationText(const QueueLedger& queue, bool one_host, const Page& page) {
  std::string name = Printable(QueuePairText(queue, one_host));
  std::string out = Styled(name, Style::kBold, page) + "   " +
                    Styled("violated", VerdictStyle(Verdict::kViolated), page) + "\n";
  for (const Identity& identity : queue.identities) {
    if (identity.by_definition || identity.verdict != Verdict::kViolated) continue;
    out += Paragraph("  identity   ", identity.id, page);
    std::string residuals = ResidualsText(identity);
    if (!residuals.empty()) out += Paragraph("  counted    ", residuals, page);
    if (!identity.why.empty()) out += Paragraph("  because    ", identity.why, page);
  }
  return out;
}

std::string OpenText(const std::vector<const QueueLedger*>& open, bool one_host, const Page& page) {
  std::string out;
  for (size_t i = 0; i < open.size() && i < kVerdictsShown; ++i) {
    const Identity* identity = FirstWith(*open[i], Verdict::kInconclusive);
    std::string why = identity != nullptr            ? identity->why
                      : open[i]->binding.provisional ? "the binding is provisional"
                                                     : "nothing could be compared";
    out += Paragraph(Printable(QueuePairText(*open[i], one_host)) + "   inconclusive: ", why, page);
  }
  if (open.size() > kVerdictsShown) {
    out += fmt::format("and {} more inconclusive\n", open.size() - kVerdictsShown);
  }
  return out;
}

std::string QuoteForShell(const std::string& word) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-~+=:,@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

std::string ResidualsText(const Identity& identity) {
  std::string text;
  for (const Residual& residual : identity.residuals) {
    if (!text.empty()) text += "; ";
    text += fmt::format("{} {}", residual.name, RangeText(residual.lo, residual.hi));
  }
  return text;
}

Style VerdictStyle(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds: return Style::kGood;
    case Verdict::kViolated: return Style::kBad;
    case Verdict::kInconclusive: return Style::kDoubt;
  }
  return Style::kPlain;
}

bool HasOneHost(const Ledger& ledger) {
  std::set<std::string> hosts;
  for (const QueueLedger& queue : ledger.queues) {
    if (!queue.host_queue.empty())
      hosts.insert(queue.host_queue.substr(0, queue.host_queue.find('/')));
  }
  return hosts.size() <= 1;
}

std::string HeadlineText(const std::string& path, const Ledger& ledger, const Page& page) {
  const Window& window = ledger.window;
  std::vector<std::string> segments = {
      Printable(path), fmt::format("{} ({})", LocalRange(window.from_ns, window.to_ns),
                                   DurationText(window.to_ns - window.from_ns))};
  // Host to guest, as in the table below it.
  std::vector<NodeView> nodes = ledger.nodes;
  std::stable_partition(nodes.begin(), nodes.end(), [](const NodeView& node) {
    return node.roles.find("host") != std::string::npos;
  });
  uint64_t lost = 0;
  std::set<std::string> said;  // an agent that started twice is one node with two streams
  for (const NodeView& node : nodes) {
    lost += node.lost;
    if (!said.insert(node.name).second) continue;
    bool alias = !node.alias.empty() && node.alias != node.name;
    segments.push_back(Printable(fmt::format("{}{} {} {}", node.name,
                                             alias ? " (" + node.alias + ")" : std::string(),
                                             node.kernel, node.rungs)));
  }
  std::string clock = window.clock.empty() ? "" : " (" + Printable(window.clock) + ")";
  segments.push_back(fmt::format("clocks +-{}{}", DurationText(window.bound_ns), clock));
  segments.push_back("lost " + Thousands(lost));
  return FlowText(segments, page);
}

std::string ReportTableText(const Ledger& ledger, const Page& page) {
  if (ledger.queues.empty()) return "no queue was recorded\n";
  const Counts left_out = LeftOut(ledger);
  Table table{.columns = ReportColumns(ledger, left_out), .rows = {}};
  bool one_host = HasOneHost(ledger);
  for (const QueueLedger& queue : ledger.queues) {
    table.rows.push_back(ReportRow(queue, one_host, left_out));
  }
  return RenderTable(table, page);
}

std::string WarningsText(const Ledger& ledger, const Page& page) {
  std::string out;
  for (const std::string& warning : ledger.warnings) out += Paragraph("warning: ", warning, page);
  return out;
}

std::string VerdictText(const std::string& path, const Ledger& ledger, const Page& page) {
  std::string out;
  bool one_host = HasOneHost(ledger);
  auto violated = QueuesWith(ledger, Verdict::kViolated);
  auto open = QueuesWith(ledger, Verdict::kInconclusive);
  size_t holding = ledger.queues.size() - violated.size() - open.size();
  for (size_t i = 0; i < violated.size() && i < kVerdictsShown; ++i) {
    out += ViolationText(*violated[i], one_host, page);
  }
  if (violated.size() > kVerdictsShown) {
    out += fmt::format("and {} more violated\n", violated.size() - kVerdictsShown);
  }
  out += OpenText(open, one_host, page);
  if (holding > 0 && violated.empty()) {
    out += fmt::format("{} of {} queues: every identity that could be judged holds\n", holding,
                       ledger.queues.size());
  }
  if (!ledger.queues.empty() && !HasPair(ledger)) {
    out += Paragraph("",
                     "no guest queue is matched with a host queue: nothing was compared across the "
                     "two; record both sides with a collector, or join files with 'ringside merge'",
                     page);
  }
  const QueueLedger* first = !violated.empty() ? violated.front()
                             : !open.empty()   ? open.front()
                                               : nullptr;
  std::string queue = first == nullptr       ? ""
                      : first->queue.empty() ? first->host_queue
                                             : first->queue;
  std::string option = queue.empty() ? "" : " --queue " + QuoteForShell(Printable(queue));
  out += fmt::format("next: ringside ledger {}{}\n", QuoteForShell(Printable(path)), option);
  return out;
}

Json ReportRows(const Ledger& ledger) {
  Json rows = Json::array();
  for (const QueueLedger& queue : ledger.queues) {
    Json row = {{"queue", OrNull(queue.queue)},
                {"host_queue", OrNull(queue.host_queue)},
                {"verdict", std::string(VerdictName(queue.verdict))},
                {"finding", OrNull(FindingColumn(queue))},
                {"counts", Json::object()}};
    for (const CountCell& cell : queue.counts) {
      row["counts"][std::string(CountName(cell.count))] = CountJson(cell);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace ringside
