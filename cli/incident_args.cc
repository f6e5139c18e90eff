// SPDX-License-Identifier: Apache-2.0
#include "cli/incident_args.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "collector/store/incident_copy.h"
#include "collector/store/incident_reader.h"
#include "fmt/format.h"

namespace ringside {
namespace {

const std::string& ShownName(const QueueLedger& queue) {
  return queue.queue.empty() ? queue.host_queue : queue.queue;
}

bool IsNameEnd(const std::string& full, const std::string& end) {
  return full == end || full.ends_with("/" + end);
}

// Pairs before one-sided queues, as in the ledger, but rx2 before rx10.
void SortNaturally(Ledger& ledger) {
  auto one_sided = [](const QueueLedger& queue) {
    return queue.queue.empty() || queue.host_queue.empty();
  };
  std::stable_sort(ledger.queues.begin(), ledger.queues.end(),
                   [&](const QueueLedger& a, const QueueLedger& b) {
                     if (one_sided(a) != one_sided(b)) return one_sided(b);
                     return NaturalLess(ShownName(a), ShownName(b));
                   });
}

}  // namespace

absl::Status ParseWindow(const std::string& from, const std::string& to, int64_t zero_ns,
                         std::optional<int64_t>& from_ns, std::optional<int64_t>& to_ns) {
  for (auto [text, option, target] :
       {std::tuple{&from, "--from", &from_ns}, std::tuple{&to, "--to", &to_ns}}) {
    if (text->empty()) continue;
    auto time = ParseTime(*text, zero_ns);
    if (!time.ok()) return UsageError(fmt::format("{}: {}", option, Message(time.status())));
    *target = *time;
  }
  if (from_ns && to_ns && *from_ns >= *to_ns) {
    return UsageError("--from is not before --to; give an earlier --from or leave one away");
  }
  return absl::OkStatus();
}

void AddIncidentOptions(CLI::App& command, IncidentArgs& args) {
  command
      .add_option("INCIDENT", args.path,
                  "an incident file (.rsi), a collector's store directory or its HOST:PORT")
      ->required()
      ->type_name("");
  command.add_option("--queue", args.queue, "only this queue, by either side's name")
      ->type_name("Q");
  command.add_option("--from", args.from, "from this time on: +3.2s, 14:02:11, or RFC 3339")
      ->type_name("T");
  command.add_option("--to", args.to, "up to this time")->type_name("T");
  command.add_flag("--json", args.json, "one JSON object on standard output");
  command.add_flag("--insecure", args.insecure, "fetch in the clear from another machine");
  command.add_flag("--wide", args.wide, "all columns, however wide they get");
}

absl::StatusOr<size_t> FindQueue(const Ledger& ledger, const std::string& name,
                                 const std::string& path) {
  std::vector<size_t> ends;
  std::vector<std::string> known;
  for (size_t i = 0; i < ledger.queues.size(); ++i) {
    const QueueLedger& queue = ledger.queues[i];
    if (queue.queue == name || queue.host_queue == name) return i;
    if (IsNameEnd(queue.queue, name) || IsNameEnd(queue.host_queue, name)) ends.push_back(i);
    known.push_back(ShownName(queue));
  }
  if (ends.size() == 1) return ends.front();
  if (ends.size() > 1) {
    std::vector<std::string> names;
    names.reserve(ends.size());
    for (size_t i : ends) names.push_back(ShownName(ledger.queues[i]));
    return absl::NotFoundError(fmt::format("queue '{}' is ambiguous in {}: {}; give the full name",
                                           name, path, ListText(names, 4)));
  }
  return absl::NotFoundError(
      fmt::format("no queue '{}' in {}; it has {}; 'ringside queues {}' lists them", name, path,
                  known.empty() ? "none" : ListText(known, 4), path));
}

void SayWarnings(const Ledger& ledger) {
  for (const std::string& warning : ledger.warnings) SayError("warning: " + warning);
}

namespace {

// Sorted, and with the queue that was asked for alone.
absl::StatusOr<LoadedLedger> OnlyWanted(const IncidentArgs& args, LoadedLedger loaded) {
  SortNaturally(loaded.ledger);
  if (args.queue.empty()) return loaded;
  auto index = FindQueue(loaded.ledger, args.queue, args.path);
  if (!index.ok()) return index.status();
  QueueLedger only = std::move(loaded.ledger.queues[*index]);
  loaded.ledger.queues.clear();
  std::erase_if(loaded.findings, [&](const Finding& finding) {
    const bool of_queue = finding.cause != Cause::kLateVcpu &&
                          finding.cause != Cause::kSoftirqSqueeze &&
                          finding.cause != Cause::kDataLoss;
    return of_queue && finding.queue != ShownName(only);
  });
  loaded.ledger.queues.push_back(std::move(only));
  loaded.options.queue = args.queue;
  return loaded;
}

}  // namespace

absl::StatusOr<LoadedLedger> LoadLedger(const IncidentArgs& args) {
  absl::StatusOr<Incident> incident =
      OpenIncident(args.path, FetchArgs{args.from, args.to, args.insecure});
  if (!incident.ok()) return incident.status();
  LoadedLedger loaded;
  loaded.incident = *std::move(incident);
  Analysis analysis = Analyse(loaded.incident.recording, {});
  loaded.ledger = std::move(analysis.ledger);
  loaded.findings = std::move(analysis.findings);
  loaded.zero_ns = loaded.ledger.window.from_ns;
  absl::Status parsed =
      ParseWindow(args.from, args.to, loaded.zero_ns, loaded.options.from_ns, loaded.options.to_ns);
  if (!parsed.ok()) return parsed;
  if (loaded.options.from_ns || loaded.options.to_ns) {
    const Window whole = loaded.ledger.window;
    analysis = Analyse(loaded.incident.recording, loaded.options);
    loaded.ledger = std::move(analysis.ledger);
    loaded.findings = std::move(analysis.findings);
    if (loaded.ledger.window.from_ns >= loaded.ledger.window.to_ns) {
      return absl::OutOfRangeError(fmt::format("{}: nothing was recorded in that window; it has {}",
                                               args.path, LocalRange(whole.from_ns, whole.to_ns)));
    }
  }
  return OnlyWanted(args, std::move(loaded));
}

absl::StatusOr<LoadedLedger> LoadAround(const IncidentArgs& args, const std::string& around,
                                        const std::string& length) {
  if (!args.from.empty() || !args.to.empty()) {
    return UsageError("--around goes without --from and --to; --window says how long");
  }
  const absl::StatusOr<int64_t> length_ns = ParseDuration(length);
  if (!length_ns.ok()) return UsageError("--window: " + Message(length_ns.status()));
  const absl::StatusOr<std::string> local = LocalIncident(args.path, {"", "", args.insecure});
  if (!local.ok()) return local.status();
  const absl::StatusOr<IncidentSpan> span = SpanOf(*local);
  if (!span.ok()) return span.status();
  const absl::StatusOr<int64_t> time = ParseTime(around, span->from_ns);
  if (!time.ok()) return UsageError("--around: " + Message(time.status()));
  LoadedLedger loaded;
  loaded.zero_ns = span->from_ns;
  loaded.options.from_ns = *time - *length_ns / 2;
  loaded.options.to_ns = *time + *length_ns / 2;
  if (*loaded.options.to_ns < span->from_ns || *loaded.options.from_ns > span->to_ns) {
    return absl::OutOfRangeError(fmt::format("{}: nothing was recorded at that time; it has {}",
                                             args.path, LocalRange(span->from_ns, span->to_ns)));
  }
  absl::StatusOr<Recording> part = ReadPart(*local, *loaded.options.from_ns, *loaded.options.to_ns);
  if (!part.ok()) return part.status();
  loaded.incident = Incident{.path = args.path, .recording = *std::move(part)};
  Analysis analysis = Analyse(loaded.incident.recording, loaded.options);
  loaded.ledger = std::move(analysis.ledger);
  loaded.findings = std::move(analysis.findings);
  return OnlyWanted(args, std::move(loaded));
}

}  // namespace ringside
