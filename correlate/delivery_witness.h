// SPDX-License-Identifier: Apache-2.0
// The host's own account of deliveries: what was injected, less what merged, less what KVM saw the
// vCPU take. A guest may say what it likes about its interrupts; this does not rest on its word
// (design D13). Pure; refers to nothing afterwards.
#ifndef RINGSIDE_CORRELATE_DELIVERY_WITNESS_H_
#define RINGSIDE_CORRELATE_DELIVERY_WITNESS_H_

#include <cstdint>
#include <optional>

#include "correlate/pairing.h"
#include "correlate/window.h"

namespace ringside {

// Interrupts injected and not taken since the first snapshot.
struct Untaken {
  int64_t lo = 0;  // at the last snapshot
  int64_t hi = 0;
  int64_t least = 0;  // at any: not more than what was read least, not less than what was read most
  int64_t most = 0;
};

// Nothing where KVM does not see interrupts taken (APICv, AVIC, arm64), or what it lost is unknown.
std::optional<Untaken> MeasureUntaken(const LocalQueue& host, const SnapshotRange& range);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_DELIVERY_WITNESS_H_
