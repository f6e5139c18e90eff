// SPDX-License-Identifier: Apache-2.0
#include "cli/ledger_text.h"

#include <string_view>
#include <vector>

#include "cli/format.h"
#include "cli/report_text.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace ringside {
namespace {

std::string Indented(const std::string& text, int blanks) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find('\n', at) + 1;
    out += std::string(blanks, ' ') + text.substr(at, end - at);
    at = end;
  }
  return out;
}

Page Inside(const Page& page, int blanks) {
  return {.width = page.width <= 0 ? 0 : page.width - blanks, .color = page.color};
}

std::string BindingText(const QueueLedger& queue) {
  if (queue.queue.empty()) return "none: only the host's side was recorded, or no guest queue fits";
  if (queue.host_queue.empty()) {
    return "none: only the guest's side was recorded, or no host queue fits";
  }
  std::string state = !queue.binding.bound        ? "not bound"
                      : queue.binding.provisional ? "provisional (never judged as violated)"
                                                  : "bound";
  if (queue.binding.evidence.empty()) return state;
  return fmt::format("{}: {}", state, fmt::join(queue.binding.evidence, "; "));
}

std::string PiecesText(const Cut& cut) {
  if (cut.epochs <= 1) return "";
  return fmt::format("; {} pieces, because the interrupt's message changed", cut.epochs);
}

std::string CutText(const Cut& cut) {
  if (cut.by_quiet) {
    return fmt::format(
        "by time, {} s between the first and the last of {} moments at which neither side moved "
        "({}); {} of them agree; delivered - merged - irq {} since the first, F = {}{}",
        Thousands(static_cast<uint64_t>(cut.to_ns - cut.from_ns) / 1'000'000'000),
        Thousands(cut.common_marks), cut.why_not, Thousands(cut.marks_agreeing),
        RangeText(cut.difference_min, cut.difference_max), cut.in_flight, PiecesText(cut));
  }
  if (!cut.by_position) {
    return cut.why_not.empty() ? "by time" : fmt::format("by time: {}", cut.why_not);
  }
  std::string text = fmt::format(
      "by position, {} to {} ({} entries); {} common marks, {} of them agree; "
      "delivered - merged - irq {} since the first, F = {}",
      Thousands(cut.from_pos), Thousands(cut.to_pos), Thousands(cut.to_pos - cut.from_pos),
      Thousands(cut.common_marks), Thousands(cut.marks_agreeing),
      RangeText(cut.difference_min, cut.difference_max), cut.in_flight);
  return text + PiecesText(cut);
}

std::string CountsText(const QueueLedger& queue, const Page& page) {
  Table table{.columns = {{.title = "count"},
                          {.title = "value", .align = Align::kRight},
                          {.title = "hook"},
                          {.title = "cut"},
                          {.title = "what", .hide_rank = 1, .wrap = true}},
              .rows = {}};
  for (const CountCell& cell : queue.counts) {
    table.rows.push_back({{std::string(CountName(cell.count))},
                          {CountCellText(&cell)},
                          {cell.hook},
                          {!cell.at_position    ? "time"
                           : queue.cut.by_quiet ? "quiet"
                                                : "position"},
                          {std::string(CountText(cell.count)), Style::kDim}});
  }
  if (table.rows.empty()) return "  no count was observed\n";
  return Indented(RenderTable(table, Inside(page, 2)), 2);
}

std::string IdentityText(const Identity& identity, const Page& page) {
  std::string verdict =
      identity.by_definition ? "by definition" : std::string(VerdictName(identity.verdict));
  Style style = identity.by_definition ? Style::kDim : VerdictStyle(identity.verdict);
  std::string out = fmt::format("  {}   {}\n", Styled(Printable(identity.id), Style::kBold, page),
                                Styled(verdict, style, page));
  std::string residuals = ResidualsText(identity);
  if (!residuals.empty()) out += Paragraph("    ", residuals, page);
  if (!identity.why.empty()) out += Paragraph("    why: ", identity.why, page);
  return out;
}

std::string QueueText(const QueueLedger& queue, const Page& page) {
  std::string out = fmt::format(
      "{}   {}\n", Styled(Printable(QueuePairText(queue, false)), Style::kBold, page),
      Styled(std::string(VerdictName(queue.verdict)), VerdictStyle(queue.verdict), page));
  if (!queue.irq_name.empty()) out += Paragraph("  interrupt  ", queue.irq_name, page);
  out += Paragraph("  binding    ", BindingText(queue), page);
  out += Paragraph("  cut        ", CutText(queue.cut), page);
  out.append("\n").append(CountsText(queue, page));
  for (const Identity& identity : queue.identities) {
    out.append("\n").append(IdentityText(identity, page));
  }
  return out;
}

}  // namespace

std::string LedgerText(const Ledger& ledger, const Page& page) {
  if (ledger.queues.empty()) return "no queue was recorded\n";
  std::string out;
  for (const QueueLedger& queue : ledger.queues) {
    if (!out.empty()) out += "\n\n";
    out += QueueText(queue, page);
  }
  return out;
}

}  // namespace ringside
