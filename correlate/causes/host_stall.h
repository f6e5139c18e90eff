// SPDX-License-Identifier: Apache-2.0
// A queue that stands still as its host sees it, where no agent in the guest reads the ring: for at
// least two whole intervals of a running VM nothing is used and nothing new is taken, and one of
//
//   used_event   a receive queue's guest asked to be signalled for entries that are long there. A
//                guest that has taken them asks for later ones, or for none at all (0), so it has
//                not: what lies between waits.
//   ring full    the tap's ring is full
//   no buffers   packets wait in the tap's ring and the guest has given no buffer for them
//
// Rules of the driver: virtqueue_enable_cb, virtqueue_disable_cb (drivers/virtio/virtio_ring.c).
// Pure; any thread.
#ifndef RINGSIDE_CORRELATE_CAUSES_HOST_STALL_H_
#define RINGSIDE_CORRELATE_CAUSES_HOST_STALL_H_

#include <cstdint>
#include <optional>

#include "correlate/evidence.h"

namespace ringside {

struct HostStall {
  SnapshotRange host;  // of the host's snapshots
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  bool full = false;              // of the tap's ring, all the time
  bool no_buffers = false;        // likewise
  std::optional<uint64_t> waits;  // packets in the tap's ring at the end
  std::optional<uint16_t> used;
  std::optional<uint16_t> wanted;  // used_event, where it is passed all the time
  uint16_t untaken = 0;            // entries beyond it
  // From the last snapshot before the index passed `wanted`; nothing if none was seen.
  std::optional<SnapshotRange> since_passed;
};

// The longest of the window; nothing without a host's agent.
std::optional<HostStall> FindHostStall(const QueueEvidence& evidence);

// vring_need_event: whether an index is beyond the one after which a signal was wanted.
inline bool Passed(uint16_t used, uint16_t used_event) {
  return static_cast<uint16_t>(used - used_event - 1) < 0x8000;
}

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CAUSES_HOST_STALL_H_
