// SPDX-License-Identifier: Apache-2.0
// What was not observed, and what stays open because of it: said whether or not anything was found.
#ifndef RINGSIDE_CORRELATE_UNSEEN_H_
#define RINGSIDE_CORRELATE_UNSEEN_H_

#include <string>
#include <vector>

#include "correlate/evidence.h"

namespace ringside {

// One sentence each, beginning with the kind of evidence: "guest: ...", "merged: ...".
std::vector<std::string> Unseen(const Joined& joined, const std::vector<QueueEvidence>& queues);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_UNSEEN_H_
