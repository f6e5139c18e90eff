// SPDX-License-Identifier: Apache-2.0
#include "cli/clocks_text.h"

#include <algorithm>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

// Half-widths over time are told in so many steps of equal length.
constexpr size_t kStepsShown = 10;
constexpr size_t kEventsShown = 8;

std::string HalfText(const std::optional<int64_t>& half_ns) {
  if (!half_ns) return fmt::format("-");
  return fmt::format("+-{}", DurationText(*half_ns));
}

const char* TrustName(ClockTrust trust) {
  switch (trust) {
    case ClockTrust::kGood: return "good";
    case ClockTrust::kStepped: return "stepped";
    case ClockTrust::kContradicted: return "contradicted";
  }
  return "unknown";
}

uint64_t Statements(const ClockRelation& relation) {
  uint64_t sum = 0;
  for (const ClockSource& source : relation.sources) {
    if (!source.wrong) sum += source.statements;
  }
  return sum;
}

std::string SourcesText(const ClockRelation& relation) {
  const auto wrong = std::count_if(relation.sources.begin(), relation.sources.end(),
                                   [](const ClockSource& source) { return source.wrong; });
  // Queues have names with a node, a device and a queue.
  const auto is_queue = [](const ClockSource& source) {
    return source.name.find('/') != std::string::npos;
  };
  const auto queues = std::count_if(relation.sources.begin(), relation.sources.end(), is_queue);
  std::vector<std::string> names;
  for (const ClockSource& source : relation.sources) {
    if (!is_queue(source)) names.push_back(source.name);
    if (is_queue(source) && queues == 1) names.push_back(source.name);
  }
  if (queues > 1) names.push_back(fmt::format("{} queues", queues));
  std::string text = ListText(names, names.size());
  if (wrong > 0) text += fmt::format(", {} wrong", wrong);
  return text;
}

std::string RelationsText(const std::vector<ClockRelation>& relations, const Page& page) {
  Table table{.columns = {{.title = "clock of"},
                          {.title = "against"},
                          {.title = "by", .hide_rank = 1},
                          {.title = "statements", .align = Align::kRight, .hide_rank = 2},
                          {.title = "bound", .align = Align::kRight},
                          {.title = "widest", .align = Align::kRight},
                          {.title = "quality", .wrap = true}},
              .rows = {}};
  for (const ClockRelation& relation : relations) {
    const bool doubt = relation.trust != ClockTrust::kGood || relation.disagreeing > 0;
    table.rows.push_back({{relation.node},
                          {relation.against},
                          {SourcesText(relation)},
                          {Thousands(Statements(relation))},
                          {HalfText(relation.MedianHalf())},
                          {HalfText(relation.WidestHalf())},
                          {ClockQuality(relation), doubt ? Style::kDoubt : Style::kPlain}});
  }
  return RenderTable(table, page);
}

// The widest bound within each step: a table with a column per relation.
std::string OverTimeText(const std::vector<ClockRelation>& relations, int64_t zero_ns,
                         const Page& page) {
  int64_t from = INT64_MAX, to = INT64_MIN;
  for (const ClockRelation& relation : relations) {
    for (const ClockMoment& moment : relation.moments) {
      from = std::min(from, moment.axis_ns);
      to = std::max(to, moment.axis_ns);
    }
  }
  if (from >= to) return "";
  const int64_t step_ns = std::max<int64_t>(1, (to - from) / static_cast<int64_t>(kStepsShown));
  Table table{.columns = {{.title = "widest from", .align = Align::kRight}}, .rows = {}};
  for (size_t step = 0; step < kStepsShown; ++step) {
    const int64_t at = from + step_ns * static_cast<int64_t>(step);
    table.rows.push_back({{fmt::format("{}{:.1f}s", at < zero_ns ? "-" : "+",
                                       static_cast<double>(std::abs(at - zero_ns)) / 1e9)}});
  }
  for (const ClockRelation& relation : relations) {
    table.columns.push_back({.title = fmt::format("{} - {}", relation.node, relation.against),
                             .align = Align::kRight,
                             .hide_rank = static_cast<int>(table.columns.size())});
    std::vector<std::optional<int64_t>> widest(kStepsShown);
    std::vector<bool> unknown(kStepsShown);
    for (const ClockMoment& moment : relation.moments) {
      const size_t step =
          std::min(kStepsShown - 1, static_cast<size_t>((moment.axis_ns - from) / step_ns));
      if (!moment.half_ns) unknown[step] = true;
      if (moment.half_ns) widest[step] = std::max(widest[step].value_or(0), *moment.half_ns);
    }
    for (size_t step = 0; step < kStepsShown; ++step) {
      table.rows[step].push_back({HalfText(unknown[step] ? std::nullopt : widest[step])});
    }
  }
  return fmt::format("\n{}", RenderTable(table, page));
}

