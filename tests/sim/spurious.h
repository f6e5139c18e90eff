// SPDX-License-Identifier: Apache-2.0
// The kernel's rule for interrupts that nobody cares for (kernel facts 2.6), in both variants, and
// an agent's follower of it, which sees the interrupts but not jiffies.
#ifndef RINGSIDE_TESTS_SIM_SPURIOUS_H_
#define RINGSIDE_TESTS_SIM_SPURIOUS_H_

#include <algorithm>
#include <cstdint>

#include "tests/sim/params.h"

namespace ringside::sim {

inline constexpr int64_t kJiffyNs = 4 * kMsNs;  // HZ = 250
inline constexpr int64_t kGapJiffies = 25;      // HZ / 10
inline constexpr uint32_t kSpuriousWindow = 100'000;
inline constexpr uint32_t kSpuriousLimit = 99'900;

class SpuriousRule {
 public:
  SpuriousRule(GuestKernel kernel, uint32_t limit) : kernel_(kernel), limit_(limit) {}

  // note_interrupt. True if the interrupt is to be disabled now.
  bool Note(bool handled, int64_t now) {
    if (!handled) {
      const int64_t jiffies = now / kJiffyNs;
      unhandled_ = jiffies > last_jiffies_ + kGapJiffies ? 1 : unhandled_ + 1;
      last_jiffies_ = jiffies;
    }
    if (kernel_ != GuestKernel::k510 && unhandled_ == 0) return false;
    if (++count_ < kSpuriousWindow) return false;
    count_ = 0;
    ++windows_;
    const bool disable = unhandled_ > limit_;
    at_disable_ = unhandled_;
    unhandled_ = 0;
    return disable;
  }
  uint32_t count() const { return count_; }
  uint32_t unhandled() const { return unhandled_; }
  uint32_t at_window_end() const { return at_disable_; }
  uint64_t windows() const { return windows_; }
  void Preset(uint32_t count, uint32_t unhandled) {
    count_ = count;
    unhandled_ = unhandled;
  }

 private:
  const GuestKernel kernel_;
  const uint32_t limit_;
  uint32_t count_ = 0;
  uint32_t unhandled_ = 0;
  uint32_t at_disable_ = 0;
  uint64_t windows_ = 0;
  int64_t last_jiffies_ = 0;
};

// What can be known of the rule's counters from the times of the interrupts: a gap of less than
// HZ/10 is no reset, one of more than a jiffy above it is one, between them nobody can say.
class SpuriousFollower {
 public:
  // Starts from what /proc/irq/N/spurious says.
  void Start(GuestKernel kernel, uint32_t count, uint32_t unhandled) {
    kernel_ = kernel;
    count_ = count;
    lo_ = hi_ = unhandled;
    last_ns_ = INT64_MIN / 2;
    fresh_ = true;
  }
  void Note(bool handled, int64_t mono_ns) {
    if (!handled) None(mono_ns);
    if (kernel_ != GuestKernel::k510 && hi_ == 0) return;
    if (++count_ < kSpuriousWindow) return;
    count_ = 0;
    ++windows;
    peak_lo = std::max(peak_lo, lo_);
    peak_hi = std::max(peak_hi, hi_);
    lo_ = hi_ = 0;
  }
  uint64_t lo() const { return lo_; }
  uint64_t hi() const { return hi_; }

  uint64_t windows = 0;
  uint64_t peak_lo = 0;
  uint64_t peak_hi = 0;

 private:
  void None(int64_t mono_ns) {
    const int64_t gap = mono_ns - last_ns_;
    last_ns_ = mono_ns;
    const bool unknown = fresh_;  // when the last one before the follower's start was
    fresh_ = false;
    if (!unknown && gap > (kGapJiffies + 1) * kJiffyNs) {
      lo_ = hi_ = 1;
    } else if (!unknown && gap < kGapJiffies * kJiffyNs) {
      ++lo_;
      ++hi_;
    } else {
      lo_ = 1;
      ++hi_;
    }
  }

  GuestKernel kernel_ = GuestKernel::k61;
  uint32_t count_ = 0;
  uint64_t lo_ = 0;
  uint64_t hi_ = 0;
  int64_t last_ns_ = 0;
  bool fresh_ = true;
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_SPURIOUS_H_
