// SPDX-License-Identifier: Apache-2.0
// perf stat; perf script and trace-cmd report.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "cli/claims/readers.h"
#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

// "1,234,567", "1.234.567", "1'234'567": digits in groups, as the locale has it.
std::optional<std::string> WithoutGroups(std::string_view text) {
  std::string digits;
  size_t since = 0;
  bool grouped = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      digits += c;
      ++since;
    } else if ((c == ',' || c == '.' || c == '\'') && !digits.empty() && (!grouped || since == 3)) {
      grouped = true;
      since = 0;
    } else {
      return std::nullopt;
    }
  }
  if (digits.empty() || (grouped && since != 3)) return std::nullopt;
  return digits;
}

bool IsElapsed(std::string_view line) {
  return line.find("seconds time elapsed") != std::string_view::npos;
}

// A count and its event; both empty if the line is neither.
struct StatLine {
  std::string_view count;
  std::string_view event;
};
StatLine StatOf(std::string_view line) {
  std::vector<std::string_view> words = SplitWords(line);
  // -a -A puts the CPU first.
  if (!words.empty() && words.front().starts_with("CPU")) words.erase(words.begin());
  if (words.size() < 2) return {};
  return {words[0], words[1]};
}

void ReadStatLine(const TextLine& line, ClaimTally* tally, ClaimSink* sink) {
  if (!IsUtf8(line.text)) return sink->Problem(line.number, "bytes that are not UTF-8");
  if (line.text.find("<not counted>") != std::string_view::npos ||
      line.text.find("<not supported>") != std::string_view::npos) {
    return sink->Problem(line.number, "perf did not count this: " + Quoted(TrimText(line.text)));
  }
  const StatLine stat = StatOf(line.text);
  const ClaimSubject subject = SubjectByName(stat.event);
  if (!subject.known()) return;  // cycles, instructions: nothing of a queue's
  const auto digits = WithoutGroups(stat.count);
  const ParsedCount count = ParseCount(digits ? *digits : stat.count);
  if (!count.value) return sink->Problem(line.number, count.why);
  tally->Add(std::string(stat.event), "", *count.value, line.number);
}

// "name [cpu] flags time: event: rest", as perf script and trace-cmd report write it.
struct TraceEvent {
  std::string_view event;
  std::string_view rest;
};
std::optional<TraceEvent> EventOf(std::string_view line) {
  const size_t bracket = line.find(" [");
  if (bracket == std::string_view::npos) return std::nullopt;
  const size_t close = line.find(']', bracket);
  if (close == std::string_view::npos || close - bracket > 6) return std::nullopt;
  std::string_view rest = TrimText(line.substr(close + 1));
  // Interrupt flags such as "d.h1." come before the time; the time ends with a colon.
  for (int word = 0; word < 2; ++word) {
    const size_t end = rest.find_first_of(" \t");
    const std::string_view first = rest.substr(0, end);
    if (end == std::string_view::npos) return std::nullopt;
    rest = TrimText(rest.substr(end));
    if (first.ends_with(':') && ParseSeconds(first.substr(0, first.size() - 1))) {
      const size_t colon = rest.find(": ");
      const size_t event_end =
          colon == std::string_view::npos && rest.ends_with(':') ? rest.size() - 1 : colon;
      if (event_end == std::string_view::npos) return std::nullopt;
      std::string_view event = rest.substr(0, event_end);
      // perf script may print the period first.
      const size_t blank = event.find_last_of(" \t");
      if (blank != std::string_view::npos) event.remove_prefix(blank + 1);
      return TraceEvent{event, TrimText(rest.substr(std::min(event_end + 1, rest.size())))};
    }
  }
  return std::nullopt;
}

std::string QueueOf(std::string_view rest) {
  if (const auto name = ValueAfter(rest, "name=")) {
    if (name->starts_with("virtio")) return std::string(*name);
  }
  for (const auto& [key, prefix] :
       {std::pair("irq=", "irq:"), std::pair("gsi=", "gsi:"), std::pair("gsi ", "gsi:")}) {
    const auto number = ValueAfter(rest, key);
    if (number && ParseCount(*number).value) return prefix + std::string(*number);
  }
  return "";
}

void CountEvent(const TraceEvent& event, int line, ClaimTally* tally) {
  std::string_view name = event.event;
  const std::string_view plain = name.substr(name.rfind(':') + 1);
  if (plain == "function") name = event.rest.substr(0, event.rest.find_first_of(" ("));
  if (!SubjectByName(name).known()) return;
  const std::string queue = QueueOf(event.rest);
  if (plain != "irq_handler_exit") {
    return tally->Add(std::string(name), queue, 1, line);
  }
  // The same runs as irq_handler_entry saw, by what they found.
  const auto ret = ValueAfter(event.rest, "ret=");
  if (ret == "handled") tally->Add("irq_handled", queue, 1, line);
  if (ret == "unhandled") tally->Add("irq_none", queue, 1, line);
}

bool SaysLost(std::string_view line) {
  return line.find("LOST ") != std::string_view::npos ||
         line.find("EVENTS DROPPED") != std::string_view::npos;
}

}  // namespace

bool LooksLikePerfStat(const ClaimText& text) {
  return std::any_of(text.lines().begin(), text.lines().end(), [](const TextLine& line) {
    return IsElapsed(line.text) ||
           line.text.find("Performance counter stats for") != std::string_view::npos;
  });
}

ClaimFile ReadPerfStat(const ClaimText& text) {
  ClaimSink sink(text.context(), "perf stat", "perf stat");
  ClaimTally tally("perf stat");
  ClaimWindow window;
  for (const TextLine& line : text.lines()) {
    if (!IsElapsed(line.text)) {
      ReadStatLine(line, &tally, &sink);
      continue;
    }
    const auto seconds = ParseSeconds(StatOf(line.text).count);
    if (seconds && *seconds > 0) {
      window.length_ns = *seconds;
    } else {
      sink.Problem(line.number, "no time elapsed: " + Quoted(TrimText(line.text)));
    }
  }
  if (!window.length_ns) sink.Problem(0, "the text is cut: no time elapsed at its end");
  if (tally.empty()) sink.Problem(0, "no event that ringside counts");
  tally.Emit(window, &sink);
  return sink.Take();
}

bool LooksLikeTrace(const ClaimText& text) {
  return std::any_of(text.lines().begin(), text.lines().end(),
                     [](const TextLine& line) { return EventOf(line.text).has_value(); });
}

ClaimFile ReadTrace(const ClaimText& text) {
  ClaimSink sink(text.context(), "trace", "perf script or trace-cmd report");
  ClaimTally tally("events counted one by one");
  for (const TextLine& line : text.lines()) {
    if (!IsUtf8(line.text)) {
      sink.Problem(line.number, "bytes that are not UTF-8");
      continue;
    }
    if (SaysLost(line.text)) {
      sink.Problem(line.number, "the trace lost events here: " + Quoted(TrimText(line.text)));
      continue;
    }
    if (const auto event = EventOf(line.text)) CountEvent(*event, line.number, &tally);
  }
  if (text.open_end()) {
    sink.Problem(static_cast<int>(text.lines().size()),
                 "the last line does not end: the text may be cut");
  }
  if (tally.empty()) sink.Problem(0, "no event that ringside counts");
  tally.Emit({}, &sink);
  return sink.Take();
}

}  // namespace ringside
