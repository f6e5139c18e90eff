// SPDX-License-Identifier: Apache-2.0
// The JSON objects of --json (documented in cli/README.md, stable). Called by the commands; pure.
#ifndef RINGSIDE_CLI_JSON_H_
#define RINGSIDE_CLI_JSON_H_

#include <string>

#include "correlate/ledger.h"
#include "nlohmann/json.hpp"

namespace ringside {

// Members keep the order in which they are written: people read these objects too.
using Json = nlohmann::ordered_json;

// {"from","to","clock","bound_ns"}: RFC 3339 in UTC with nanoseconds.
Json WindowJson(const Window& window);

// {"lo","hi","hook"}; hi is null where it is unknown.
Json CountJson(const CountCell& cell);

// {"schema":1,"window":{},"queues":[...]}
Json LedgerJson(const Ledger& ledger);

// {"schema":1,"window":{},"rows":[...]}: every command without an object of its own.
Json RowsJson(const Window& window, Json rows);

// `text`, or null where it is empty.
Json OrNull(const std::string& text);

// Indented, ended by a newline. Bytes that are not UTF-8 (names come from guests) are replaced.
std::string JsonText(const Json& json);

}  // namespace ringside

#endif  // RINGSIDE_CLI_JSON_H_
