// SPDX-License-Identifier: Apache-2.0
#include "cli/latency_text.h"

#include <algorithm>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr double kShares[] = {0.5, 0.9, 0.99, 0.999};

// What happens between two points.
std::string StageName(PathPoint from, PathPoint to) {
  using enum PathPoint;
  struct Name {
    PathPoint from, to;
    const char* name;
  };
  static constexpr Name kNames[] = {
      {kEnqueued, kBatch, "in the tap's ring"},
      {kEnqueued, kWoken, "in the tap's ring, published, signalled"},
      {kEnqueued, kPolled, "until a poll took it"},
      {kEnqueued, kIrq, "until an interrupt saw it"},
      {kBatch, kWoken, "published, signalled"},
      {kBatch, kIrq, "seen by an earlier signal's interrupt"},
      {kBatch, kPolled, "taken without an interrupt"},
      {kWoken, kInjected, "injection"},
      {kInjected, kVcpuWoken, "vCPU asleep or stopped"},
      {kInjected, kVcpuRuns, "vCPU waits for a CPU"},
      {kVcpuWoken, kVcpuRuns, "vCPU waits for a CPU, after waking"},
      {kVcpuRuns, kIrq, "vCPU runs, interrupt begins"},
      {kInjected, kIrq, "interrupt begins in the guest"},
      {kIrq, kPolled, "softirq, poll"},
  };
  for (const Name& name : kNames) {
    if (name.from == from && name.to == to) return name.name;
  }
  return fmt::format("{} to {}", PathPointName(from), PathPointName(to));
}

std::string SpanText(int64_t lo_ns, int64_t hi_ns) {
  const Span span{lo_ns, hi_ns};
  const int64_t half_ns = (hi_ns - lo_ns + 1) / 2;
  const std::string text =
      fmt::format("{}{}", span.mid_ns() < 0 ? "-" : "", DurationText(std::abs(span.mid_ns())));
  // What is far below the shown digits is not shown.
  if (half_ns * 20 <= std::abs(span.mid_ns())) return text;
  return fmt::format("{} +-{}", text, DurationText(half_ns));
}

void AddStage(const StageLatency& stage, const std::string& name, std::string tail, Style style,
              Table* table) {
  std::vector<Cell> row = {{name, style}, {Thousands(stage.lo.count())}};
  for (const double share : kShares) {
    row.push_back({SpanText(stage.lo.At(share), stage.hi.At(share)), style});
  }
  row.push_back({SpanText(stage.lo.max_ns(), stage.hi.max_ns()), style});
  row.push_back({std::move(tail)});
  table->rows.push_back(std::move(row));
}

std::string StagesText(const QueueLatency& queue, const Page& page) {
  Table table{.columns = {{.title = "stage"},
                          {.title = "n", .align = Align::kRight, .hide_rank = 1},
                          {.title = "p50", .align = Align::kRight},
                          {.title = "p90", .align = Align::kRight, .hide_rank = 2},
                          {.title = "p99", .align = Align::kRight},
                          {.title = "p99.9", .align = Align::kRight, .hide_rank = 3},
                          {.title = "max", .align = Align::kRight},
                          {.title = "of slow tail", .align = Align::kRight}},
              .rows = {}};
  for (const StageLatency& stage : queue.stages) {
    std::string tail = "-";
    if (stage.in_tail > 0) tail = fmt::format("{:.0f}%", stage.tail_share * 100);
    AddStage(stage,
             queue.by_marks ? "published to first interrupt" : StageName(stage.from, stage.to),
             std::move(tail), Style::kPlain, &table);
  }
  if (queue.whole.lo.count() > 0) {
    AddStage(queue.whole, fmt::format("{} to polled", PathPointName(queue.whole_from)), "",
             Style::kBold, &table);
  }
  if (queue.vcpu_wait.lo.count() > 0) {
    AddStage(queue.vcpu_wait, "of which its vCPU waited for a CPU",
             fmt::format("{:.0f}%", queue.vcpu_wait.tail_share * 100), Style::kPlain, &table);
  }
  return RenderTable(table, page);
}

std::string FollowedText(const QueueLatency& queue) {
  const Unfollowed& not_followed = queue.unfollowed;
  if (queue.by_marks) {
    return fmt::format(
        "{} marks: from the end of the batch that passed one to the first interrupt that saw it; "
        "where single stages take long is not known without details (record --detail)",
        Thousands(queue.journeys));
  }
  std::string text = fmt::format("{} of {} entries followed", Thousands(queue.journeys),
                                 Thousands(not_followed.entries));
  const auto add = [&](uint64_t n, const char* why) {
    if (n > 0) text += fmt::format("; {} {}", Thousands(n), why);
  };
  add(not_followed.no_poll, "with no poll that took them");
  add(not_followed.holes, "with records missing around them");
  add(not_followed.too_many, "more than fit");
  add(not_followed.no_packet, "without the packet they carry");
  for (const EventKind kind : queue.sampled) {
    text += fmt::format("; {} were sampled, not used", EventKindName(static_cast<uint16_t>(kind)));
  }
  return text;
}

