// SPDX-License-Identifier: Apache-2.0
// `ringside save INCIDENT --from T --to T -o x.rsi`.
#include <memory>

#include "cli/command.h"
#include "cli/incident_args.h"
#include "cli/remote.h"
#include "cli/terminal.h"
#include "collector/store/incident_copy.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct SaveArgs {
  std::string path;
  std::string from;
  std::string to;
  std::string output;
  bool redact = false;
  bool insecure = false;
};

absl::Status RunSave(const SaveArgs& args) {
  const absl::StatusOr<std::string> local =
      LocalIncident(args.path, {args.from, args.to, args.insecure});
  if (!local.ok()) return local.status();
  SaveOptions options;
  options.redact = args.redact;
  if (!args.from.empty() || !args.to.empty()) {
    const absl::StatusOr<IncidentSpan> span = SpanOf(*local);
    if (!span.ok()) return span.status();
    absl::Status status =
        ParseWindow(args.from, args.to, span->from_ns, options.from_ns, options.to_ns);
    if (!status.ok()) return status;
  }
  if (absl::Status status = SaveIncident(*local, options, args.output); !status.ok()) {
    return status;
  }
  SayError(fmt::format("ringside: saved; next: ringside {}", args.output));
  return absl::OkStatus();
}

}  // namespace

void AddSave(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "save", "A window of an incident or a store as one closed file, to keep or to send.");
  auto args = std::make_shared<SaveArgs>();
  command
      ->add_option("INCIDENT", args->path,
                   "an incident file (.rsi), a store directory or HOST:PORT")
      ->required()
      ->type_name("");
  command->add_option("--from", args->from, "from this time on: +3.2s, 14:02:11, or RFC 3339")
      ->type_name("T");
  command->add_option("--to", args->to, "up to this time")->type_name("T");
  command->add_option("-o,--output", args->output, "the file to make; it must not exist")
      ->required()
      ->type_name("FILE");
  command->add_flag("--redact", args->redact,
                    "without names, addresses and log text; every verdict stays as it is");
  command->add_flag("--insecure", args->insecure, "fetch in the clear from another machine");
  command->footer(Examples({"ringside save /var/lib/ringside --from 14:00 --to 14:05 -o slow.rsi",
                            "ringside save slow.rsi --redact -o public.rsi"}));
  command->callback([args, &action] { action = [args] { return RunSave(*args); }; });
}

}  // namespace ringside
