// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/score.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <thread>

namespace ringside::sim {
namespace {

// Words by which a text names a kind of evidence that is not there.
const std::map<std::string, std::vector<std::string>>& Words() {
  static const std::map<std::string, std::vector<std::string>> words = {
      {"guest", {"guest", "only one side"}},
      {"merged", {"merge", "pending"}},
      {"kvm", {"kvm", "irqfd", "inject"}},
      {"positions", {"position", "packed"}},
      {"vcpu", {"vcpu"}},
      {"softnet", {"softnet"}},
      {"log", {"log"}},
      {"hook-misses", {"losses", "misses", "missed", "lost"}}};
  return words;
}

bool Mentions(const std::vector<std::string>& texts, const std::string& kind) {
  for (std::string text : texts) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const std::string& word : Words().at(kind)) {
      if (text.find(word) != std::string::npos) return true;
    }
  }
  return false;
}

// "vm1/*": any queue of vm1.
bool Fits(const NamedCause& truth, const NamedCause& found) {
  if (truth.id != found.id) return false;
  if (!truth.queue.ends_with("*")) return truth.queue == found.queue;
  return found.queue.starts_with(truth.queue.substr(0, truth.queue.size() - 2));
}

void JudgeRoots(Outcome* outcome) {
  std::vector<NamedCause> found = outcome->judgement.roots;
  std::erase_if(found, [](const NamedCause& cause) { return cause.id == "data-loss"; });
  const auto& truth = outcome->truth;
  const bool all = std::all_of(truth.begin(), truth.end(), [&](const NamedCause& t) {
    return std::any_of(found.begin(), found.end(), [&](const auto& f) { return Fits(t, f); });
  });
  outcome->wrong_root = !std::all_of(found.begin(), found.end(), [&](const NamedCause& f) {
    return std::any_of(truth.begin(), truth.end(), [&](const auto& t) { return Fits(t, f); });
  });
  outcome->right_roots = all && !outcome->wrong_root;
  std::vector<std::string> texts = outcome->judgement.missing;
  texts.insert(texts.end(), outcome->judgement.inconclusives.begin(),
               outcome->judgement.inconclusives.end());
  for (const std::string& kind : outcome->withheld) {
    if (!Mentions(texts, kind)) outcome->named_missing = false;
  }
}

Outcome PlayOne(const ScoreOptions& options, uint64_t seed) {
  Outcome outcome;
  const auto spec = MakeRun(options.scenario, seed, options.mutation);
  if (!spec) {
    outcome.judgement.failure = "no such scenario";
    return outcome;
  }
  outcome.lossy = spec->lossy;
  outcome.host_only = spec->host_only;
  outcome.truth = spec->roots;
  outcome.withheld = spec->withheld;
  outcome.full_evidence = spec->withheld.empty() && !spec->lossy && spec->exchanges;
  for (const Scenario& scenario : AllScenarios()) {
    if (spec->scenario == scenario.name) outcome.family = scenario.family;
  }
  outcome.judgement = Judge(*spec);
  JudgeRoots(&outcome);
  return outcome;
}

// What a host alone must call a truth, one of these; empty: more than it can see.
std::vector<std::string> HostNames(const std::string& truth) {
  if (truth == "dead-queue") return {"dead-queue"};
  if (truth == "suppressed-stall") return {"suppressed-stall"};
  if (truth == "irq-disabled") return {"vector-masked", "dead-queue"};  // masked before it came
  return {};
}

std::string Ids(const std::vector<NamedCause>& causes) {
  std::vector<std::string> ids;
  for (const NamedCause& cause : causes) ids.push_back(cause.id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : "+") + id;
  return text.empty() ? "-" : text;
}

void Add(const Outcome& outcome, Score* score) {
  const Judgement& j = outcome.judgement;
  if (!j.failure.empty()) ++score->failures;
  (outcome.family == Family::kHealthy ? score->misses : score->misses_faulty) += j.misses.size();
  score->cells += j.cells;
  ++score->confusion[{Ids(outcome.truth), Ids(j.roots)}];
  const bool good = !outcome.bad();
  Score::Part* part = &score->healthy;
  if (outcome.family == Family::kPower) {
    part = &score->power;
  } else if (outcome.family != Family::kHealthy) {
    part = !outcome.withheld.empty()         ? &score->withheld
           : outcome.family == Family::kPair ? &score->pair
                                             : &score->single;
  } else {
    score->violated_cells += j.violated.size();
    score->findings += static_cast<uint64_t>(
        std::count_if(j.findings.begin(), j.findings.end(),
                      [](const NamedCause& cause) { return cause.id != "data-loss"; }));
    if (outcome.full_evidence) {
      score->full_verdicts += j.verdicts;
      score->full_inconclusive += j.inconclusive;
    }
  }
  ++part->runs;
  if (good) ++part->good;
  for (const NamedCause& truth : outcome.truth) {
    const std::vector<std::string> names = HostNames(truth.id);
    if (!outcome.host_only || names.empty()) continue;
    ++score->named.runs;
    score->named.good += std::any_of(names.begin(), names.end(), [&](const std::string& id) {
      return std::any_of(j.findings.begin(), j.findings.end(), [&](const NamedCause& found) {
        return Fits({id, truth.queue}, found);
      });
    });
  }
}

// The bars of the issue, each over the runs that were played.
bool Passed(const Score& score) {
  const auto at_least = [](const Score::Part& part, double share) {
    return static_cast<double>(part.good) >= share * static_cast<double>(part.runs);
  };
  return score.failures == 0 && score.misses == 0 && score.violated_cells == 0 &&
         score.findings == 0 && at_least(score.healthy, 1) && at_least(score.single, 0.99) &&
         at_least(score.pair, 0.95) && at_least(score.withheld, 1) && at_least(score.power, 0.95) &&
         at_least(score.named, 0.95) && score.full_inconclusive * 50 <= score.full_verdicts;
}

}  // namespace

bool Outcome::bad() const {
  constexpr uint64_t kPowerInterrupts = 200'000;
  const Judgement& j = judgement;
  if (!j.failure.empty()) return true;
  switch (family) {
    case Family::kHealthy:
      return !j.misses.empty() || !j.violated.empty() ||
             std::any_of(j.findings.begin(), j.findings.end(),
                         [](const NamedCause& cause) { return cause.id != "data-loss"; });
    case Family::kPower: return j.violated.empty() || j.interrupts < kPowerInterrupts;
    case Family::kFault:
    case Family::kPair: break;
  }
  return withheld.empty() ? !right_roots : wrong_root || !named_missing;
}

std::string NamedBy(const Outcome& outcome, const NamedCause& truth) {
  std::vector<NamedCause> there;
  for (const NamedCause& found : outcome.judgement.findings) {
    if (Fits({found.id, truth.queue}, found)) there.push_back(found);
  }
  return Ids(there);
}

Score MakeScore(const ScoreOptions& options) {
  Score score;
  const uint64_t n = options.to - options.from + 1;
  score.outcomes.resize(n);
  std::atomic<uint64_t> next = 0;
  const auto work = [&] {
    for (uint64_t i = next++; i < n; i = next++) {
      score.outcomes[i] = PlayOne(options, options.from + i);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < options.jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const Outcome& outcome : score.outcomes) Add(outcome, &score);
  score.passed = Passed(score);
  return score;
}

}  // namespace ringside::sim
