// SPDX-License-Identifier: Apache-2.0
// The ledger of one queue: which edges its counts are taken between, the counts themselves, and how
// host and guest compare at every common mark.
#ifndef RINGSIDE_CORRELATE_QUEUE_LEDGER_H_
#define RINGSIDE_CORRELATE_QUEUE_LEDGER_H_

#include <cstdint>

#include "correlate/ledger.h"
#include "correlate/pairing.h"

namespace ringside {

QueueLedger MakeQueueLedger(const QueuePair& pair, int64_t from_ns, int64_t to_ns);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_QUEUE_LEDGER_H_
