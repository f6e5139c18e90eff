// SPDX-License-Identifier: Apache-2.0
// `ringside clocks INCIDENT`.
#include <memory>

#include "cli/clocks_text.h"
#include "cli/command.h"
#include "cli/incident_args.h"
#include "cli/report_text.h"
#include "cli/terminal.h"

namespace ringside {
namespace {

// Moments of the window that was asked for.
void Narrow(const LedgerOptions& options, std::vector<ClockRelation>* relations) {
  for (ClockRelation& relation : *relations) {
    std::erase_if(relation.moments, [&](const ClockMoment& moment) {
      return (options.from_ns && moment.axis_ns < *options.from_ns) ||
             (options.to_ns && moment.axis_ns > *options.to_ns);
    });
  }
}

absl::Status WriteClocks(const IncidentArgs& args) {
  auto loaded = LoadLedger(args);
  if (!loaded.ok()) return loaded.status();
  const Joined joined(loaded->incident.recording);
  std::vector<ClockRelation> relations = RelateClocks(joined);
  Narrow(loaded->options, &relations);
  if (args.json) {
    SayWarnings(loaded->ledger);
    return WriteOut(JsonText(RowsJson(loaded->ledger.window, ClocksRows(relations))));
  }
  const Page page = StdoutPage(args.wide);
  return WriteOut(HeadlineText(args.path, loaded->ledger, page) + "\n" +
                  ClocksText(relations, loaded->zero_ns, page));
}

}  // namespace

void AddClocks(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "clocks", "How well the nodes' clocks are known against each other, from what, over time.");
  auto args = std::make_shared<IncidentArgs>();
  AddIncidentOptions(*command, *args);
  command->footer(Examples(
      {"ringside clocks slow.rsi", "ringside clocks slow.rsi --json | jq '.rows[].bound_ns'"}));
  command->callback([args, &action] { action = [args] { return WriteClocks(*args); }; });
}

}  // namespace ringside
