// SPDX-License-Identifier: Apache-2.0
// A small model of one queue's path, for tests of the ledger: it moves entries from vhost to a
// guest and writes down what agents on both sides would have recorded. It models the mechanism
// (batches, suppression, merging into a pending interrupt, handlers that find nothing), not the
// expected counts; those it reports separately, as the truth.
#ifndef RINGSIDE_TESTS_CORRELATE_PATH_MODEL_H_
#define RINGSIDE_TESTS_CORRELATE_PATH_MODEL_H_

#include <cstdint>
#include <random>

#include "correlate/recording.h"

namespace ringside {

struct PathOptions {
  uint64_t seed = 1;
  int batches = 20000;
  uint16_t start_index = 65000;  // so that the 16-bit index turns early
  int64_t guest_turns_late = 0;  // turns that passed before the guest's agent came
  double suppress = 0.3;
  double busy = 0.2;                      // a poller empties the ring before the handler looks
  int64_t clock_offset_ns = 123'456'789;  // guest MONOTONIC - host MONOTONIC
  int64_t clock_bound_ns = 200'000;       // half a round trip
  bool exchanges = true;                  // false: as in files recorded without a link
  int lose_every = 0;                     // of injections: one never reaches the guest
  int duplicate_every = 0;                // of injections: one reaches the guest twice
  int affinity_change_at = -1;            // batch after which the message changes
  bool fentry_silent = false;             // fentry on irqfd_wakeup attaches and never fires
  bool msi_known = true;
  bool wrong_address = false;  // of the host's ring
  std::string host_uuid = "7d9ee1b4-0000-4000-8000-000000000001";
};

struct PathTruth {
  uint64_t batches = 0, signalled = 0, suppressed = 0, injected = 0, merged = 0;
  uint64_t irq = 0, handled = 0, none = 0, entries = 0;
};

// Two streams, host1 and vm1, as a collector on host1 would hold them.
Recording ModelPath(const PathOptions& options, PathTruth* truth);

}  // namespace ringside

#endif  // RINGSIDE_TESTS_CORRELATE_PATH_MODEL_H_
