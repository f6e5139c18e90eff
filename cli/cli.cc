// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "cli/command.h"
#include "cli/terminal.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr char kUsageMark[] = "ringside.usage";
constexpr char kExitMark[] = "ringside.exit";

constexpr char kRootHelp[] =
    R"(ringside checks, queue by queue, that host and guest agree on what a virtqueue did.

Usage: ringside INCIDENT [--queue Q] [--from T] [--to T] [--wide]
       ringside COMMAND ...         'ringside COMMAND --help' has options and examples

Ask an incident (a .rsi file or a collector's store directory):
  INCIDENT     its report and what is wrong: start here
  report       one line per queue: counts from the host's tap to the guest's polls, verdict
  explain      what is wrong and why: the root first, with evidence and what to type next
  ledger       every count as an interval, every identity between them, and why
  queues       what the queues are: interrupts, rings, host partner, last state
  clocks       how well the nodes' clocks are known against each other, and from what
  timeline     what happened when: marks, changes, kernel log, gaps, detail events
  sql          a read-only SQL statement on the file, with the events as a table
  verify       judges numbers that another tool counted: confirmed, refuted, and by which mistake
  save         a window of it as one closed file, if you like without names and addresses
  check        whether it is what was recorded, and says what it lacks
  merge        joins files recorded without a link between the sides
  import       takes the text of a guest without an agent (deploy/witness)

Make one:
  record       records this machine into a file
  doctor       what this kernel lets ringside count, and what it refuses

Follow a collector:
  watch        verdicts and findings of HOST:PORT as they change
  detail       what its agents record event by event from now on
  trigger      has their flight recorders send the last seconds and the next

Options:
  -h, --help   this text
  --version    print the version

Times:     10s, 250ms; +3.2s from the incident's first snapshot, 14:02:11, 2026-01-31T14:02:11Z
Queues:    vm1/eth0/rx2 or host1/vnet37/rx2: either side's name
Counts:    '-' was never observed; 1,386-1,388 is an interval; 1,386+ has an unknown upper end
Output:    --json on standard output; warnings and progress on standard error; NO_COLOR is respected
Exit code: 0 done, 2 wrong usage, 4 failure or unreadable file; verify: 1 refuted, 3 inconclusive

Examples:
  ringside record -o slow.rsi --duration 10s
  ringside slow.rsi
  ringside ledger slow.rsi --queue vm1/eth0/rx1
)";

struct Parser {
  CLI::App app{"", "ringside"};
  Action action;
};

void Declare(Parser& parser) {
  CLI::App& app = parser.app;
  app.set_help_flag("-h,--help", "this text");
  app.set_version_flag("--version", std::string("ringside " RINGSIDE_VERSION));
  app.require_subcommand(0, 1);
  AddSummary(app, parser.action);
  AddRecord(app, parser.action);
  AddReport(app, parser.action);
  AddExplain(app, parser.action);
  AddLedger(app, parser.action);
  AddQueues(app, parser.action);
  AddClocks(app, parser.action);
  AddLatency(app, parser.action);
  AddTimeline(app, parser.action);
  AddDoctor(app, parser.action);
  AddSql(app, parser.action);
  AddMerge(app, parser.action);
  AddSave(app, parser.action);
  AddCheck(app, parser.action);
  AddImport(app, parser.action);
  AddWatch(app, parser.action);
  AddDetail(app, parser.action);
  AddTrigger(app, parser.action);
  AddVerify(app, parser.action);
}

// `ringside x.rsi` is `ringside summary x.rsi`: what is neither a command nor an option of the
// program itself is an incident.
std::vector<std::string> Arguments(int argc, const char* const* argv, CLI::App& app) {
  std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  if (args.empty()) return args;
  const std::string& first = args.front();
  if (first == "-h" || first == "--help" || first == "--version") return args;
  for (const CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    if (command->get_name() == first) return args;
  }
  args.insert(args.begin(), "summary");
  return args;
}

// The command that was being parsed, as typed: "ringside report", or "ringside" alone.
std::string CommandName(CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands()) {
    if (command->get_name() != "summary") return "ringside " + command->get_name();
  }
  return "ringside";
}

std::string UsageText(const CLI::ParseError& error, CLI::App& app) {
  // An unknown option explains more than the argument that is missing because of it.
  for (const std::string& extra : app.remaining(true)) {
    if (extra.size() > 1 && extra.front() == '-') return fmt::format("unknown option '{}'", extra);
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    for (const std::string& extra : app.remaining(true)) {
      return fmt::format("unexpected argument '{}'", extra);
    }
  }
  std::string text = error.what();
  static constexpr std::string_view kRequired = " is required";
  if (text.ends_with(kRequired)) {
    return text.substr(0, text.size() - kRequired.size()) + " is missing";
  }
  return text;
}

int Help(CLI::App& app) {
  std::string text = kRootHelp;
  for (const CLI::App* command : app.get_subcommands()) {
    if (command->get_name() == "summary") continue;
    text = command->help("ringside");
  }
  return WriteOut(text).ok() ? kExitOk : kExitFailure;
}

int Run(const Action& action) {
  absl::Status status = action();
  if (status.ok()) return kExitOk;
  if (const auto code = status.GetPayload(kExitMark)) return std::stoi(std::string(*code));
  SayError("ringside: " + Message(status));
  return IsUsageError(status) ? kExitUsage : kExitFailure;
}

int ParseAndRun(int argc, const char* const* argv) {
  Parser parser;
  Declare(parser);
  std::vector<std::string> args = Arguments(argc, argv, parser.app);
  std::reverse(args.begin(), args.end());  // the parser takes them from the back
  try {
    parser.app.parse(args);
  } catch (const CLI::CallForHelp&) {
    return Help(parser.app);
  } catch (const CLI::CallForVersion& version) {
    return WriteOut(std::string(version.what()) + "\n").ok() ? kExitOk : kExitFailure;
  } catch (const CLI::ParseError& error) {
    std::string name = CommandName(parser.app);
    SayError(fmt::format("{}: {}; see '{} --help'", name, UsageText(error, parser.app), name));
    return kExitUsage;
  }
  if (!parser.action) {
    SayError("ringside: neither an incident nor a command given; see 'ringside --help'");
    return kExitUsage;
  }
  return Run(parser.action);
}

}  // namespace

absl::Status UsageError(std::string_view message) {
  return AsUsageError(absl::InvalidArgumentError(std::string(message)));
}

absl::Status AsUsageError(const absl::Status& status) {
  absl::Status marked = status;
  marked.SetPayload(kUsageMark, absl::Cord());
  return marked;
}

bool IsUsageError(const absl::Status& status) { return status.GetPayload(kUsageMark).has_value(); }

absl::Status ExitWith(int code) {
  if (code == kExitOk) return absl::OkStatus();
  absl::Status status = absl::UnknownError("");
  status.SetPayload(kExitMark, absl::Cord(std::to_string(code)));
  return status;
}

std::string Examples(std::initializer_list<std::string_view> lines) {
  std::string text = "Examples:";
  for (std::string_view line : lines) text += fmt::format("\n  {}", line);
  return text;
}

int RunCli(int argc, const char* const* argv) {
  // A reader that goes away is an error of write(2), not the end of a recording.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return ParseAndRun(argc, argv);
  } catch (const std::exception& error) {
    SayError(fmt::format("ringside: internal error, please report it: {}", error.what()));
    return kExitFailure;
  }
}

}  // namespace ringside
