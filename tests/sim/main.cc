// SPDX-License-Identifier: Apache-2.0
// ringside-sim: plays runs of the model, as incident files or to judge the engine by them.
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "collector/store/incident_reader.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "tests/sim/claims_score.h"
#include "tests/sim/clock_score.h"
#include "tests/sim/judge.h"
#include "tests/sim/latency_score.h"
#include "tests/sim/scenario.h"
#include "tests/sim/score.h"

namespace ringside::sim {
namespace {

constexpr int kUsage = 2;
constexpr int kFailure = 4;

struct MutationRow {
  Mutation mutation;
  const char* name;
  const char* text;
};
constexpr MutationRow kMutations[] = {
#define X(id, name, text) {Mutation::id, name, text},
    RINGSIDE_SIM_MUTATIONS(X)
#undef X
};

Mutation MutationByName(const std::string& name) {
  for (const MutationRow& row : kMutations) {
    if (name == row.name) return row.mutation;
  }
  throw CLI::ValidationError("--mutate", "no rule is called " + name);
}

nlohmann::json CausesJson(const std::vector<NamedCause>& causes) {
  nlohmann::json json = nlohmann::json::array();
  for (const NamedCause& cause : causes) {
    json.push_back({{"id", cause.id}, {"queue", cause.queue}});
  }
  return json;
}

// The truth of a stored run: counts are those of the cells that the ledger of the file cuts.
absl::Status WriteTruth(const World& world, const std::string& incident, const std::string& path) {
  auto recording = ReadIncident(incident);
  if (!recording.ok()) return recording.status();
  const Ledger ledger = MakeLedger(*recording, {});
  const RunSpec& spec = world.spec();
  nlohmann::json json = {
      {"scenario", spec.scenario},       {"seed", spec.seed},
      {"roots", CausesJson(spec.roots)}, {"contributors", CausesJson(spec.contributors)},
      {"withheld", spec.withheld},       {"counts", nlohmann::json::object()}};
  for (const CellTruth& cell : TruthOf(world, ledger, *recording)) {
    json["counts"][cell.queue][std::string(CountName(cell.count))] = cell.value;
  }
  std::ofstream file(path);
  file << json.dump(1) << "\n";
  file.close();
  return file.good() ? absl::OkStatus() : absl::UnavailableError(path + ": cannot be written");
}

int RunOne(const std::string& scenario, uint64_t seed, const std::string& output,
           const std::string& truth, Mutation mutation) {
  const auto spec = MakeRun(scenario, seed, mutation);
  if (!spec) {
    fmt::print(stderr, "ringside-sim: no scenario is called {}\n", scenario);
    return kUsage;
  }
  auto writer = IncidentWriter::Create(output, "collector1");
  absl::Status status = writer.status();
  if (status.ok()) {
    World world(*spec, *std::move(writer));
    Recording unused;
    status = world.Play(&unused);
    if (status.ok() && !truth.empty()) status = WriteTruth(world, output, truth);
  }
  if (status.ok()) return 0;
  fmt::print(stderr, "ringside-sim: {}\n", std::string(status.message()));
  return kFailure;
}

void List(bool mutations) {
  if (mutations) {
    for (const MutationRow& row : kMutations) fmt::print("{:<20} {}\n", row.name, row.text);
    return;
  }
  for (const Scenario& scenario : AllScenarios()) {
    const char* const family = scenario.family == Family::kHealthy ? "healthy"
                               : scenario.family == Family::kFault ? "fault"
                               : scenario.family == Family::kPair  ? "pair"
                                                                   : "power";
    fmt::print("{:<28} {:<8} {}\n", scenario.name, family, scenario.text);
  }
}

bool ParseSeeds(const std::string& text, ScoreOptions* options) {
  const size_t dots = text.find("..");
  try {
    options->from = std::stoull(text);
    options->to = dots == std::string::npos ? options->from : std::stoull(text.substr(dots + 2));
  } catch (const std::exception&) {
    return false;
  }
  return options->from <= options->to && options->to - options->from < 10'000'000;
}

int Main(int argc, char** argv) {
  CLI::App app("Plays runs of the path's model and judges the engine by them.", "ringside-sim");
  app.require_subcommand(1);
  std::string scenario = "random", output, truth, mutation = "none", seeds = "1..100";
  uint64_t seed = 1;
  bool json = false, mutations = false, claims = false, clocks = false, latency = false;
  ScoreOptions options;
  CLI::App* run = app.add_subcommand("run", "One run as an incident file");
  run->add_option("--scenario", scenario,
                  "see `list`; random, healthy, fault, pair, host-only, latency draw one");
  run->add_option("--seed", seed);
  run->add_option("-o,--output", output)->required();
  run->add_option("--truth", truth, "where to write what really happened");
  run->add_option("--mutate", mutation, "a rule of the kernel that is wrong: `list --mutations`");
  CLI::App* list = app.add_subcommand("list", "Scenarios");
  list->add_flag("--mutations", mutations);
  CLI::App* score = app.add_subcommand("score", "Judges the engine over many runs");
  score->add_option("--seeds", seeds, "A..B");
  score->add_option("--scenario", scenario);
  score->add_option("--jobs", options.jobs)->check(CLI::Range(1, 64));
  score->add_option("--mutate", mutation);
  score->add_flag("--json", json);
  score->add_flag("--claims", claims, "what verify makes of wrong numbers, instead of the causes");
  score->add_flag("--clocks", clocks, "bounds between two nodes' clocks, instead of the causes");
  score->add_flag("--latency", latency, "intervals of single journeys, instead of the causes");
  score->add_flag("--verbose", options.verbose, "every failing run");
  try {
    app.parse(argc, argv);
    if (run->parsed()) return RunOne(scenario, seed, output, truth, MutationByName(mutation));
    options.mutation = MutationByName(mutation);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (list->parsed()) {
    List(mutations);
    return 0;
  }
  options.scenario = scenario;
  if (!ParseSeeds(seeds, &options) || !MakeRun(scenario, 1, Mutation::kNone)) {
    fmt::print(stderr, "ringside-sim: bad --seeds or --scenario\n");
    return kUsage;
  }
  if (clocks) {
    const ClockScore judged = MakeClockScore(options.from, options.to, options.jobs);
    fmt::print("{}", json ? ClockScoreJson(judged) : ClockScoreText(judged, options.verbose));
    return judged.passed ? 0 : 1;
  }
  if (latency) {
    const std::string runs = scenario == "random" ? "latency" : scenario;
    const LatencyScore judged = MakeLatencyScore(runs, options.from, options.to, options.jobs);
    fmt::print("{}", json ? LatencyScoreJson(judged) : LatencyScoreText(judged, options.verbose));
    return judged.passed ? 0 : 1;
  }
  if (claims) {
    const ClaimScore judged = MakeClaimScore(options.from, options.to);
    fmt::print("{}", json ? ClaimScoreJson(judged) : ClaimScoreText(judged));
    return judged.passed ? 0 : 1;
  }
  const Score result = MakeScore(options);
  fmt::print("{}", json ? ScoreJson(options, result) : ScoreText(options, result));
  return result.passed ? 0 : 1;
}

}  // namespace
}  // namespace ringside::sim

int main(int argc, char** argv) { return ringside::sim::Main(argc, argv); }
