// SPDX-License-Identifier: Apache-2.0
// A queue that stands still: entries wait in the used ring and the guest takes none, for at least
// two whole intervals between snapshots that its own agent took. The guest runs, then, and the
// ring's state and the account of interrupts tell who waits for whom:
//
//   guest armed, index beyond used_event   a signal was owed; sent and lost, or never sent
//   guest not armed, not polling           the guest sleeps over it
//
// Used by the causes that end in a stall. Pure; any thread.
#ifndef RINGSIDE_CORRELATE_CAUSES_STALL_H_
#define RINGSIDE_CORRELATE_CAUSES_STALL_H_

#include <cstdint>
#include <optional>

#include "correlate/evidence.h"

namespace ringside {

struct Stall {
  SnapshotRange guest;  // of the guest's snapshots
  int64_t from_ns = 0;  // axis
  int64_t to_ns = 0;
  bool to_end = false;   // still so at the window's last snapshot
  uint64_t waiting = 0;  // entries published and not taken
  std::optional<uint16_t> used_event;
  uint16_t used = 0;
  uint16_t last_used = 0;
  std::optional<bool> armed;  // the driver has asked for an interrupt
  bool owed = false;          // and by its used_event the host owed it
  // The last interrupt saw entries that still wait: the guest was told and did not look.
  std::optional<bool> told;
  std::optional<Interval> interrupts;  // growth of guest.irq over it
  // Interrupts that KVM delivered before or in the stall and the guest never handled, by the
  // account up to the position it stands at; nothing if the account has no cut there.
  std::optional<Interval> lost;
};

// The longest stall of the window; nothing without a guest agent, positions or gauges.
std::optional<Stall> FindStall(const QueueEvidence& evidence);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CAUSES_STALL_H_
