// SPDX-License-Identifier: Apache-2.0
// `ringside doctor`.
#include <unistd.h>

#include <memory>

#include "agent/agent.h"
#include "cli/command.h"
#include "cli/cost_text.h"
#include "cli/doctor_text.h"
#include "cli/format.h"
#include "cli/terminal.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct DoctorArgs {
  bool json = false;
  bool wide = false;
  bool cost = false;
  std::string watch = "1s";
};

absl::Status RunDoctor(const DoctorArgs& args) {
  auto watch_ns = ParseDuration(args.watch);
  if (!watch_ns.ok()) return UsageError("--watch: " + Message(watch_ns.status()));
  Machine machine = ReadMachine("");
  auto hooks = ProbeHooks({}, *watch_ns, args.cost);
  const auto cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  std::vector<StageReport> stages;
  if (hooks.ok()) stages = GroupByStage(*hooks);
  std::string text;
  if (args.json) {
    Json json = {{"schema", 1}, {"machine", MachineJson(machine)}};
    json["stages"] = hooks.ok() ? StagesJson(stages) : Json(nullptr);
    if (args.cost) json["cost"] = hooks.ok() ? CostJson(*hooks, cpus) : Json(nullptr);
    text = JsonText(json);
  } else {
    Page page = StdoutPage(args.wide);
    text = MachineText(machine, page);
    if (hooks.ok()) {
      text += "\n" + (args.cost ? CostText(*hooks, cpus, page) : StagesText(stages, page));
    }
  }
  // What is known is worth having even where the rest is not.
  if (absl::Status status = WriteOut(text); !status.ok()) return status;
  if (hooks.ok()) return absl::OkStatus();
  return absl::Status(hooks.status().code(),
                      "the stages are not known: " + Message(hooks.status()));
}

}  // namespace

void AddDoctor(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "doctor",
      "What this kernel lets ringside count, by which hook, and what it refuses and why.");
  auto args = std::make_shared<DoctorArgs>();
  command->add_flag("--json", args->json, "one JSON object on standard output");
  command->add_option("--watch", args->watch, "how long hooks are watched for hits (default: 1s)")
      ->type_name("D");
  command->add_flag("--cost", args->cost,
                    "what each hook costs here, measured under the present load");
  command->add_flag("--wide", args->wide, "no line breaks");
  command->footer(
      Examples({"sudo ringside doctor", "sudo ringside doctor --json | jq '.stages[].rung'",
                "sudo ringside doctor --cost --watch 10s"}) +
      "\n\nAttaches each hook, watches it for a moment and takes it away again; needs what "
      "recording needs.\n"
      "proven    hit, no less often than its neighbours on the path\n"
      "unproven  idle meanwhile: try --watch 1m under traffic\n"
      "silent    never hit although a neighbour was: not to be believed\n"
      "lossy     hit less often than a neighbour");
  command->callback([args, &action] { action = [args] { return RunDoctor(*args); }; });
}

}  // namespace ringside
