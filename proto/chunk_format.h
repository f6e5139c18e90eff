// SPDX-License-Identifier: Apache-2.0
// The numbers that chunk encoder and decoder agree on (described in proto/README.md). Included by
// proto/chunk*.cc only. Constants and pure functions.
#ifndef RINGSIDE_PROTO_CHUNK_FORMAT_H_
#define RINGSIDE_PROTO_CHUNK_FORMAT_H_

#include <cstddef>
#include <cstdint>

namespace ringside::chunk_format {

inline constexpr uint8_t kVersion = 2;
inline constexpr uint8_t kVersionNoValues = 1;  // no value column, no rates; still read
inline constexpr uint8_t kFlagTimesGoBack = 1;  // time deltas are zigzag-coded
inline constexpr size_t kHeaderBytes = 5;       // version, checksum of the rest
inline constexpr size_t kPlanesMax = 8;

enum Column { kIndexColumn, kTimeColumn, kPositionColumn, kNumberColumn, kValueColumn, kColumns };
inline constexpr int kColumnsNoValues = kValueColumn;
// How a plane is kept: its low four bits. The bits above tell how many values share a byte, as the
// power of two: 0 to 3, for values below 256, 16, 4 and 2.
enum PlaneMode : uint8_t { kConstant, kRaw, kZstd };
inline constexpr unsigned kPackShift = 4;
inline constexpr unsigned kPackMax = 3;

// The bytes that `count` values take where 1 << `pack` of them share one.
constexpr size_t PackedBytes(size_t count, unsigned pack) {
  return (count + (size_t{1} << pack) - 1) >> pack;
}

constexpr uint64_t ZigZag(uint64_t delta) {
  return (delta << 1) ^ static_cast<uint64_t>(static_cast<int64_t>(delta) >> 63);
}
constexpr uint64_t UnZigZag(uint64_t code) { return (code >> 1) ^ (uint64_t{0} - (code & 1)); }

// By how much the number of the next event is predicted to grow.
constexpr uint64_t NumberStep(uint32_t rate) { return rate == 0 ? 1 : rate; }

}  // namespace ringside::chunk_format

#endif  // RINGSIDE_PROTO_CHUNK_FORMAT_H_