std::string EventsText(const ClockRelation& relation, const Page& page) {
  std::string text;
  const std::string pair = fmt::format("{} - {}", relation.node, relation.against);
  for (const ClockSource& source : relation.sources) {
    if (!source.wrong) continue;
    text += Paragraph(
        "wrong      ",
        fmt::format("{} cannot be true beside the others ({}): not used", source.name, pair), page);
  }
  for (size_t i = 0; i < std::min(relation.events.size(), kEventsShown); ++i) {
    const ClockEvent& event = relation.events[i];
    std::string when;
    if (event.to_ns != 0) {
      when = fmt::format("{} to {}: ", LocalClock(event.from_ns), LocalClock(event.to_ns));
    }
    text += Paragraph("event      ", fmt::format("{}, {}{}", pair, when, event.what), page);
  }
  if (relation.events.size() > kEventsShown) {
    text += Paragraph("event      ", fmt::format("{} more", relation.events.size() - kEventsShown),
                      page);
  }
  for (const std::string& note : relation.notes) {
    text += Paragraph("not used   ", fmt::format("{}, {}", pair, note), page);
  }
  if (relation.disagreeing > 0) {
    text += Paragraph(
        "disagree   ",
        fmt::format("{}: at {} of {} moments its sources do not meet ({}), by up to {}", pair,
                    Thousands(relation.disagreeing), Thousands(relation.moments.size()),
                    relation.who_disagrees, DurationText(relation.apart_ns)),
        page);
  }
  return text;
}

}  // namespace

std::string ClocksText(const std::vector<ClockRelation>& relations, int64_t zero_ns,
                       const Page& page) {
  if (relations.empty()) {
    return Paragraph("",
                     "No clock can be held against another here: one node alone, or files that "
                     "were recorded without a collector and without a queue bound on both sides.",
                     page);
  }
  std::string text = RelationsText(relations, page) + OverTimeText(relations, zero_ns, page);
  std::string events;
  for (const ClockRelation& relation : relations) events += EventsText(relation, page);
  return events.empty() ? text : text + "\n" + events;
}

Json ClocksRows(const std::vector<ClockRelation>& relations) {
  const auto number = [](const std::optional<int64_t>& ns) {
    return ns ? Json(*ns) : Json(nullptr);
  };
  Json rows = Json::array();
  for (const ClockRelation& relation : relations) {
    Json sources = Json::array();
    for (const ClockSource& source : relation.sources) {
      sources.push_back(
          {{"name", source.name}, {"statements", source.statements}, {"wrong", source.wrong}});
    }
    Json events = Json::array();
    for (const ClockEvent& event : relation.events) {
      events.push_back({{"from", event.to_ns == 0 ? Json(nullptr) : Json(Rfc3339(event.from_ns))},
                        {"to", event.to_ns == 0 ? Json(nullptr) : Json(Rfc3339(event.to_ns))},
                        {"what", event.what}});
    }
    Json moments = Json::array();
    for (const ClockMoment& moment : relation.moments) {
      Json ways = Json::object();
      for (const ClockMoment::Way& way : moment.ways) {
        ways[way.name] = {{"lo_ns", way.reference.lo_ns - moment.local_raw_ns},
                          {"hi_ns", way.reference.hi_ns - moment.local_raw_ns}};
      }
      moments.push_back({{"t", Rfc3339(moment.axis_ns)},
                         {"bound_ns", number(moment.half_ns)},
                         {"ways", std::move(ways)}});
    }
    rows.push_back({{"node", relation.node},
                    {"against", relation.against},
                    {"trust", TrustName(relation.trust)},
                    {"quality", ClockQuality(relation)},
                    {"bound_ns", number(relation.MedianHalf())},
                    {"widest_ns", number(relation.WidestHalf())},
                    {"sources", std::move(sources)},
                    {"events", std::move(events)},
                    {"notes", relation.notes},
                    {"disagreeing", relation.disagreeing},
                    {"apart_ns", relation.apart_ns},
                    {"moments", std::move(moments)}});
  }
  return rows;
}

}  // namespace ringside
