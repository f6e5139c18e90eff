// SPDX-License-Identifier: Apache-2.0
// `ringside check INCIDENT`.
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/remote.h"
#include "cli/terminal.h"
#include "collector/store/incident_check.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct CheckArgs {
  std::string path;
  bool json = false;
  bool insecure = false;
};

Json LinesJson(const std::vector<CheckLine>& lines) {
  Json json = Json::array();
  for (const CheckLine& line : lines) json.push_back({{"file", line.file}, {"what", line.what}});
  return json;
}

Json ReportJson(const CheckReport& report) {
  return {{"schema", 1},
          {"sound", report.problem_count == 0},
          {"files", report.files},
          {"streams", report.streams},
          {"records", report.records},
          {"chunks", report.chunks},
          {"events", report.events},
          {"problem_count", report.problem_count},
          {"problems", LinesJson(report.problems)},
          {"gaps", LinesJson(report.gaps)}};
}

std::string ReportText(const CheckReport& report) {
  std::string text;
  for (const CheckLine& line : report.problems) {
    text += Printable(fmt::format("{}: {}", line.file, line.what)) + "\n";
  }
  if (report.problem_count > report.problems.size()) {
    text += fmt::format("and {} more\n", Thousands(report.problem_count - report.problems.size()));
  }
  for (const CheckLine& line : report.gaps) {
    text += Printable(fmt::format("{}: gap, as it says itself: {}", line.file, line.what)) + "\n";
  }
  text += fmt::format("{}: {} {}, {} records of {} {}, {} events in {} chunks\n",
                      report.problem_count == 0 ? "sound" : "not sound", report.files,
                      report.files == 1 ? "file" : "files", Thousands(report.records),
                      report.streams, report.streams == 1 ? "stream" : "streams",
                      Thousands(report.events), Thousands(report.chunks));
  return text;
}

absl::Status RunCheck(const CheckArgs& args) {
  const absl::StatusOr<std::string> local = LocalIncident(args.path, {"", "", args.insecure});
  if (!local.ok()) return local.status();
  const absl::StatusOr<CheckReport> report = CheckIncident(*local);
  if (!report.ok()) return report.status();
  absl::Status status = WriteOut(args.json ? JsonText(ReportJson(*report)) : ReportText(*report));
  if (!status.ok()) return status;
  return ExitWith(report->problem_count == 0 ? kExitOk : kExitFailure);
}

}  // namespace

void AddCheck(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "check", "Whether an incident or a store is what was recorded, and says what it lacks.");
  auto args = std::make_shared<CheckArgs>();
  command
      ->add_option("INCIDENT", args->path,
                   "an incident file (.rsi), a store directory or HOST:PORT")
      ->required()
      ->type_name("");
  command->add_flag("--json", args->json, "one JSON object on standard output");
  command->add_flag("--insecure", args->insecure, "fetch in the clear from another machine");
  command->footer("Exit code: 0 sound, 4 not.\n" + Examples({"ringside check slow.rsi"}));
  command->callback([args, &action] { action = [args] { return RunCheck(*args); }; });
}

}  // namespace ringside
