// SPDX-License-Identifier: Apache-2.0
#include "correlate/finding.h"

#include <array>

namespace ringside {

std::string_view CauseId(Cause cause) {
  static constexpr std::array<std::string_view, kCauses> kIds = {
#define X(id, name) name,
      RINGSIDE_CAUSES(X)
#undef X
  };
  return kIds.at(static_cast<size_t>(cause));
}

std::string_view CertaintyName(Certainty certainty) {
  switch (certainty) {
    case Certainty::kHigh: return "high";
    case Certainty::kMedium: return "medium";
    case Certainty::kLow: return "low";
  }
  return "low";
}

}  // namespace ringside