std::string NotesText(const QueueLatency& queue, const Page& page) {
  std::string text = Paragraph("followed   ", FollowedText(queue), page);
  if (queue.bound_ns) {
    text +=
        Paragraph("clocks     ",
                  fmt::format("host to guest known to +-{}", DurationText(*queue.bound_ns)), page);
  }
  if (queue.in_tail > 0) {
    text += Paragraph("slow tail  ",
                      fmt::format("{} journeys of {} or more", Thousands(queue.in_tail),
                                  DurationText(queue.tail_ns)),
                      page);
  }
  if (queue.sums > 0) {
    std::string sums = fmt::format("stages add up to the whole in {} of {}",
                                   Thousands(queue.sums - queue.sums_wrong), Thousands(queue.sums));
    if (queue.sums_wrong > 0) sums += ": the clocks' relation is not what it was taken for";
    text += Paragraph("sums       ", sums, page);
  }
  return text;
}

std::string OverText(const QueueLatency& queue, int64_t zero_ns, const Page& page) {
  if (queue.over.empty()) return "";
  Table table{.columns = {{.title = "began", .align = Align::kRight},
                          {.title = "bound", .align = Align::kRight, .hide_rank = 1},
                          {.title = "position", .align = Align::kRight, .hide_rank = 2},
                          {.title = "took", .align = Align::kRight},
                          {.title = "stages", .wrap = true}},
              .rows = {}};
  for (const SlowJourney& slow : queue.over) {
    std::string stages;
    for (size_t i = 0; i < slow.stages.size(); ++i) {
      const Span& span = slow.stages[i];
      stages +=
          fmt::format("{}{} {}", i == 0 ? "" : ", ", StageName(slow.points[i], slow.points[i + 1]),
                      SpanText(span.lo_ns, span.hi_ns));
    }
    const double seconds = static_cast<double>(slow.axis_ns - zero_ns) / 1e9;
    table.rows.push_back({{fmt::format("{:+.6f} s", seconds)},
                          {fmt::format("+-{}", DurationText(slow.axis_half_ns))},
                          {Thousands(slow.pos)},
                          {SpanText(slow.whole.lo_ns, slow.whole.hi_ns)},
                          {std::move(stages)}});
  }
  std::string text = fmt::format("\n{}", RenderTable(table, page));
  if (queue.more_over > 0) text += fmt::format("({} more)\n", Thousands(queue.more_over));
  return text;
}

Json SpanJson(int64_t lo_ns, int64_t hi_ns) { return {{"lo_ns", lo_ns}, {"hi_ns", hi_ns}}; }

void AddShares(const StageLatency& stage, Json* json) {
  const char* const names[] = {"p50", "p90", "p99", "p999"};
  for (size_t i = 0; i < std::size(kShares); ++i) {
    (*json)[names[i]] = SpanJson(stage.lo.At(kShares[i]), stage.hi.At(kShares[i]));
  }
  (*json)["max"] = SpanJson(stage.lo.max_ns(), stage.hi.max_ns());
}

Json StageJson(const StageLatency& stage) {
  Json json = {{"from", PathPointName(stage.from)},
               {"to", PathPointName(stage.to)},
               {"count", stage.lo.count()}};
  AddShares(stage, &json);
  json["in_tail"] = stage.in_tail;
  json["tail_share"] = stage.tail_share;
  return json;
}

Json WaitJson(const StageLatency& wait) {
  if (wait.lo.count() == 0) return nullptr;
  Json json = {{"count", wait.lo.count()}};
  AddShares(wait, &json);
  json["tail_share"] = wait.tail_share;
  return json;
}

Json JourneyJson(const SlowJourney& slow) {
  Json stages = Json::array();
  for (size_t i = 0; i < slow.stages.size(); ++i) {
    Json stage = {{"from", PathPointName(slow.points[i])},
                  {"to", PathPointName(slow.points[i + 1])}};
    stage.update(SpanJson(slow.stages[i].lo_ns, slow.stages[i].hi_ns));
    stages.push_back(std::move(stage));
  }
  return {{"t", Rfc3339(slow.axis_ns)},
          {"bound_ns", slow.axis_half_ns},
          {"position", slow.pos},
          {"vcpu_wait",
           slow.vcpu_wait ? SpanJson(slow.vcpu_wait->lo_ns, slow.vcpu_wait->hi_ns) : Json(nullptr)},
          {"whole", SpanJson(slow.whole.lo_ns, slow.whole.hi_ns)},
          {"stages", std::move(stages)}};
}

