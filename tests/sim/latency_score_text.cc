// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "tests/sim/latency_score.h"

namespace ringside::sim {
namespace {

constexpr size_t kFailuresShown = 20;

struct Row {
  uint64_t runs = 0, bad = 0, entries = 0, journeys = 0, packets = 0, stages = 0, outside = 0,
           quantiles = 0, quantiles_outside = 0, waits = 0, waits_outside = 0, sums_wrong = 0;
  std::vector<int64_t> bounds;
  void Add(const LatencyOutcome& o) {
    ++runs;
    bad += o.bad.empty() ? 0 : 1;
    entries += o.entries;
    journeys += o.journeys;
    packets += o.packets;
    stages += o.stages;
    outside += o.outside;
    quantiles += o.quantiles;
    quantiles_outside += o.quantiles_outside;
    waits += o.waits;
    waits_outside += o.waits_outside;
    sums_wrong += o.sums_wrong;
    if (o.bound_ns) bounds.push_back(*o.bound_ns);
  }
  double followed() const {
    return static_cast<double>(journeys) / static_cast<double>(std::max<uint64_t>(1, entries));
  }
  int64_t MedianBound() const {
    std::vector<int64_t> sorted = bounds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

std::map<std::string, Row> Rows(const LatencyScore& score) {
  std::map<std::string, Row> rows;
  for (const LatencyOutcome& o : score.outcomes) rows[o.scenario].Add(o);
  return rows;
}

Row All(const LatencyScore& score) {
  Row all;
  for (const LatencyOutcome& o : score.outcomes) all.Add(o);
  return all;
}

}  // namespace

std::string LatencyScoreText(const LatencyScore& score, bool verbose) {
  std::string text =
      fmt::format("{:<20}{:>5}{:>5}{:>9}{:>10}{:>9}{:>10}{:>9}{:>8}{:>9}{:>8}{:>8}{:>6}{:>12}\n",
                  "", "runs", "bad", "entries", "followed", "packets", "stages", "outside",
                  "shares", "outside", "waits", "outside", "sums", "bound ns");
  for (const auto& [name, row] : Rows(score)) {
    text += fmt::format(
        "{:<20}{:>5}{:>5}{:>9}{:>9.1f}%{:>9}{:>10}{:>9}{:>8}{:>9}{:>8}{:>8}{:>6}{:>12}\n", name,
        row.runs, row.bad, row.entries, 100 * row.followed(), row.packets, row.stages, row.outside,
        row.quantiles, row.quantiles_outside, row.waits, row.waits_outside, row.sums_wrong,
        row.bounds.empty() ? "-" : fmt::format("{}", row.MedianBound()));
  }
  size_t shown = 0;
  for (const LatencyOutcome& o : score.outcomes) {
    if (o.bad.empty() || (!verbose && shown++ >= kFailuresShown)) continue;
    text += fmt::format("seed {} {}: {}; {} of {} entries followed\n", o.seed, o.scenario, o.bad,
                        o.journeys, o.entries);
    for (const std::string& line : o.what) text += "  " + line + "\n";
  }
  const Row all = All(score);
  return text + fmt::format(
                    "{}: runs {} not judged right {} entries {} followed {} stages {} outside {} "
                    "percentiles {} outside {} waits {} outside {} sums wrong {}\n",
                    score.passed ? "passed" : "FAILED", all.runs, all.bad, all.entries,
                    all.journeys, all.stages, all.outside, all.quantiles, all.quantiles_outside,
                    all.waits, all.waits_outside, all.sums_wrong);
}

std::string LatencyScoreJson(const LatencyScore& score) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [name, row] : Rows(score)) {
    rows.push_back({{"scenario", name},
                    {"runs", row.runs},
                    {"bad", row.bad},
                    {"entries", row.entries},
                    {"journeys", row.journeys},
                    {"packets", row.packets},
                    {"stages", row.stages},
                    {"outside", row.outside},
                    {"percentiles", row.quantiles},
                    {"percentiles_outside", row.quantiles_outside},
                    {"waits", row.waits},
                    {"waits_outside", row.waits_outside},
                    {"sums_wrong", row.sums_wrong},
                    {"bound_ns", nullptr}});
    if (!row.bounds.empty()) rows.back()["bound_ns"] = row.MedianBound();
  }
  nlohmann::json failing = nlohmann::json::array();
  for (const LatencyOutcome& o : score.outcomes) {
    if (o.bad.empty()) continue;
    failing.push_back({{"seed", o.seed}, {"scenario", o.scenario}, {"why", o.bad}});
  }
  const nlohmann::json json = {{"schema", 1},
                               {"runs", score.outcomes.size()},
                               {"bad", score.bad},
                               {"passed", score.passed},
                               {"rows", std::move(rows)},
                               {"failing", std::move(failing)}};
  return json.dump(1) + "\n";
}

}  // namespace ringside::sim
