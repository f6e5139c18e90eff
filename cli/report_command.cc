// SPDX-License-Identifier: Apache-2.0
// `ringside INCIDENT` and `ringside report INCIDENT`.
#include <memory>

#include "cli/command.h"
#include "cli/explain_text.h"
#include "cli/format.h"
#include "cli/incident_args.h"
#include "cli/report_text.h"
#include "cli/terminal.h"

namespace ringside {
namespace {

// The finding that the story begins with; data of our own that was lost is a warning already.
std::string FirstFinding(const IncidentArgs& args, const LoadedLedger& loaded, const Page& page) {
  if (loaded.findings.empty() || loaded.findings.front().cause == Cause::kDataLoss) return "";
  std::string text = FindingText(loaded.findings.front(), loaded.zero_ns, page);
  const size_t more = loaded.findings.size() - 1;
  if (more > 0) {
    text +=
        "and " + std::to_string(more) + " more: ringside explain " + Printable(args.path) + "\n";
  }
  return text + "\n";
}

absl::Status WriteReport(const IncidentArgs& args, bool with_verdicts) {
  auto loaded = LoadLedger(args);
  if (!loaded.ok()) return loaded.status();
  const Ledger& ledger = loaded->ledger;
  if (args.json) {
    SayWarnings(ledger);
    return WriteOut(JsonText(RowsJson(ledger.window, ReportRows(ledger))));
  }
  Page page = StdoutPage(args.wide);
  std::string text = HeadlineText(args.path, ledger, page) + "\n" + ReportTableText(ledger, page);
  if (!ledger.warnings.empty()) text += "\n" + WarningsText(ledger, page);
  if (with_verdicts) {
    text += "\n" + FirstFinding(args, *loaded, page) + VerdictText(args.path, ledger, page);
  }
  return WriteOut(text);
}

}  // namespace

void AddSummary(CLI::App& app, Action& action) {
  // Hidden: people type the incident alone, and the program's own help tells of it.
  CLI::App* command = app.add_subcommand("summary", "report and verdicts")->group("");
  auto args = std::make_shared<IncidentArgs>();
  AddIncidentOptions(*command, *args);
  command->callback([args, &action] { action = [args] { return WriteReport(*args, true); }; });
}

void AddReport(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "report", "One line per queue: counts from the host's tap to the guest's polls, verdict.");
  auto args = std::make_shared<IncidentArgs>();
  AddIncidentOptions(*command, *args);
  command->footer(
      Examples({"ringside report slow.rsi", "ringside report slow.rsi --from +2s --to +4s --wide",
                "ringside report slow.rsi --json | jq '.rows[].verdict'"}));
  command->callback([args, &action] { action = [args] { return WriteReport(*args, false); }; });
}

}  // namespace ringside
