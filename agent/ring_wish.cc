// SPDX-License-Identifier: Apache-2.0
#include "agent/ring_wish.h"

#include <sys/uio.h>

namespace ringside {

std::optional<RingWish> ReadRingWish(int pid, uint64_t avail, uint32_t size) {
  constexpr uint32_t kSizeMax = 32768;
  if (pid <= 0 || avail == 0 || size == 0 || size > kSizeMax) return std::nullopt;
  RingWish wish;
  uint16_t head[2] = {};
  iovec local[2] = {{head, 4}, {&wish.used_event, 2}};
  // struct vring_avail: flags, idx, ring[size], used_event; 16 bits each.
  iovec remote[2] = {{reinterpret_cast<void*>(avail), 4},
                     {reinterpret_cast<void*>(avail + 4 + 2ull * size), 2}};
  if (process_vm_readv(pid, local, 2, remote, 2, 0) != 6) return std::nullopt;
  wish.flags = head[0];
  wish.idx = head[1];
  return wish;
}

}  // namespace ringside
