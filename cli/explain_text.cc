// SPDX-License-Identifier: Apache-2.0
#include "cli/explain_text.h"

#include <algorithm>
#include <map>

#include "cli/format.h"
#include "collector/store/finding_json.h"
#include "correlate/causes/host_only.h"
#include "fmt/format.h"

namespace ringside {
namespace {

// "numbers (hooks)", the hooks only where they are few enough to be read.
std::string StatementText(const Statement& statement) {
  if (statement.hooks.empty()) return Printable(statement.text);
  std::string hooks;
  for (const std::string& hook : statement.hooks) hooks += (hooks.empty() ? "" : ", ") + hook;
  return Printable(statement.text + " [" + hooks + "]");
}

std::vector<std::string> Texts(const std::vector<Statement>& statements) {
  std::vector<std::string> texts;
  texts.reserve(statements.size());
  for (const Statement& statement : statements) texts.push_back(StatementText(statement));
  return texts;
}

std::string StepText(const NextStep& step) {
  std::string text = step.where.empty() ? "" : "in " + step.where + ": ";
  text += step.command;
  if (!step.command.empty() && !step.effect.empty()) text += "  # ";
  return Printable(text + step.effect);
}

std::vector<std::string> Steps(const Finding& finding) {
  std::vector<std::string> steps;
  steps.reserve(finding.next.size());
  for (const NextStep& step : finding.next) steps.push_back(StepText(step));
  return steps;
}

std::vector<std::string> Printables(std::vector<std::string> texts) {
  for (std::string& text : texts) text = Printable(text);
  return texts;
}

// What a finding has to say, in the order in which it is read: a label, and its sentences.
std::vector<std::pair<std::string, std::vector<std::string>>> Sections(const Finding& finding) {
  const auto one = [](const std::string& text) {
    return text.empty() ? std::vector<std::string>{} : std::vector{Printable(text)};
  };
  return {{"because", one(finding.because)},
          {"caused by", Printables(finding.caused_by)},
          {"contributing", Printables(finding.contributors)},
          {"evidence", Texts(finding.evidence)},
          {"against", Texts(finding.against)},
          {"ruled out", Texts(finding.ruled_out)},
          {"missing", Printables(finding.missing)},
          {"danger", one(finding.danger)},
          {"would refute", one(finding.would_refute)},
          {"do now", Steps(finding)}};
}

std::string SinceText(const Finding& finding, int64_t zero_ns) {
  const auto text = [zero_ns](int64_t ns) {
    return fmt::format("+{:.1f}s", static_cast<double>(ns - zero_ns) / 1e9);
  };
  if (finding.until_ns == 0) return "since " + text(finding.since_ns);
  return text(finding.since_ns) + " to " + text(finding.until_ns);
}

std::string RoleText(const Finding& finding) {
  if (finding.cause == Cause::kDataLoss) return "";
  if (finding.root) return ", root";
  const auto unseen = [](const std::string& what) { return what.starts_with(kNotObservable); };
  if (std::any_of(finding.missing.begin(), finding.missing.end(), unseen)) {
    return ", root not observable from here";
  }
  return finding.caused_by.empty() ? ", root not proved" : ", effect";
}

}  // namespace

std::string FindingText(const Finding& finding, int64_t zero_ns, const Page& page) {
  constexpr int kLabelWidth = 15;
  const std::string tail =
      fmt::format("{}{}, certainty {}, {}", CauseId(finding.cause), RoleText(finding),
                  CertaintyName(finding.certainty), SinceText(finding, zero_ns));
  std::string out = Styled(Printable(finding.queue), Style::kBold, page) + "   " +
                    Printable(finding.title) + "\n";
  out += Paragraph("  ", tail, page);
  for (const auto& [label, sentences] : Sections(finding)) {
    std::string shown = label;
    for (const std::string& sentence : sentences) {
      out += Paragraph(fmt::format("  {:<{}}", shown, kLabelWidth), sentence, page);
      shown.clear();
    }
  }
  return out;
}

std::string FindingMarkdown(const Finding& finding, int64_t zero_ns) {
  std::string out =
      fmt::format("## `{}`: {}\n\n**{}**{}, certainty **{}**, {}\n\n", Printable(finding.queue),
                  Printable(finding.title), CauseId(finding.cause), RoleText(finding),
                  CertaintyName(finding.certainty), SinceText(finding, zero_ns));
  for (const auto& [label, sentences] : Sections(finding)) {
    if (sentences.empty()) continue;
    out += "- **" + label + "**\n";
    for (const std::string& sentence : sentences) out += "  - " + sentence + "\n";
  }
  return out;
}

Json ExplainJson(const Window& window, const std::vector<Finding>& findings) {
  Json rows = Json::array();
  for (const Finding& finding : findings) rows.push_back(FindingJson(finding));
  return {{"schema", 1}, {"window", WindowJson(window)}, {"findings", std::move(rows)}};
}

namespace {

const std::string& NameOf(const QueueLedger& queue) {
  return queue.queue.empty() ? queue.host_queue : queue.queue;
}

std::string IdsOf(const Account& account, const std::string& queue) {
  std::string ids;
  for (const Finding& finding : *account.findings) {
    if (finding.queue != queue) continue;
    ids += (ids.empty() ? "" : ", ") + std::string(CauseId(finding.cause));
  }
  return ids.empty() ? "-" : ids;
}

const QueueLedger* Find(const Account& account, const std::string& name) {
  const auto& queues = account.ledger->queues;
  const auto found = std::find_if(queues.begin(), queues.end(),
                                  [&](const QueueLedger& queue) { return NameOf(queue) == name; });
  return found == queues.end() ? nullptr : &*found;
}

// Interrupts that found nothing, of all: two recordings are rarely equally long.
std::string NoneShare(const QueueLedger* queue) {
  const CountCell* irq = queue == nullptr ? nullptr : queue->Find(Count::kGuestIrq);
  const CountCell* none = queue == nullptr ? nullptr : queue->Find(Count::kGuestNone);
  if (irq == nullptr || none == nullptr || irq->lo == 0) return "-";
  return fmt::format("{:.1f}%",
                     100.0 * static_cast<double>(none->lo) / static_cast<double>(irq->lo));
}

std::string Drops(const QueueLedger* queue) {
  return CountCellText(queue == nullptr ? nullptr : queue->Find(Count::kTunDropped));
}

struct Change {
  std::string queue, before, after, none_before, none_after, drops_before, drops_after;
};

// Queues of either account that have a finding in one of them.
std::vector<Change> Changes(const Account& before, const Account& after) {
  std::vector<std::string> names;
  for (const Account* account : {&before, &after}) {
    for (const Finding& finding : *account->findings) {
      if (std::find(names.begin(), names.end(), finding.queue) == names.end()) {
        names.push_back(finding.queue);
      }
    }
  }
  std::vector<Change> changes;
  for (const std::string& name : names) {
    const QueueLedger* old_queue = Find(before, name);
    const QueueLedger* new_queue = Find(after, name);
    changes.push_back({name, IdsOf(before, name), IdsOf(after, name), NoneShare(old_queue),
                       NoneShare(new_queue), Drops(old_queue), Drops(new_queue)});
  }
  return changes;
}

}  // namespace

std::string AgainstText(const Account& before, const Account& after, const Page& page) {
  const std::vector<Change> changes = Changes(before, after);
  if (changes.empty()) return "nothing was found in either of the two\n";
  Table table{.columns = {{.title = "queue"},
                          {.title = "before"},
                          {.title = "now"},
                          {.title = "none before", .align = Align::kRight, .bar = true},
                          {.title = "now", .align = Align::kRight},
                          {.title = "drops before", .align = Align::kRight, .bar = true},
                          {.title = "now", .align = Align::kRight}},
              .rows = {}};
  for (const Change& c : changes) {
    table.rows.push_back(
        {{c.queue},
         {c.before},
         {c.after == "-" ? "gone" : c.after, c.after == "-" ? Style::kGood : Style::kBad},
         {c.none_before},
         {c.none_after},
         {c.drops_before},
         {c.drops_after}});
  }
  return RenderTable(table, page);
}

Json AgainstJson(const Account& before, const Account& after) {
  Json rows = Json::array();
  for (const Change& c : Changes(before, after)) {
    rows.push_back({{"queue", c.queue},
                    {"before", c.before},
                    {"now", c.after},
                    {"none_before", c.none_before},
                    {"none_now", c.none_after},
                    {"dropped_before", c.drops_before},
                    {"dropped_now", c.drops_after}});
  }
  return rows;
}

}  // namespace ringside
