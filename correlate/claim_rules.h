// SPDX-License-Identifier: Apache-2.0
// What must hold between claims: which counts are made of which, and how their windows and parts
// read. Part of correlate/claims.h.
#ifndef RINGSIDE_CORRELATE_CLAIM_RULES_H_
#define RINGSIDE_CORRELATE_CLAIM_RULES_H_

#include <optional>
#include <string>
#include <vector>

#include "correlate/claims.h"

namespace ringside {

// A count and what it is made of; complete: the parts are all of it.
struct Whole {
  Count whole;
  std::vector<Count> parts;
  bool complete = true;
};
const std::vector<Whole>& Wholes();

// How long a window is, where it says.
std::optional<int64_t> LengthOf(const ClaimWindow& window);
// Whether the two can have had a moment in common.
bool MayOverlap(const ClaimWindow& a, const ClaimWindow& b);
// "delta=1", "delta>2": by how much the used index moved, at least.
std::optional<int64_t> DeltaOf(const std::string& part);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLAIM_RULES_H_
