// SPDX-License-Identifier: Apache-2.0
// Host: what the guest has written into its avail ring, read out of the VMM's memory: whether it
// wants signals, and after which index. It testifies where no agent runs in the guest.
#ifndef RINGSIDE_AGENT_RING_WISH_H_
#define RINGSIDE_AGENT_RING_WISH_H_

#include <cstdint>
#include <optional>

namespace ringside {

struct RingWish {
  uint16_t flags = 0;       // avail->flags
  uint16_t idx = 0;         // avail->idx: what the guest has given
  uint16_t used_event = 0;  // meaningful only with EVENT_IDX
};

// `avail` is the ring's address in process `pid`, of `size` entries. Nothing where it cannot be
// read (another user, the process is gone, memory not there). One system call; it may wait while
// the VMM's memory is still being brought in (a post-copy migration). Any thread.
std::optional<RingWish> ReadRingWish(int pid, uint64_t avail, uint32_t size);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_RING_WISH_H_
