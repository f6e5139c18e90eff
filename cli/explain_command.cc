// SPDX-License-Identifier: Apache-2.0
// `ringside explain INCIDENT`.
#include <memory>

#include "cli/command.h"
#include "cli/explain_text.h"
#include "cli/format.h"
#include "cli/incident_args.h"
#include "cli/path_events.h"
#include "cli/report_text.h"
#include "cli/terminal.h"
#include "correlate/latency_evidence.h"

namespace ringside {
namespace {

struct ExplainArgs {
  IncidentArgs incident;
  std::string against;  // an earlier incident; empty: none
  std::string format = "text";
};

std::string NothingFound(const Ledger& ledger) {
  const bool judged =
      std::any_of(ledger.queues.begin(), ledger.queues.end(),
                  [](const QueueLedger& queue) { return queue.verdict == Verdict::kHolds; });
  return judged ? "nothing found: no cause that ringside knows left its traces here\n"
                : "nothing found, and little could be judged: see 'ringside ledger'\n";
}

absl::Status WriteJson(const ExplainArgs& args, const LoadedLedger& loaded,
                       const LoadedLedger* earlier) {
  SayWarnings(loaded.ledger);
  Json json = ExplainJson(loaded.ledger.window, loaded.findings);
  if (earlier != nullptr) {
    json["against"] = {{"incident", args.against},
                       {"rows", AgainstJson({&earlier->ledger, &earlier->findings},
                                            {&loaded.ledger, &loaded.findings})}};
  }
  return WriteOut(JsonText(json));
}

// Details say how long single packets took; the first ones of each queue are enough for that.
constexpr size_t kExplainEventsMax = 200'000;

absl::Status AddLatencies(LoadedLedger* loaded) {
  if (!WantsLatencies(loaded->findings)) return absl::OkStatus();
  const auto latencies = MeasureLatencies(*loaded, {}, kExplainEventsMax);
  if (latencies.ok()) TellLatencies(*latencies, &loaded->findings);
  const auto writers = MeasureWriters(*loaded, kExplainEventsMax);
  if (writers.ok()) TellWriters(*writers, &loaded->findings);
  return latencies.status();
}

absl::Status WriteExplain(const ExplainArgs& args) {
  auto loaded = LoadLedger(args.incident);
  if (!loaded.ok()) return loaded.status();
  if (absl::Status told = AddLatencies(&*loaded); !told.ok()) return told;
  std::optional<LoadedLedger> earlier;
  if (!args.against.empty()) {
    IncidentArgs other = args.incident;
    other.path = args.against;
    other.from = other.to = "";
    auto opened = LoadLedger(other);
    if (!opened.ok()) return opened.status();
    earlier = *std::move(opened);
  }
  if (args.incident.json) return WriteJson(args, *loaded, earlier ? &*earlier : nullptr);
  const bool markdown = args.format == "md";
  Page page = StdoutPage(args.incident.wide);
  if (markdown) page = {.width = 0, .color = false};
  std::string text =
      (markdown ? "# " : "") + HeadlineText(args.incident.path, loaded->ledger, page);
  for (const Finding& finding : loaded->findings) {
    text += "\n" + (markdown ? FindingMarkdown(finding, loaded->zero_ns)
                             : FindingText(finding, loaded->zero_ns, page));
  }
  if (loaded->findings.empty()) text += "\n" + NothingFound(loaded->ledger);
  if (earlier) {
    const std::string table = AgainstText({&earlier->ledger, &earlier->findings},
                                          {&loaded->ledger, &loaded->findings}, page);
    text += "\nagainst " + Printable(args.against) + "\n";
    text += markdown ? "\n```\n" + table + "```\n" : table;
  }
  return WriteOut(text);
}

}  // namespace

void AddExplain(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "explain", "What is wrong and why: the root first, each sentence with its numbers.");
  auto args = std::make_shared<ExplainArgs>();
  AddIncidentOptions(*command, args->incident);
  command
      ->add_option("--against", args->against,
                   "an earlier incident of the same queues: what has changed since")
      ->type_name("OTHER");
  command->add_option("--format", args->format, "text, or md for a ticket")
      ->check(CLI::IsMember({"text", "md"}))
      ->type_name("FORMAT");
  command->footer(
      Examples({"ringside explain slow.rsi", "ringside explain after.rsi --against slow.rsi",
                "ringside explain slow.rsi --format md > ticket.md"}));
  command->callback([args, &action] { action = [args] { return WriteExplain(*args); }; });
}

}  // namespace ringside
