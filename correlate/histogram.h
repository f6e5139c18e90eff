// SPDX-License-Identifier: Apache-2.0
// Durations counted in buckets that grow with their values: what is read from it is at most
// 1/64 of itself (1.6%) off, whatever the values were; the largest and smallest are exact.
// Bounded: 2 KiB, then 8 bytes per bucket in use, of which there are 2,000 at most. Values: no
// thread rule.
#ifndef RINGSIDE_CORRELATE_HISTOGRAM_H_
#define RINGSIDE_CORRELATE_HISTOGRAM_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>

namespace ringside {

class Histogram {
 public:
  // Negative values (an end of an interval) count as well.
  void Add(int64_t ns) {
    ++buckets_[BucketOf(ns)];
    min_ns_ = count_ == 0 ? ns : std::min(min_ns_, ns);
    max_ns_ = count_ == 0 ? ns : std::max(max_ns_, ns);
    ++count_;
  }
  uint64_t count() const { return count_; }
  int64_t min_ns() const { return min_ns_; }
  int64_t max_ns() const { return max_ns_; }
  // The smallest value that at least `share` of all do not exceed. Not of an empty one.
  int64_t At(double share) const {
    const double wanted = share * static_cast<double>(count_);
    uint64_t so_far = 0;
    for (const auto& [bucket, n] : buckets_) {
      so_far += n;
      if (static_cast<double>(so_far) >= wanted)
        return std::clamp(Middle(bucket), min_ns_, max_ns_);
    }
    return max_ns_;
  }

 private:
  static constexpr int kBits = 5;  // 32 buckets for each doubling
  // Below 64 one bucket per nanosecond; then by the leading bit and the five after it.
  static int BucketOf(int64_t ns) {
    if (ns < 0) return -1 - BucketOf(ns == INT64_MIN ? INT64_MAX : -ns);
    const uint64_t value = static_cast<uint64_t>(ns);
    const int width = std::bit_width(value);
    if (width <= kBits + 1) return static_cast<int>(value);
    const int shift = width - kBits - 1;
    return shift * (1 << kBits) + static_cast<int>(value >> shift);
  }
  static int64_t Middle(int bucket) {
    if (bucket < 0) return -Middle(-1 - bucket);
    if (bucket < 2 << kBits) return bucket;
    const int shift = bucket / (1 << kBits) - 1;
    const int64_t from = int64_t{bucket - shift * (1 << kBits)} << shift;
    return from + ((int64_t{1} << shift) >> 1);
  }

  std::map<int, uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t min_ns_ = 0;
  int64_t max_ns_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_HISTOGRAM_H_
