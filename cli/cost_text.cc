// SPDX-License-Identifier: Apache-2.0
#include "cli/cost_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/format.h"
#include "correlate/window.h"

namespace ringside {
namespace {

constexpr double kNsPerS = 1e9;

double SumPercent(const std::vector<CostRow>& rows) {
  double sum = 0;
  for (const CostRow& row : rows) sum += row.percent.value_or(0);
  return sum;
}

// Hits of hooks whose cost is not known: the sum above lacks them.
bool Complete(const std::vector<CostRow>& rows) {
  return std::all_of(rows.begin(), rows.end(), [](const CostRow& row) {
    return row.percent.has_value() || row.hits_per_s == 0;
  });
}

}  // namespace

std::vector<CostRow> CostRows(const HookReport& report) {
  std::vector<CostRow> rows;
  for (const HookCost& cost : report.costs) {
    CostRow row{.cost = &cost};
    if (report.watched_ns > 0) row.hits_per_s = cost.hits * kNsPerS / report.watched_ns;
    const double ns = report.measured ? HitNs({}, cost, std::nan("")) : std::nan("");
    if (!std::isnan(ns)) {
      row.hit_ns = ns;
      row.percent = 100 * row.hits_per_s * ns / kNsPerS;
    }
    rows.push_back(row);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const CostRow& a, const CostRow& b) {
    const double of_a = a.percent.value_or(0), of_b = b.percent.value_or(0);
    return of_a != of_b ? of_a > of_b : a.hits_per_s > b.hits_per_s;
  });
  return rows;
}

std::string CostText(const HookReport& report, int cpus, const Page& page) {
  const std::vector<CostRow> rows = CostRows(report);
  Table table{.columns = {{.title = "hook"},
                          {.title = "rung"},
                          {.title = "hits/s", .align = Align::kRight},
                          {.title = "ns/hit", .align = Align::kRight},
                          {.title = "% of one CPU", .align = Align::kRight}},
              .rows = {}};
  for (const CostRow& row : rows) {
    table.rows.push_back(
        {{row.cost->target},
         {RungName(row.cost->rung)},
         {Thousands(static_cast<uint64_t>(row.hits_per_s + 0.5))},
         {row.hit_ns ? fmt::format("{:.0f}", *row.hit_ns) : "-", Style::kPlain},
         {row.percent ? fmt::format("{:.3f}", *row.percent) : "-", Style::kPlain}});
  }
  std::string text = RenderTable(table, page);
  if (!report.measured) {
    return text + Paragraph("",
                            "The kernel did not measure its programs (it must be 5.8 or newer, "
                            "and this needs CAP_SYS_ADMIN).",
                            page);
  }
  const double sum = SumPercent(rows);
  text += Paragraph(
      "sum  ",
      fmt::format("{}{:.3f}% of one CPU, {:.4f}% of this machine's {}, over {} of its present load",
                  Complete(rows) ? "" : "at least ", sum, sum / std::max(cpus, 1), cpus,
                  DurationText(report.watched_ns)),
      page);
  text += Paragraph(
      "     ",
      fmt::format("counting only; the agent's own ceiling is {:.1f}% of the machine (--ceiling). "
                  "What the kernel spends to get to a program is not in it, but for {:.0f} ns "
                  "added to each kprobe.",
                  kCeilingPercent, kKprobeEntryNs),
      page);
  return text;
}

Json CostJson(const HookReport& report, int cpus) {
  const std::vector<CostRow> rows = CostRows(report);
  Json hooks = Json::array();
  for (const CostRow& row : rows) {
    hooks.push_back({{"target", row.cost->target},
                     {"rung", RungName(row.cost->rung)},
                     {"group", row.cost->group},
                     {"hits", row.cost->hits},
                     {"hit_ns", row.hit_ns ? Json(*row.hit_ns) : Json(nullptr)},
                     {"cpu_percent", row.percent ? Json(*row.percent) : Json(nullptr)}});
  }
  return {{"watched_ns", report.watched_ns},
          {"measured", report.measured},
          {"cpus", cpus},
          {"cpu_percent", SumPercent(rows)},
          {"complete", report.measured && Complete(rows)},
          {"ceiling_percent", kCeilingPercent},
          {"hooks", std::move(hooks)}};
}

}  // namespace ringside
