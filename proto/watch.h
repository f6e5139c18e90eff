// SPDX-License-Identifier: Apache-2.0
// What a collector tells those who watch, as plain values, and the only place where these meet the
// wire. Encoding cuts and cleans texts; decoding takes the collector's word as hostile: texts are
// bounded and safe to print. Pure, any thread.
#ifndef RINGSIDE_PROTO_WATCH_H_
#define RINGSIDE_PROTO_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/statusor.h"

namespace ringside {

namespace v1 {
class WatchEvent;
}  // namespace v1

// Times are the collector's REALTIME.
struct WatchVerdict {
  int64_t at_real_ns = 0;
  std::string queue;       // guest's name; empty if only the host's is known
  std::string host_queue;  // empty if only the guest's is known
  std::string verdict;
  std::string before;  // empty: as it stands when the watch begins
  std::string why;
  friend bool operator==(const WatchVerdict&, const WatchVerdict&) = default;
};

struct WatchFinding {
  int64_t at_real_ns = 0;
  std::string step;  // "appeared", "changed", "ended"; "open": there when the watch begins
  std::string id;
  std::string queue;
  std::string host_queue;
  bool root = false;
  std::string certainty;
  int64_t since_real_ns = 0;
  std::string title;
  std::string detail;  // JSON object (collector/store/finding_json.h)
  friend bool operator==(const WatchFinding&, const WatchFinding&) = default;
};

// All that is so at present has been said; what follows are changes.
struct WatchPresent {
  std::string collector;
  uint64_t queues = 0;
  uint64_t findings = 0;
  friend bool operator==(const WatchPresent&, const WatchPresent&) = default;
};

// Every few seconds, so that a dead collector is told from a quiet one.
struct WatchBeat {
  friend bool operator==(const WatchBeat&, const WatchBeat&) = default;
};

using WatchEvent = std::variant<WatchVerdict, WatchFinding, WatchPresent, WatchBeat>;

inline constexpr size_t kWatchNameBytesMax = 256;
inline constexpr size_t kWatchTextBytesMax = 4096;               // whys and titles
inline constexpr size_t kWatchDetailBytesMax = size_t{1} << 20;  // as in the store

void EncodeWatch(const WatchEvent& event, v1::WatchEvent* message);
// INVALID_ARGUMENT for what is none; an event of a kind that is newer than this is a beat.
absl::StatusOr<WatchEvent> DecodeWatch(const v1::WatchEvent& message);

}  // namespace ringside

#endif  // RINGSIDE_PROTO_WATCH_H_
