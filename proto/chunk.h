// SPDX-License-Identifier: Apache-2.0
// Detail events, packed by column: per-CPU streams, delta-coded times, a dictionary of queues, one
// byte plane per significant byte of each column, zstd on every plane. The format, its reasons and
// downsides: proto/README.md.
//
// Called by the agent (encode), the collector (validate, index) and the events table (decode). Pure
// functions on values, any thread. The decoder takes hostile bytes.
#ifndef RINGSIDE_PROTO_CHUNK_H_
#define RINGSIDE_PROTO_CHUNK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "correlate/event_kinds.h"
#include "correlate/records.h"

namespace ringside {

// One detail event (see rs_event in bpf/events.h).
struct Event {
  int64_t mono_ns = 0;
  uint64_t pos = 0;  // the queue's extended used index known there; 0 where there is none
  QueueId queue{};
  uint16_t kind = 0;  // EventKind
  uint16_t cpu = 0;
  // How many of its kind the queue had counted before it (tun: the queue on this CPU).
  uint64_t number = 0;
  uint32_t value = 0;  // see EventValue; times above 4.2 s say 4,294,967,295 ns
  uint32_t rate = 1;   // 1: every one is recorded; N: 1 of N, by number; 0: chosen by value
  friend bool operator==(const Event&, const Event&) = default;
};

// Bounds of one chunk: what a reader may have to hold at once is 40 bytes x events.
inline constexpr size_t kChunkEventsMax = size_t{1} << 16;
inline constexpr size_t kChunkBytesMax = size_t{3} << 20;  // below the wire's message limit
inline constexpr size_t kChunkCpusMax = 4096;

// Packs the events, which may be in any order between CPUs; of one CPU they stay in the order
// given. `first_number` is the number of the first of them in their stream. INVALID_ARGUMENT if
// there are none, too many, or one that the format has no room for (a kind or time that does not
// exist).
absl::StatusOr<EventChunk> EncodeChunk(const std::vector<Event>& events, uint64_t first_number);

// Events of all CPUs merged by time; equal times in the order of CPUs. INVALID_ARGUMENT for bytes
// that no encoder made, DATA_LOSS if the checksum does not fit.
absl::StatusOr<std::vector<Event>> DecodeChunk(std::string_view data);

// Decodes and checks that count and times are what the record says.
absl::StatusOr<std::vector<Event>> DecodeChunk(const EventChunk& chunk);

// What a chunk holds of one queue: the index under which the store keeps it.
struct ChunkQueue {
  QueueId queue{};
  uint16_t kind = 0;
  uint64_t events = 0;
  int64_t from_mono_ns = 0;
  int64_t to_mono_ns = 0;
  uint64_t pos_min = 0;
  uint64_t pos_max = 0;
  uint64_t number_min = 0;
  uint64_t number_max = 0;
  friend bool operator==(const ChunkQueue&, const ChunkQueue&) = default;
};

// Checks a chunk as DecodeChunk does, that its positions and numbers are no larger than kCountMax,
// and tells what is in it; by queue and kind.
absl::StatusOr<std::vector<ChunkQueue>> IndexChunk(const EventChunk& chunk);

}  // namespace ringside

#endif  // RINGSIDE_PROTO_CHUNK_H_
