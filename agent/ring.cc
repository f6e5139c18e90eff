// SPDX-License-Identifier: Apache-2.0
#include "agent/ring.h"

#include <bpf/libbpf.h>

namespace ringside {

int Ring::OnRecord(void* context, void* data, size_t size) {
  (*static_cast<Ring*>(context)->handler_)(data, size);
  return 0;
}

std::unique_ptr<Ring> Ring::Open(int map_fd) {
  std::unique_ptr<Ring> ring(new Ring());
  ring->ring_ = ring_buffer__new(map_fd, OnRecord, ring.get(), nullptr);
  return ring->ring_ == nullptr ? nullptr : std::move(ring);
}

void Ring::Drain(const Handler& handler) {
  handler_ = &handler;
  ring_buffer__consume(ring_);
  handler_ = nullptr;
}

Ring::~Ring() {
  if (ring_ != nullptr) ring_buffer__free(ring_);
}

}  // namespace ringside
