// SPDX-License-Identifier: Apache-2.0
// `ringside ledger INCIDENT`.
#include "cli/ledger_text.h"

#include <memory>

#include "cli/command.h"
#include "cli/incident_args.h"
#include "cli/report_text.h"
#include "cli/terminal.h"

namespace ringside {
namespace {

absl::Status WriteLedger(const IncidentArgs& args) {
  auto loaded = LoadLedger(args);
  if (!loaded.ok()) return loaded.status();
  const Ledger& ledger = loaded->ledger;
  if (args.json) {
    SayWarnings(ledger);
    return WriteOut(JsonText(LedgerJson(ledger)));
  }
  Page page = StdoutPage(args.wide);
  std::string text = HeadlineText(args.path, ledger, page) + "\n" + LedgerText(ledger, page);
  if (!ledger.warnings.empty()) text += "\n" + WarningsText(ledger, page);
  return WriteOut(text);
}

}  // namespace

void AddLedger(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "ledger", "Every count of each queue as an interval, every identity between them, and why.");
  auto args = std::make_shared<IncidentArgs>();
  AddIncidentOptions(*command, *args);
  command->footer(
      Examples({"ringside ledger slow.rsi --queue vm1/eth0/rx1",
                "ringside ledger slow.rsi --queue host1/tap0/rx1 --from +2s --to +4s",
                "ringside ledger slow.rsi --json | jq '.queues[0].counts[\"guest.irq\"]'"}));
  command->callback([args, &action] { action = [args] { return WriteLedger(*args); }; });
}

}  // namespace ringside
