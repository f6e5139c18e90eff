// SPDX-License-Identifier: Apache-2.0
// One line for each thing a collector tells those who watch, for people and as JSON (documented in
// cli/README.md). Pure but for the local time zone.
#ifndef RINGSIDE_CLI_WATCH_TEXT_H_
#define RINGSIDE_CLI_WATCH_TEXT_H_

#include <string>

#include "proto/watch.h"

namespace ringside {

// Ended by a newline; empty for what is not shown (beats).
std::string WatchLine(const WatchEvent& event);
std::string WatchJsonLine(const WatchEvent& event);

}  // namespace ringside

#endif  // RINGSIDE_CLI_WATCH_TEXT_H_
