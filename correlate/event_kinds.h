// SPDX-License-Identifier: Apache-2.0
// What a detail event can be: an event belongs to one count and is named after it. The numbers
// travel in chunks and are stored: they are never used for anything else (rs_event_kind in
// bpf/events.h has the same; the agent asserts it).
#ifndef RINGSIDE_CORRELATE_EVENT_KINDS_H_
#define RINGSIDE_CORRELATE_EVENT_KINDS_H_

#include <cstdint>
#include <string_view>

#include "correlate/counts.h"

namespace ringside {

// What the `value` of an event means.
enum class EventValue : uint8_t { kNothing, kNs, kPackets, kBytes, kEntries, kPid };

// X(identifier, as in counts.h; number; what its value is)
#define RINGSIDE_EVENT_KINDS(X)     \
  X(kGuestIrq, 1, kNothing)         \
  X(kGuestHandled, 2, kNs)          \
  X(kGuestNone, 3, kNs)             \
  X(kGuestNapiSoftirq, 4, kPackets) \
  X(kGuestNapiBusy, 5, kPackets)    \
  X(kGuestNapiThread, 6, kPackets)  \
  X(kGuestNapiNetpoll, 7, kPackets) \
  X(kTunEnqueued, 8, kBytes)        \
  X(kTunDropped, 9, kBytes)         \
  X(kVhostSignalled, 10, kEntries)  \
  X(kVhostSuppressed, 11, kEntries) \
  X(kVhostUnwired, 12, kEntries)    \
  X(kEventfdWritten, 13, kPid)      \
  X(kIrqfdWoken, 14, kNothing)      \
  X(kKvmInjected, 15, kNs)          \
  X(kKvmMerged, 16, kNs)            \
  X(kKvmRejected, 17, kNs)          \
  X(kKvmSlowpath, 18, kNs)          \
  X(kVhostBatches, 19, kNothing)    \
  X(kVcpuWoken, 20, kNothing)       \
  X(kVcpuRuns, 21, kNs)             \
  X(kWriterReturned, 22, kNs)       \
  X(kWriterForwarded, 23, kNs)

enum class EventKind : uint16_t {
#define X(id, number, value) id = number,
  RINGSIDE_EVENT_KINDS(X)
#undef X
};
inline constexpr int kEventKindMax = 23;

// The count it belongs to. `kind` must exist (1 .. kEventKindMax).
Count EventCount(EventKind kind);
EventValue EventValueOf(EventKind kind);
// Name of that count; "?" for a number that is no kind.
std::string_view EventKindName(uint16_t kind);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_EVENT_KINDS_H_
