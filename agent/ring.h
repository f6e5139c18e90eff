// SPDX-License-Identifier: Apache-2.0
// A BPF ring buffer, read through its mapped pages: one pass over what is there, no call per
// record, no copy.
//
// One thread reads a ring. Programs write it meanwhile from any CPU, in the order in which they
// reserved room; a record that is being written holds up those behind it until the next pass.
#ifndef RINGSIDE_AGENT_RING_H_
#define RINGSIDE_AGENT_RING_H_

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ringside {

class Ring {
 public:
  // Null if the map cannot be read as a ring.
  static std::unique_ptr<Ring> Open(int map_fd);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Calls on_record(const void* data, size_t size) for every complete record that is there now, and
  // not for those that come meanwhile: writers that never stop cannot hold the reader. Returns the
  // bytes read. The data is valid during the call.
  template <typename Handler>
  size_t Drain(Handler&& on_record) {
    const uint64_t end = Load(*producer_);
    uint64_t at = *consumer_;
    const uint64_t begin = at;
    uint64_t released = at;
    while (at < end) {
      const std::byte* record = data_ + (at & mask_);
      const uint32_t length = Load(*reinterpret_cast<const uint32_t*>(record));
      if ((length & kBusy) != 0) break;
      const uint32_t size = length & ~kDiscarded;
      if ((length & kDiscarded) == 0) on_record(record + kHeaderBytes, size_t{size});
      at += (kHeaderBytes + size + 7) & ~uint64_t{7};
      if (at - released < kReleaseBytes) continue;
      Release(at);  // room for the writers while the rest is read
      released = at;
    }
    Release(at);
    return at - begin;
  }
  size_t bytes() const { return mask_ + 1; }

 private:
  // What the kernel documents of a ring: flags in the first word of each record, eight bytes before
  // its data.
  static constexpr uint32_t kBusy = 1u << 31;
  static constexpr uint32_t kDiscarded = 1u << 30;
  static constexpr uint64_t kHeaderBytes = 8;
  static constexpr uint64_t kReleaseBytes = 64 << 10;

  template <typename T>
  static T Load(const T& word) {
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
  }
  void Release(uint64_t at) { __atomic_store_n(consumer_, at, __ATOMIC_RELEASE); }

  Ring() = default;
  uint64_t* consumer_ = nullptr;        // a page of its own
  const uint64_t* producer_ = nullptr;  // a page, then the data, mapped twice in a row
  const std::byte* data_ = nullptr;
  uint64_t mask_ = 0;
  size_t page_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_RING_H_
