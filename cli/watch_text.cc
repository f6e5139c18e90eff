// SPDX-License-Identifier: Apache-2.0
#include "cli/watch_text.h"

#include "cli/format.h"
#include "cli/json.h"
#include "fmt/format.h"

namespace ringside {
namespace {

std::string QueueText(const std::string& queue, const std::string& host_queue) {
  if (queue.empty()) return Printable(host_queue);
  return Printable(host_queue.empty() ? queue : queue + " <- " + host_queue);
}

// What a finding came from: an object, or nothing if somebody sent something else.
Json DetailJson(const std::string& detail) {
  Json json = Json::parse(detail, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

std::string Line(const WatchVerdict& verdict) {
  std::string said = Printable(verdict.verdict);
  if (!verdict.before.empty()) said += " (was " + Printable(verdict.before) + ")";
  std::string line = fmt::format("{}  {}  {}", LocalClock(verdict.at_real_ns),
                                 QueueText(verdict.queue, verdict.host_queue), said);
  if (!verdict.why.empty()) line += "  " + Printable(verdict.why);
  return line + "\n";
}

std::string Line(const WatchFinding& finding) {
  return fmt::format("{}  {}  {} {}{}, certainty {}  {}\n", LocalClock(finding.at_real_ns),
                     QueueText(finding.queue, finding.host_queue), Printable(finding.id),
                     Printable(finding.step), finding.root ? ", root" : "",
                     Printable(finding.certainty), Printable(finding.title));
}

std::string Line(const WatchPresent& present) {
  return fmt::format("watching {}: {} queues, {} open findings\n", Printable(present.collector),
                     present.queues, present.findings);
}

std::string Line(const WatchBeat&) { return ""; }

Json ToJson(const WatchVerdict& verdict) {
  return {{"schema", 1},
          {"event", "verdict"},
          {"time", Rfc3339(verdict.at_real_ns)},
          {"queue", OrNull(verdict.queue)},
          {"host_queue", OrNull(verdict.host_queue)},
          {"verdict", verdict.verdict},
          {"before", OrNull(verdict.before)},
          {"why", OrNull(verdict.why)}};
}

Json ToJson(const WatchFinding& finding) {
  return {{"schema", 1},
          {"event", "finding"},
          {"time", Rfc3339(finding.at_real_ns)},
          {"step", finding.step},
          {"queue", OrNull(finding.queue)},
          {"host_queue", OrNull(finding.host_queue)},
          {"id", finding.id},
          {"root", finding.root},
          {"certainty", finding.certainty},
          {"since", Rfc3339(finding.since_real_ns)},
          {"title", finding.title},
          {"finding", DetailJson(finding.detail)}};
}

Json ToJson(const WatchPresent& present) {
  return {{"schema", 1},
          {"event", "present"},
          {"collector", present.collector},
          {"queues", present.queues},
          {"findings", present.findings}};
}

Json ToJson(const WatchBeat&) { return {}; }

}  // namespace

std::string WatchLine(const WatchEvent& event) {
  return std::visit([](const auto& body) { return Line(body); }, event);
}

std::string WatchJsonLine(const WatchEvent& event) {
  if (std::holds_alternative<WatchBeat>(event)) return "";
  const Json json = std::visit([](const auto& body) { return ToJson(body); }, event);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ringside
