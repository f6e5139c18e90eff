// SPDX-License-Identifier: Apache-2.0
// Standard output and standard error: how wide, whether coloured, and writing to them so that a
// closed pipe or a full disk is a status and not a signal. Called by every command, main thread
// only.
#ifndef RINGSIDE_CLI_TERMINAL_H_
#define RINGSIDE_CLI_TERMINAL_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "cli/table.h"

namespace ringside {

// The page of standard output: $COLUMNS, else the terminal's width, else 100; no limit with `wide`.
// Coloured only on a terminal, never with NO_COLOR set.
Page StdoutPage(bool wide);

bool StderrIsTerminal();

// Writes all of `text` to standard output. OK as well where the reader has gone away (a closed pipe
// is how `head` ends a command); else what the system said.
absl::Status WriteOut(std::string_view text);

// One line to standard error; control characters in it are made visible, line ends become blanks.
void SayError(std::string_view line);

// `text` as it is to standard error: progress lines on a terminal.
void WriteError(std::string_view text);

// "what" and the system's words for `error`: "cannot open x.rsi: Permission denied".
std::string ErrnoText(std::string_view what, int error);

}  // namespace ringside

#endif  // RINGSIDE_CLI_TERMINAL_H_
