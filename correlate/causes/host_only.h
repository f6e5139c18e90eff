// SPDX-License-Identifier: Apache-2.0
// What the host can testify where no agent runs in the guest (design D12): which causes it can name
// from its own side, how surely, and what it cannot. A finding of the guest's state by the host
// alone is never a root: why the guest does not take its entries is not observable from there.
// Pure; any thread.
#ifndef RINGSIDE_CORRELATE_CAUSES_HOST_ONLY_H_
#define RINGSIDE_CORRELATE_CAUSES_HOST_ONLY_H_

#include <optional>
#include <string>
#include <string_view>

#include "correlate/causes/causes.h"

namespace ringside {

// What a cause can reach without the guest.
struct HostReach {
  Cause cause{};
  bool named = false;                // it can be a finding
  Certainty best = Certainty::kLow;  // of one that is
  std::string_view how;              // by what, or why not
};
const HostReach& ReachOf(Cause cause);

// The words of `missing` for a root that lies in the guest.
std::string NotObservable(const QueueEvidence& evidence);
inline constexpr std::string_view kNotObservable = "root: not observable from here";

// What to do about it: the witness, or an agent.
NextStep AskTheGuest(const QueueEvidence& evidence);

// The guest has neither an agent nor did it leave a witness' text; or no agent only.
inline bool NoAgent(const QueueEvidence& evidence) {
  return !evidence.guest || evidence.guest.witness();
}

MaybeFinding DeadFromHost(const QueueEvidence& evidence);
MaybeFinding SuppressedFromHost(const QueueEvidence& evidence);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CAUSES_HOST_ONLY_H_
