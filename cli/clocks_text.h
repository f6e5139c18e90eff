// SPDX-License-Identifier: Apache-2.0
// The clocks of an incident's nodes as text and as JSON rows: from which sources, within which
// bound over time, what does not fit together. Called by `ringside clocks`. Pure.
#ifndef RINGSIDE_CLI_CLOCKS_TEXT_H_
#define RINGSIDE_CLI_CLOCKS_TEXT_H_

#include <string>
#include <vector>

#include "cli/json.h"
#include "cli/table.h"
#include "correlate/clocks.h"

namespace ringside {

// `zero_ns`: where +3.2s counts from.
std::string ClocksText(const std::vector<ClockRelation>& relations, int64_t zero_ns,
                       const Page& page);
Json ClocksRows(const std::vector<ClockRelation>& relations);

}  // namespace ringside

#endif  // RINGSIDE_CLI_CLOCKS_TEXT_H_
