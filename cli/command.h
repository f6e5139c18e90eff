// SPDX-License-Identifier: Apache-2.0
// What a command is: one function per file declares its options to the parser and leaves behind
// what is to run. cli/cli.cc calls them all.
//
// Main thread only. Options live in shared objects that the parser's callbacks keep alive.
#ifndef RINGSIDE_CLI_COMMAND_H_
#define RINGSIDE_CLI_COMMAND_H_

#include <functional>
#include <string>
#include <string_view>

#include "CLI/App.hpp"
#include "absl/status/status.h"

namespace ringside {

// Exit codes of every command; 1 and 3 are `verify`'s (see cli/README.md).
inline constexpr int kExitOk = 0;
inline constexpr int kExitRefuted = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInconclusive = 3;
inline constexpr int kExitFailure = 4;

// Filled by the command that was given; called after parsing has ended.
using Action = std::function<absl::Status()>;

// A failure that the caller's command line is to blame for: exit 2 instead of 4.
absl::Status UsageError(std::string_view message);
bool IsUsageError(const absl::Status& status);
// Marks a failure as the command line's fault, keeps its text.
absl::Status AsUsageError(const absl::Status& status);

// Done, and the program ends with this code; OK for kExitOk. Nothing is said.
absl::Status ExitWith(int code);

// std::string of an absl::string_view, which converts to nothing of std's by itself.
inline std::string Message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

// What the examples at the end of a help text look like.
std::string Examples(std::initializer_list<std::string_view> lines);

void AddSummary(CLI::App& app, Action& action);  // `ringside INCIDENT`
void AddRecord(CLI::App& app, Action& action);
void AddReport(CLI::App& app, Action& action);
void AddExplain(CLI::App& app, Action& action);
void AddLedger(CLI::App& app, Action& action);
void AddQueues(CLI::App& app, Action& action);
void AddClocks(CLI::App& app, Action& action);
void AddLatency(CLI::App& app, Action& action);
void AddTimeline(CLI::App& app, Action& action);
void AddDoctor(CLI::App& app, Action& action);
void AddSql(CLI::App& app, Action& action);
void AddMerge(CLI::App& app, Action& action);
void AddCheck(CLI::App& app, Action& action);
void AddSave(CLI::App& app, Action& action);
void AddImport(CLI::App& app, Action& action);
void AddDetail(CLI::App& app, Action& action);
void AddTrigger(CLI::App& app, Action& action);
void AddWatch(CLI::App& app, Action& action);
void AddVerify(CLI::App& app, Action& action);

// The whole program: parses, runs, says what failed, gives the exit code.
int RunCli(int argc, const char* const* argv);

}  // namespace ringside

#endif  // RINGSIDE_CLI_COMMAND_H_
