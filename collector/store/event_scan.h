// SPDX-License-Identifier: Apache-2.0
// Goes through an incident's detail events: picks the event chunks that can hold what is wanted by
// their index alone, unpacks those one after the other, and gives the events that fit, in an order
// if one is asked for. Used by the events table; one thread.
//
//   index: chunks by stream, time, queue, kind, positions, numbers
//     -> places, by the earliest key there can be -> open chunks -> events, the lowest key first
//
// In an order, a chunk is open from the moment its first event may be the next one to its last
// event; those of several CPUs, agents and nodes overlap. When too many are open, the one whose
// next event is furthest away is given up and unpacked again later.
#ifndef RINGSIDE_COLLECTOR_STORE_EVENT_SCAN_H_
#define RINGSIDE_COLLECTOR_STORE_EVENT_SCAN_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "collector/store/sqlite.h"
#include "proto/chunk.h"

namespace ringside {

// Events of open chunks held at once: 64 full chunks, 200 MiB.
inline constexpr size_t kOpenEventsMax = 64 * kChunkEventsMax;

// The node's REALTIME at a time of its MONOTONIC, by the last snapshot before it.
class NodeClock {
 public:
  void Add(int64_t mono_ns, int64_t real_ns);
  int64_t Real(int64_t mono_ns) const;
  // No time between the two has a REALTIME outside of the result.
  std::pair<int64_t, int64_t> RealRange(int64_t from_ns, int64_t to_ns) const;
  // The least and the greatest REALTIME - MONOTONIC.
  std::pair<int64_t, int64_t> Distances() const { return distances_; }

 private:
  std::pair<int64_t, int64_t> distances_;
  std::vector<std::pair<int64_t, int64_t>> pairs_;  // (MONOTONIC, REALTIME - MONOTONIC)
};

// Texts that stay where they are as long as this lives.
using Texts = std::set<std::string>;

// A stream with events, as they name it.
struct EventStream {
  const std::string* node = nullptr;
  std::map<uint32_t, const std::string*> queues;  // by the stream's ids
  std::map<uint32_t, std::vector<int64_t>> rows;  // generations of the same: rows of `queues`
  NodeClock clock;
};

struct EventBounds {  // both ends included
  int64_t from = std::numeric_limits<int64_t>::min();
  int64_t to = std::numeric_limits<int64_t>::max();
  bool holds(int64_t value) const { return from <= value && value <= to; }
  bool open() const {
    return from == std::numeric_limits<int64_t>::min() && to == std::numeric_limits<int64_t>::max();
  }
};

enum class EventOrder { kNone, kTime, kTimeDown, kMono, kMonoDown };

struct EventFilter {
  std::optional<std::string> node;
  std::optional<std::string> queue;
  std::optional<std::string> kind;
  EventBounds time;
  EventBounds mono;
  EventBounds position;
  EventBounds number;
  EventOrder order = EventOrder::kNone;
};

class EventScan {
 public:
  // `db`, `name` (for messages) and `texts` must outlive it.
  EventScan(sqlite3* db, const std::string* name, Texts* texts)
      : db_(db), name_(*name), texts_(*texts) {}

  // Starts anew, at the first event that fits.
  absl::Status Start(const EventFilter& filter);
  absl::Status Next();
  bool ended() const { return open_.empty(); }

  // Of the present event:
  const Event& event() const { return open_.front().events[open_.front().at]; }
  const EventStream& stream() const { return *open_.front().stream; }
  int64_t row_id() const;

 private:
  struct Place {
    int64_t chunk = 0;
    int64_t key = 0;  // no event of it comes before
    EventStream* stream = nullptr;
    size_t skip = 0;  // events that were given already
  };
  struct Open {
    int64_t chunk = 0;
    EventStream* stream = nullptr;
    std::vector<Event> events;  // those that fit
    std::vector<uint16_t> indices;
    size_t at = 0;
    int64_t key = 0;  // of the next one
  };

  absl::Status ReadStreams();
  absl::Status ReadQueues();
  absl::Status FindByTime(int64_t id, EventStream& stream, const EventBounds& mono);
  absl::Status FindByQueue(EventStream& stream, const EventBounds& mono);
  absl::Status FindByRow(EventStream& stream, int64_t row, const EventBounds& mono);
  void AddPlace(EventStream& stream, int64_t chunk, int64_t from_ns, int64_t to_ns);
  EventBounds MonoBounds(const EventStream& stream) const;
  bool QueueFits(const EventStream& stream, uint32_t queue) const;

  absl::Status Fill();
  absl::Status OpenNext();
  absl::Status Load(Open& open);
  void Keep(const EventStream& stream, std::vector<Event> events, Open& open) const;
  void GiveUpFurthest();
  int64_t KeyOf(const EventStream& stream, int64_t mono_ns) const;
  absl::StatusOr<SqlStatement*> Prepared(const char* sql);

  sqlite3* const db_;
  const std::string& name_;
  Texts& texts_;
  std::map<std::string, SqlStatement> statements_;
  std::map<int64_t, EventStream> streams_;
  EventFilter filter_;
  uint16_t kind_ = 0;                             // of the filter; 0: any
  std::set<std::pair<int64_t, int64_t>> placed_;  // (key, chunk), of places_
  std::map<int64_t, Place> places_;               // by chunk; not yet opened
  std::vector<Open> open_;                        // a heap, the lowest key first
  size_t open_events_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_EVENT_SCAN_H_
