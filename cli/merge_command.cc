// SPDX-License-Identifier: Apache-2.0
// `ringside merge A B -o C`.
#include <memory>
#include <vector>

#include "cli/command.h"
#include "cli/remote.h"
#include "cli/terminal.h"
#include "collector/store/incident_copy.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct MergeArgs {
  std::vector<std::string> inputs;
  std::string output;
};

absl::Status RunMerge(const MergeArgs& args) {
  if (args.inputs.size() < 2) return UsageError("merge needs two incidents or more");
  std::vector<std::string> inputs;
  for (const std::string& input : args.inputs) {
    absl::StatusOr<std::string> local = LocalIncident(input);
    if (!local.ok()) return local.status();
    inputs.push_back(*std::move(local));
  }
  absl::Status status = MergeIncidents(inputs, args.output);
  if (!status.ok()) return status;
  SayError(fmt::format("ringside: {} incidents joined; next: ringside {}", args.inputs.size(),
                       args.output));
  return absl::OkStatus();
}

}  // namespace

void AddMerge(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "merge", "Joins files recorded without a link between the sides into one incident.");
  auto args = std::make_shared<MergeArgs>();
  command->add_option("INCIDENT", args->inputs, "the incidents to join, two or more")
      ->required()
      ->type_name("");
  command->add_option("-o,--output", args->output, "the file to make; it must not exist")
      ->required()
      ->type_name("FILE");
  command->footer(Examples({"ringside merge host.rsi guest.rsi -o both.rsi"}));
  command->callback([args, &action] { action = [args] { return RunMerge(*args); }; });
}

}  // namespace ringside
