// SPDX-License-Identifier: Apache-2.0
// A BPF ring buffer, read in one pass into a callback.
#ifndef RINGSIDE_AGENT_RING_H_
#define RINGSIDE_AGENT_RING_H_

#include <functional>
#include <memory>

struct ring_buffer;

namespace ringside {

class Ring {
 public:
  using Handler = std::function<void(const void* data, size_t size)>;

  // Null if the map cannot be read as a ring.
  static std::unique_ptr<Ring> Open(int map_fd);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Hands over everything that is complete now.
  void Drain(const Handler& handler);

 private:
  static int OnRecord(void* context, void* data, size_t size);
  Ring() = default;
  const Handler* handler_ = nullptr;  // while Drain runs
  ring_buffer* ring_ = nullptr;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_RING_H_
