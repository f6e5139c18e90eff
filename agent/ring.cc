// SPDX-License-Identifier: Apache-2.0
#include "agent/ring.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ringside {

std::unique_ptr<Ring> Ring::Open(int map_fd) {
  bpf_map_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(map_fd, &info, &size) != 0) return nullptr;
  if (info.type != BPF_MAP_TYPE_RINGBUF) return nullptr;
  std::unique_ptr<Ring> ring(new Ring());
  ring->page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  ring->mask_ = info.max_entries - 1;
  void* consumer = mmap(nullptr, ring->page_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
  if (consumer == MAP_FAILED) return nullptr;
  ring->consumer_ = static_cast<uint64_t*>(consumer);
  void* producer = mmap(nullptr, ring->page_ + 2 * ring->bytes(), PROT_READ, MAP_SHARED, map_fd,
                        static_cast<off_t>(ring->page_));
  if (producer == MAP_FAILED) return nullptr;
  ring->producer_ = static_cast<const uint64_t*>(producer);
  ring->data_ = static_cast<const std::byte*>(producer) + ring->page_;
  return ring;
}

Ring::~Ring() {
  if (consumer_ != nullptr) munmap(consumer_, page_);
  if (producer_ != nullptr) munmap(const_cast<uint64_t*>(producer_), page_ + 2 * bytes());
}

}  // namespace ringside
