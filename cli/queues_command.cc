// SPDX-License-Identifier: Apache-2.0
// `ringside queues INCIDENT`.
#include <memory>

#include "cli/command.h"
#include "cli/incident_args.h"
#include "cli/queues_text.h"
#include "cli/report_text.h"
#include "cli/terminal.h"

namespace ringside {
namespace {

absl::Status WriteQueues(const IncidentArgs& args) {
  auto loaded = LoadLedger(args);
  if (!loaded.ok()) return loaded.status();
  const Ledger& ledger = loaded->ledger;
  std::vector<QueueRow> rows = ListQueues(loaded->incident.recording, ledger);
  if (!args.queue.empty()) {
    const QueueLedger& queue = ledger.queues.front();
    std::erase_if(rows, [&](const QueueRow& row) {
      return row.name != queue.queue && row.name != queue.host_queue;
    });
  }
  if (args.json) {
    SayWarnings(ledger);
    return WriteOut(JsonText(RowsJson(ledger.window, QueuesRows(rows))));
  }
  Page page = StdoutPage(args.wide);
  return WriteOut(HeadlineText(args.path, ledger, page) + "\n" + QueuesText(rows, page));
}

}  // namespace

void AddQueues(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "queues", "All queues of all nodes: interrupt, ring, partner, MSI message, VM, last state.");
  auto args = std::make_shared<IncidentArgs>();
  AddIncidentOptions(*command, *args);
  command->footer(Examples({"ringside queues slow.rsi", "ringside queues slow.rsi --wide",
                            "ringside queues slow.rsi --json | jq -r '.rows[].partner'"}));
  command->callback([args, &action] { action = [args] { return WriteQueues(*args); }; });
}

}  // namespace ringside
