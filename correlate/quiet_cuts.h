// SPDX-License-Identifier: Apache-2.0
// Common cuts of a queue that has no positions on the host's side (vhost-user: its used index is in
// the backend's memory): moments at which neither side's counts of it moved, so that both are about
// the same signals whatever the clocks say within their bounds.
//
//   host   ----====quiet====----------=====quiet=====---
//   guest  -------====quiet=====---------====quiet==----
//                 |moment|               | moment |      axis
#ifndef RINGSIDE_CORRELATE_QUIET_CUTS_H_
#define RINGSIDE_CORRELATE_QUIET_CUTS_H_

#include <vector>

#include "correlate/cuts.h"
#include "correlate/pairing.h"

namespace ringside {

// All such moments that certainly lie within [from_ns, to_ns] on the axis, in the order of time;
// `pos` is their number, and each is a mark: what it says was under way nowhere.
std::vector<CommonCut> FindQuietMoments(const LocalQueue& host, const LocalQueue& guest,
                                        int64_t from_ns, int64_t to_ns);

// At how many of these moments, since the one before, both sides had counted alike and not nothing:
// what was delivered (injected less merged), and the guest's interrupts, within `slack`.
uint64_t CountedAlike(const LocalQueue& host, const LocalQueue& guest, int64_t slack);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_QUIET_CUTS_H_
