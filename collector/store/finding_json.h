// SPDX-License-Identifier: Apache-2.0
// A finding as a JSON object: what `explain --json` prints, the incident keeps and `watch` sends.
// Pure.
//
//   {"id","queue","host_queue","root","caused_by":[],"contributors":[],"certainty","since",
//    "until","title","because","for":[],"against":[],"ruled_out":[],"missing":[],"danger",
//    "would_refute","next":[]}
//
// `for`, `against` and `ruled_out` hold {"text","hooks":[]}, `next` {"where","command","effect"}.
// `since` and `until` are RFC 3339 in UTC with nanoseconds; null: not known, or still so. Empty
// texts are null.
#ifndef RINGSIDE_COLLECTOR_STORE_FINDING_JSON_H_
#define RINGSIDE_COLLECTOR_STORE_FINDING_JSON_H_

#include "correlate/finding.h"
#include "nlohmann/json.hpp"

namespace ringside {

nlohmann::ordered_json FindingJson(const Finding& finding);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_FINDING_JSON_H_
