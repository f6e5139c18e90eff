// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/clock_score.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "tests/sim/clock_limit.h"

namespace ringside::sim {
namespace {

constexpr int kInstants = 200;
constexpr int kLimitInstants = 21;
// Evidence that fails to fit by less may be hidden by the widths of the readings that convert it.
constexpr double kReadingNs = 2000;
constexpr int64_t kBestHalfNs = 1000;
constexpr double kSlopeMax = 1e-3;  // the model's own
constexpr int64_t kOverLimitNs = 100;

template <typename T>
T Median(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool StepsInside(ClockFault fault) {
  return fault == ClockFault::kStepped || fault == ClockFault::kMisbound;
}

// A fault of which the clocks' own readings say nothing, or one of the evidence: it can be told
// from what is right only where it leaves no line.
std::string Verdict(const ClockOutcome& o) {
  const ClockSpec& spec = o.spec;
  if (StepsInside(spec.fault)) {
    if (o.broken && !o.found) return "not found";
    if (!o.found) return "";
    const bool claimed = spec.fault == ClockFault::kStepped ? o.trust != ClockTrust::kContradicted
                                                            : o.trust == ClockTrust::kGood;
    return claimed && o.outside > 0 ? "truth outside" : "";
  }
  if (o.found) return "conflict in a healthy run";
  if (o.outside > 0) return "truth outside";
  const bool best = spec.tsc || spec.ptp;
  if (best && spec.fault == ClockFault::kNone && o.half_ns >= kBestHalfNs) return "too wide";
  if (o.over_limit_ns && *o.over_limit_ns > kOverLimitNs) return "wider than the hull's limit";
  return "";
}

// The run's evidence as the nodes' readings turn it into RAW, the widths of the readings included.
std::vector<ClockRun::Exact> AsRead(const ClockRun& run, const SteadyScale& local,
                                    const SteadyScale& reference) {
  std::vector<ClockRun::Exact> evidence;
  for (const ClockEvidence& e : run.evidence) {
    const ClockRange x = local.At(e.local_mono_ns);
    const ClockRange r = reference.At(e.reference_mono_ns);
    if (e.upper) evidence.push_back({x.lo_ns * 1.0L, r.hi_ns * 1.0L, true});
    if (!e.upper) evidence.push_back({x.hi_ns * 1.0L, r.lo_ns * 1.0L, false});
  }
  return evidence;
}

void LookAt(const ClockRun& run, const ClockFit& fit, const SteadyScale& local,
            const SteadyScale& reference, ClockOutcome* o) {
  const ClockSpec& spec = run.spec;
  const bool other = spec.machines || spec.ptp || spec.tsc || spec.exchange;
  const bool limited = !other && spec.fault == ClockFault::kNone;
  std::vector<ClockRun::Exact> none;
  const bool needed = limited || StepsInside(spec.fault);
  const ClockLimit exact(needed ? run.exact : none, kSlopeMax);
  const ClockLimit limit(limited ? AsRead(run, local, reference) : none, kSlopeMax);
  if (StepsInside(spec.fault)) o->broken = exact.bounded() && exact.room() < -kReadingNs;
  Random random(spec.seed, "instants");
  std::vector<int64_t> halves, over, over_exact;
  for (int i = 0; i < kInstants; ++i) {
    const int64_t t = random.Between(0, spec.span_ns);
    if (!run.local.Runs(t)) continue;
    ++o->instants;
    const ClockRange at = ReferenceAt(fit, local, run.local.MonoNs(t));
    if (!at.known()) {
      ++o->unknown;
      continue;
    }
    const int64_t truth = run.reference.RawNs(t);
    const int64_t away = std::max(at.lo_ns - truth, truth - at.hi_ns);
    if (away > 0) ++o->outside;
    o->worst_ns = std::max(o->worst_ns, away);
    halves.push_back(at.half_ns());
    if (!limited || i >= kLimitInstants) continue;
    const long double raw = run.local.raw.At(t);
    over.push_back(at.half_ns() - static_cast<int64_t>(limit.HalfAt(raw)));
    over_exact.push_back(at.half_ns() - static_cast<int64_t>(exact.HalfAt(raw)));
  }
  if (!halves.empty()) o->half_ns = Median(halves);
  if (over.empty()) return;
  o->over_limit_ns = Median(over);
  o->over_exact_ns = Median(over_exact);
}

}  // namespace

ClockOutcome JudgeClockRun(const ClockRun& run) {
  ClockOutcome o{.spec = run.spec};
  SteadyScale local, reference;
  for (const ClockReading& reading : run.local_readings) local.Add(reading);
  for (const ClockReading& reading : run.reference_readings) reference.Add(reading);
  ClockOptions options;
  if (run.spec.machines) options.wander_ppb_per_s = 20;
  const ClockFit fit = FitClocks(options, local, reference, run.evidence);
  o.conflicts = fit.map.conflict_count();
  o.trust = fit.trust;
  o.found = fit.trust != ClockTrust::kGood || !fit.wrong.empty();
  LookAt(run, fit, local, reference, &o);
  o.bad = Verdict(o);
  return o;
}

ClockScore MakeClockScore(uint64_t from_seed, uint64_t to_seed, int jobs) {
  ClockScore score;
  score.outcomes.resize(to_seed - from_seed + 1);
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < score.outcomes.size(); i = next++) {
      score.outcomes[i] = JudgeClockRun(PlayClockRun(DrawClockSpec(from_seed + i)));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const ClockOutcome& o : score.outcomes) score.bad += o.bad.empty() ? 0 : 1;
  score.passed = score.bad == 0;
  return score;
}

namespace {

struct Row {
  uint64_t runs = 0, bad = 0, broken = 0, found = 0, instants = 0, outside = 0, unknown = 0;
  std::vector<int64_t> halves, over, exact;
};

std::map<std::string, Row> Rows(const ClockScore& score) {
  std::map<std::string, Row> rows;
  for (const ClockOutcome& o : score.outcomes) {
    Row& row = rows[o.spec.Name()];
    ++row.runs;
    row.bad += o.bad.empty() ? 0 : 1;
    row.broken += o.broken ? 1 : 0;
    row.found += o.found ? 1 : 0;
    row.instants += o.instants;
    row.outside += o.outside;
    row.unknown += o.unknown;
    if (o.unknown < o.instants) row.halves.push_back(o.half_ns);
    if (o.over_limit_ns) row.over.push_back(*o.over_limit_ns);
    if (o.over_exact_ns) row.exact.push_back(*o.over_exact_ns);
  }
  return rows;
}

}  // namespace

std::string ClockScoreText(const ClockScore& score, bool verbose) {
  std::string text = fmt::format("{:<32}{:>5}{:>5}{:>7}{:>6}{:>9}{:>8}{:>8}{:>11}{:>7}{:>7}{:>7}\n",
                                 "medians in ns", "runs", "bad", "broken", "found", "instants",
                                 "outside", "unknown", "half-width", "+limit", "most", "+exact");
  const auto ns = [](const std::vector<int64_t>& values) {
    return values.empty() ? "-" : fmt::format("{}", Median(values));
  };
  const auto most = [](const std::vector<int64_t>& values) {
    return values.empty() ? "-"
                          : fmt::format("{}", *std::max_element(values.begin(), values.end()));
  };
  uint64_t instants = 0, outside = 0;
  for (const auto& [name, row] : Rows(score)) {
    text += fmt::format("{:<32}{:>5}{:>5}{:>7}{:>6}{:>9}{:>8}{:>8}{:>11}{:>7}{:>7}{:>7}\n", name,
                        row.runs, row.bad, row.broken, row.found, row.instants, row.outside,
                        row.unknown, ns(row.halves), ns(row.over), most(row.over), ns(row.exact));
    instants += row.instants;
    outside += row.outside;
  }
  for (const ClockOutcome& o : score.outcomes) {
    if (o.bad.empty() || !verbose) continue;
    text += fmt::format(
        "seed {} {}{}: {}; outside {} by up to {} ns, half-width {} ns, {} more than "
        "the evidence allows, conflicts {}\n",
        o.spec.seed, o.spec.Name(), o.spec.slews ? ", slews" : "", o.bad, o.outside, o.worst_ns,
        o.half_ns, o.over_limit_ns.value_or(-1), o.conflicts);
  }
  text += fmt::format("{} runs, {} not judged right; {} instants, {} outside their bound: {}\n",
                      score.outcomes.size(), score.bad, instants, outside,
                      score.passed ? "passed" : "FAILED");
  return text;
}

std::string ClockScoreJson(const ClockScore& score) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [name, row] : Rows(score)) {
    nlohmann::json json = {
        {"runs_of", name},          {"runs", row.runs},        {"bad", row.bad},
        {"broken", row.broken},     {"found", row.found},      {"instants", row.instants},
        {"outside", row.outside},   {"unknown", row.unknown},  {"half_width_ns", nullptr},
        {"over_limit_ns", nullptr}, {"over_exact_ns", nullptr}};
    if (!row.halves.empty()) json["half_width_ns"] = Median(row.halves);
    if (!row.over.empty()) json["over_limit_ns"] = Median(row.over);
    if (!row.exact.empty()) json["over_exact_ns"] = Median(row.exact);
    rows.push_back(std::move(json));
  }
  const nlohmann::json json = {{"schema", 1},
                               {"runs", score.outcomes.size()},
                               {"bad", score.bad},
                               {"passed", score.passed},
                               {"rows", rows}};
  return json.dump(1) + "\n";
}

}  // namespace ringside::sim
