// SPDX-License-Identifier: Apache-2.0
// `ringside latency INCIDENT`.
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/incident_args.h"
#include "cli/latency_text.h"
#include "cli/path_events.h"
#include "cli/report_text.h"
#include "cli/terminal.h"

namespace ringside {
namespace {

// For programs: of each queue so many single journeys, a few megabytes of text.
constexpr size_t kOverMaxJson = 10'000;

struct LatencyArgs {
  IncidentArgs incident;
  std::string over;
};

absl::Status WriteLatency(const LatencyArgs& args) {
  LatencyOptions options;
  if (!args.over.empty()) {
    const absl::StatusOr<int64_t> over_ns = ParseDuration(args.over);
    if (!over_ns.ok()) return UsageError("--over: " + Message(over_ns.status()));
    options.over_ns = *over_ns;
    if (args.incident.json) options.over_max = kOverMaxJson;
  }
  auto loaded = LoadLedger(args.incident);
  if (!loaded.ok()) return loaded.status();
  auto queues = MeasureLatencies(*loaded, options);
  if (!queues.ok()) return queues.status();
  auto writers = MeasureWriters(*loaded);
  if (!writers.ok()) return writers.status();
  if (args.incident.json) {
    SayWarnings(loaded->ledger);
    Json json = RowsJson(loaded->ledger.window, LatencyRows(*queues));
    json["writers"] = WriterRows(*writers);
    return WriteOut(JsonText(json));
  }
  const Page page = StdoutPage(args.incident.wide);
  return WriteOut(HeadlineText(args.incident.path, loaded->ledger, page) + "\n" +
                  LatencyText(*queues, *writers, loaded->zero_ns, page));
}

}  // namespace

void AddLatency(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "latency", "Where packets spend their time between host and guest, stage by stage.");
  auto args = std::make_shared<LatencyArgs>();
  AddIncidentOptions(*command, args->incident);
  command->add_option("--over", args->over, "list single journeys that took as long (1ms)")
      ->type_name("D");
  command->footer(Examples({"ringside latency slow.rsi",
                            "ringside latency slow.rsi --queue vm1/eth0/rx1 --over 1ms",
                            "ringside latency slow.rsi --json | jq '.rows[].whole.p99'"}));
  command->callback([args, &action] { action = [args] { return WriteLatency(*args); }; });
}

}  // namespace ringside
