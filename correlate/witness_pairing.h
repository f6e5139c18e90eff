// SPDX-License-Identifier: Apache-2.0
// Whether a queue that a witness named is a host's queue. A witness sees neither ring addresses nor
// messages, so nothing it can show is a key: the binding stays provisional, and where several of
// the host's queues fit as well, that is said.
#ifndef RINGSIDE_CORRELATE_WITNESS_PAIRING_H_
#define RINGSIDE_CORRELATE_WITNESS_PAIRING_H_

#include <optional>
#include <string>
#include <vector>

#include "correlate/pairing.h"

namespace ringside {

struct WitnessMatch {
  int points = 0;  // to rank what fits
  std::vector<std::string> evidence;
};

// Nothing if something speaks against it, or nothing says that it is the same VM. `all`: the
// recording's queues. Pure; any thread.
std::optional<WitnessMatch> MatchWitness(const LocalQueue& host, const LocalQueue& guest,
                                         const std::vector<LocalQueue>& all);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_WITNESS_PAIRING_H_
