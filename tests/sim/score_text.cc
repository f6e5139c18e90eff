// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "tests/sim/score.h"

namespace ringside::sim {
namespace {

constexpr size_t kFailuresShown = 20;
constexpr size_t kReasonsShown = 4;

std::string Percent(const Score::Part& part) {
  if (part.runs == 0) return "-";
  return fmt::format("{}/{} ({:.1f}%)", part.good, part.runs,
                     100.0 * static_cast<double>(part.good) / static_cast<double>(part.runs));
}

std::string Names(const std::vector<NamedCause>& causes) {
  std::string text;
  for (const NamedCause& cause : causes) {
    text += fmt::format("{}{}@{}", text.empty() ? "" : " ", cause.id, cause.queue);
  }
  return text.empty() ? "none" : text;
}

std::string MissText(const Miss& miss) {
  return fmt::format("{} {}: truth {} outside [{}, {}] ({})", miss.queue, CountName(miss.count),
                     miss.truth, miss.lo, miss.hi ? fmt::format("{}", *miss.hi) : "unknown",
                     miss.at_position ? "at positions" : "by time");
}

void FailureText(const Outcome& outcome, bool all, std::string* text) {
  const Judgement& j = outcome.judgement;
  *text += fmt::format("  seed {} {}", j.seed, j.scenario);
  for (const std::string& kind : outcome.withheld) *text += fmt::format(" [without {}]", kind);
  *text += "\n";
  if (!j.failure.empty()) *text += fmt::format("    model: {}\n", j.failure);
  if (outcome.family != Family::kHealthy && outcome.family != Family::kPower) {
    *text += fmt::format("    truth: {}\n    roots: {}\n", Names(outcome.truth), Names(j.roots));
  }
  if (!outcome.named_missing) *text += "    what is withheld is not named\n";
  if (outcome.family == Family::kHealthy && !j.findings.empty()) {
    *text += fmt::format("    findings: {}\n", Names(j.findings));
  }
  const size_t shown = all ? SIZE_MAX : kReasonsShown;
  for (size_t i = 0; i < std::min(shown, j.misses.size()); ++i) {
    *text += fmt::format("    interval: {}\n", MissText(j.misses[i]));
  }
  if (outcome.family != Family::kHealthy && !all) return;
  for (size_t i = 0; i < std::min(shown, j.violated.size()); ++i) {
    *text += fmt::format("    violated: {}\n", j.violated[i]);
  }
}

// Intervals of faulty runs rest on what the fault breaks; none of them is a bar.
void FaultyMissesText(const Score& score, std::string* text) {
  size_t shown = 0;
  for (const Outcome& outcome : score.outcomes) {
    const Judgement& j = outcome.judgement;
    if (outcome.family == Family::kHealthy || j.misses.empty() || shown == kFailuresShown) continue;
    if (shown++ == 0) *text += "intervals without the truth in faulty runs\n";
    *text += fmt::format("  seed {} {}: {}\n", j.seed, j.scenario, MissText(j.misses.front()));
  }
}

void ConfusionText(const Score& score, std::string* text) {
  *text += "roots: truth -> found\n";
  for (const auto& [pair, count] : score.confusion) {
    const char* const mark = pair.first == pair.second ? " " : "!";
    *text += fmt::format("  {} {:<44} {:<44} {:>5}\n", mark, pair.first, pair.second, count);
  }
}

// What the host alone says of the queue that is at fault, by what is.
void NamedText(const Score& score, std::string* text) {
  std::map<std::pair<std::string, std::string>, uint64_t> named;
  for (const Outcome& outcome : score.outcomes) {
    if (!outcome.host_only) continue;
    for (const NamedCause& truth : outcome.truth) {
      ++named[{truth.id, NamedBy(outcome, truth)}];
    }
  }
  if (!named.empty()) *text += "named by the host alone: truth -> findings of its queue\n";
  for (const auto& [pair, runs] : named) {
    *text += fmt::format("    {:<24} {:<64} {:>5}\n", pair.first, pair.second, runs);
  }
}

struct Width {
  uint64_t median = 0;
  uint64_t p99 = 0;
  uint64_t max = 0;
  size_t cells = 0;
};

Width WidthOf(const Score& score, Count count) {
  std::vector<uint64_t> widths;
  for (const Outcome& outcome : score.outcomes) {
    const auto& own = outcome.judgement.widths[static_cast<size_t>(count)];
    widths.insert(widths.end(), own.begin(), own.end());
  }
  if (widths.empty()) return {};
  std::sort(widths.begin(), widths.end());
  return {widths[widths.size() / 2], widths[widths.size() * 99 / 100], widths.back(),
          widths.size()};
}

void WidthsText(const Score& score, std::string* text) {
  *text += fmt::format("{:<22} {:>8} {:>8} {:>8} {:>8}\n", "interval width", "median", "p99", "max",
                       "cells");
  for (int i = 0; i < kCounts; ++i) {
    const Width width = WidthOf(score, static_cast<Count>(i));
    if (width.cells == 0) continue;
    *text += fmt::format("  {:<20} {:>8} {:>8} {:>8} {:>8}\n", CountName(static_cast<Count>(i)),
                         width.median, width.p99, width.max, width.cells);
  }
}

std::string Figures(const Score& score) {
  const double inconclusive = score.full_verdicts == 0
                                  ? 0
                                  : 100.0 * static_cast<double>(score.full_inconclusive) /
                                        static_cast<double>(score.full_verdicts);
  return fmt::format(
      "{}: runs {} healthy {} violated {} findings {} intervals-missed {}/{} inconclusive {:.2f}% "
      "single {} pairs {} withheld {} power {} named {} intervals-missed-faulty {}",
      score.passed ? "passed" : "FAILED", score.outcomes.size(), Percent(score.healthy),
      score.violated_cells, score.findings, score.misses, score.cells, inconclusive,
      Percent(score.single), Percent(score.pair), Percent(score.withheld), Percent(score.power),
      Percent(score.named), score.misses_faulty);
}

nlohmann::json PartJson(const Score::Part& part) {
  return {{"runs", part.runs}, {"good", part.good}};
}

}  // namespace

std::string ScoreText(const ScoreOptions& options, const Score& score) {
  std::string text;
  size_t shown = 0;
  size_t bad = 0;
  for (const Outcome& outcome : score.outcomes) {
    if (!outcome.bad()) continue;
    ++bad;
    if (shown >= kFailuresShown && !options.verbose) continue;
    if (shown++ == 0) text += "failing runs\n";
    FailureText(outcome, options.verbose, &text);
  }
  if (bad > shown) text += fmt::format("  and {} more (--verbose)\n", bad - shown);
  FaultyMissesText(score, &text);
  ConfusionText(score, &text);
  NamedText(score, &text);
  WidthsText(score, &text);
  if (score.full_inconclusive > 0) {
    std::set<std::string> reasons;
    for (const Outcome& outcome : score.outcomes) {
      if (outcome.family != Family::kHealthy || !outcome.full_evidence) continue;
      for (const std::string& line : outcome.judgement.inconclusives) {
        if (reasons.size() < kFailuresShown) {
          reasons.insert(fmt::format("  seed {} {}", outcome.judgement.seed, line));
        }
      }
    }
    text += "inconclusive at full evidence\n";
    for (const std::string& reason : reasons) text += reason + "\n";
  }
  return text + Figures(score) + "\n";
}

std::string ScoreJson(const ScoreOptions& options, const Score& score) {
  nlohmann::json json = {{"schema", 1},
                         {"scenario", options.scenario},
                         {"seeds", {options.from, options.to}},
                         {"passed", score.passed},
                         {"violated", score.violated_cells},
                         {"findings", score.findings},
                         {"misses", score.misses},
                         {"misses_faulty", score.misses_faulty},
                         {"cells", score.cells},
                         {"verdicts", score.full_verdicts},
                         {"inconclusive", score.full_inconclusive},
                         {"healthy", PartJson(score.healthy)},
                         {"single", PartJson(score.single)},
                         {"pair", PartJson(score.pair)},
                         {"withheld", PartJson(score.withheld)},
                         {"power", PartJson(score.power)},
                         {"named", PartJson(score.named)}};
  nlohmann::json& failing = json["failing"] = nlohmann::json::array();
  for (const Outcome& outcome : score.outcomes) {
    if (!outcome.bad()) continue;
    failing.push_back({{"seed", outcome.judgement.seed},
                       {"scenario", outcome.judgement.scenario},
                       {"truth", Names(outcome.truth)},
                       {"roots", Names(outcome.judgement.roots)}});
  }
  nlohmann::json& widths = json["widths"] = nlohmann::json::object();
  for (int i = 0; i < kCounts; ++i) {
    const Width width = WidthOf(score, static_cast<Count>(i));
    if (width.cells == 0) continue;
    widths[std::string(CountName(static_cast<Count>(i)))] = {
        {"median", width.median}, {"p99", width.p99}, {"max", width.max}};
  }
  for (const auto& [pair, count] : score.confusion) {
    json["confusion"].push_back({{"truth", pair.first}, {"found", pair.second}, {"runs", count}});
  }
  json["figures"] = Figures(score);
  return json.dump() + "\n";
}

}  // namespace ringside::sim
