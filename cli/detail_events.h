// SPDX-License-Identifier: Apache-2.0
// Detail events of an incident as moments of the timeline. They are the one part of an incident
// that is not read into memory as a whole: only the window's first ones are decoded.
#ifndef RINGSIDE_CLI_DETAIL_EVENTS_H_
#define RINGSIDE_CLI_DETAIL_EVENTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/timeline_text.h"
#include "correlate/recording.h"

namespace ringside {

// At most `limit` (0: no limit) of each node's, oldest first, within the filter.
absl::StatusOr<std::vector<Moment>> ReadDetailEvents(const std::string& path,
                                                     const Recording& recording,
                                                     const Ledger& ledger,
                                                     const TimelineFilter& filter, size_t limit);

}  // namespace ringside

#endif  // RINGSIDE_CLI_DETAIL_EVENTS_H_