std::vector<Cell> WriterRow(const std::string& queue, const char* what, const Histogram& times) {
  std::vector<Cell> row = {{queue}, {what}, {Thousands(times.count())}};
  for (const double share : kShares) row.push_back({DurationText(times.At(share))});
  row.push_back({DurationText(times.max_ns())});
  return row;
}

std::string WritersText(const std::vector<WriterLatency>& writers, const Page& page) {
  Table table{.columns = {{.title = "backend's thread"},
                          {.title = ""},
                          {.title = "n", .align = Align::kRight, .hide_rank = 1},
                          {.title = "p50", .align = Align::kRight},
                          {.title = "p90", .align = Align::kRight, .hide_rank = 2},
                          {.title = "p99", .align = Align::kRight},
                          {.title = "p99.9", .align = Align::kRight, .hide_rank = 3},
                          {.title = "max", .align = Align::kRight}},
              .rows = {}};
  for (const WriterLatency& writer : writers) {
    if (writer.forwarded.count() > 0) {
      table.rows.push_back(WriterRow(writer.queue, "took packets, wrote", writer.forwarded));
    }
    if (writer.returned.count() > 0) {
      table.rows.push_back(WriterRow(writer.queue, "held in the write", writer.returned));
    }
  }
  return RenderTable(table, page);
}

Json TimesJson(const Histogram& times) {
  if (times.count() == 0) return nullptr;
  return {{"count", times.count()},   {"p50_ns", times.At(0.5)},    {"p90_ns", times.At(0.9)},
          {"p99_ns", times.At(0.99)}, {"p999_ns", times.At(0.999)}, {"max_ns", times.max_ns()}};
}

}  // namespace

Json WriterRows(const std::vector<WriterLatency>& writers) {
  Json rows = Json::array();
  for (const WriterLatency& writer : writers) {
    rows.push_back({{"queue", writer.queue},
                    {"returned", TimesJson(writer.returned)},
                    {"forwarded", TimesJson(writer.forwarded)}});
  }
  return rows;
}

std::string LatencyText(const std::vector<QueueLatency>& queues,
                        const std::vector<WriterLatency>& writers, int64_t zero_ns,
                        const Page& page) {
  if (queues.empty() && writers.empty()) {
    return Paragraph("",
                     "No queue was recorded on both sides and bound, with details or marks that "
                     "meet: there is nothing to follow from host to guest.",
                     page);
  }
  std::string text;
  for (const QueueLatency& queue : queues) {
    if (!text.empty()) text += "\n";
    text += Styled(queue.queue + " - " + queue.host_queue, Style::kBold, page) + "\n";
    if (!queue.stages.empty()) text += StagesText(queue, page);
    text += NotesText(queue, page) + OverText(queue, zero_ns, page);
  }
  if (!text.empty() && !writers.empty()) text += "\n";
  if (!writers.empty()) text += WritersText(writers, page);
  text += "\n";
  return text +
         Paragraph("",
                   "Percentiles are at most 1.6% off what was recorded; +- is what clocks of "
                   "two nodes leave open.",
                   page);
}

Json LatencyRows(const std::vector<QueueLatency>& queues) {
  Json rows = Json::array();
  for (const QueueLatency& queue : queues) {
    Json stages = Json::array();
    for (const StageLatency& stage : queue.stages) stages.push_back(StageJson(stage));
    Json over = Json::array();
    for (const SlowJourney& slow : queue.over) over.push_back(JourneyJson(slow));
    Json sampled = Json::array();
    for (const EventKind kind : queue.sampled) {
      sampled.push_back(EventKindName(static_cast<uint16_t>(kind)));
    }
    const Unfollowed& not_followed = queue.unfollowed;
    rows.push_back({{"queue", queue.queue},
                    {"host_queue", queue.host_queue},
                    {"by", queue.by_marks ? "marks" : "details"},
                    {"journeys", queue.journeys},
                    {"unfollowed",
                     {{"entries", not_followed.entries},
                      {"no_poll", not_followed.no_poll},
                      {"holes", not_followed.holes},
                      {"too_many", not_followed.too_many},
                      {"no_packet", not_followed.no_packet}}},
                    {"sampled", std::move(sampled)},
                    {"stages", std::move(stages)},
                    {"whole", queue.whole.lo.count() > 0 ? StageJson(queue.whole) : Json(nullptr)},
                    {"vcpu_wait", WaitJson(queue.vcpu_wait)},
                    {"bound_ns", queue.bound_ns ? Json(*queue.bound_ns) : Json(nullptr)},
                    {"sums", {{"checked", queue.sums}, {"wrong", queue.sums_wrong}}},
                    {"tail_ns", queue.in_tail > 0 ? Json(queue.tail_ns) : Json(nullptr)},
                    {"in_tail", queue.in_tail},
                    {"over", std::move(over)},
                    {"more_over", queue.more_over}});
  }
  return rows;
}

}  // namespace ringside
