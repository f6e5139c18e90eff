// SPDX-License-Identifier: Apache-2.0
// `ringside timeline INCIDENT`.
#include <memory>

#include "cli/command.h"
#include "cli/detail_events.h"
#include "cli/incident_args.h"
#include "cli/report_text.h"
#include "cli/terminal.h"
#include "cli/timeline_text.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr size_t kDefaultLimit = 500;

struct TimelineArgs {
  IncidentArgs incident;
  size_t limit = kDefaultLimit;
  std::string around;
  std::string window = "1s";
};

TimelineFilter FilterOf(const LoadedLedger& loaded) {
  TimelineFilter filter;
  if (loaded.options.from_ns) filter.from_ns = *loaded.options.from_ns;
  if (loaded.options.to_ns) filter.to_ns = *loaded.options.to_ns;
  if (loaded.options.queue.empty()) return filter;
  const QueueLedger& queue = loaded.ledger.queues.front();
  for (const std::string& name : {queue.queue, queue.host_queue}) {
    if (!name.empty()) filter.queues.push_back(name);
  }
  return filter;
}

absl::Status WriteTimeline(const TimelineArgs& args) {
  auto loaded = args.around.empty() ? LoadLedger(args.incident)
                                    : LoadAround(args.incident, args.around, args.window);
  if (!loaded.ok()) return loaded.status();
  TimelineFilter filter = FilterOf(*loaded);
  const Recording& recording = loaded->incident.recording;
  std::vector<Moment> moments = ListMoments(recording, loaded->ledger, filter);
  // One more than is shown, to know whether there are more.
  auto events = ReadDetailEvents(loaded->incident.path, recording, loaded->ledger, filter,
                                 args.limit == 0 ? 0 : args.limit + 1);
  if (!events.ok()) return events.status();
  moments.insert(moments.end(), events->begin(), events->end());
  SortMoments(moments);
  bool cut = args.limit > 0 && moments.size() > args.limit;
  if (cut) moments.resize(args.limit);
  FindUnknownOrder(moments);
  std::string note = fmt::format(
      "the first {} are shown; --limit, --from, --to or --queue show "
      "others",
      args.limit);
  const Ledger& ledger = loaded->ledger;
  if (args.incident.json) {
    SayWarnings(ledger);
    if (cut) SayError("ringside: " + note);
    return WriteOut(JsonText(RowsJson(ledger.window, TimelineRows(moments, loaded->zero_ns))));
  }
  Page page = StdoutPage(args.incident.wide);
  std::string text = HeadlineText(args.incident.path, ledger, page) + "\n" +
                     TimelineText(moments, loaded->zero_ns, page);
  if (cut) text += Styled("(" + note + ")", Style::kDim, page) + "\n";
  return WriteOut(text);
}

}  // namespace

void AddTimeline(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "timeline", "What happened when: marks per second, changes, kernel log, gaps, events.");
  auto args = std::make_shared<TimelineArgs>();
  AddIncidentOptions(*command, args->incident);
  command->add_option("--limit", args->limit, "show at most this many; 0: all (default 500)")
      ->type_name("N");
  command->add_option("--around", args->around, "what happened around this time")->type_name("T");
  command->add_option("--window", args->window, "how long around it (default 1s)")->type_name("D");
  command->footer(Examples({"ringside timeline slow.rsi",
                            "ringside timeline slow.rsi --queue vm1/eth0/rx1 --from +2s --to +3s",
                            "ringside timeline slow.rsi --around +2.5s --window 100ms",
                            "ringside timeline slow.rsi --limit 0 --json"}));
  command->callback([args, &action] { action = [args] { return WriteTimeline(*args); }; });
}

}  // namespace ringside
