// SPDX-License-Identifier: Apache-2.0
#include "collector/store/event_scan.h"

#include <fmt/format.h>

#include <algorithm>

#include "correlate/event_kinds.h"

namespace ringside {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

int64_t Sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? kMin : kMax;
  return sum;
}

}  // namespace

void NodeClock::Add(int64_t mono_ns, int64_t real_ns) {
  const int64_t distance_ns = Sum(real_ns, -mono_ns);
  if (pairs_.empty()) distances_ = {distance_ns, distance_ns};
  distances_.first = std::min(distances_.first, distance_ns);
  distances_.second = std::max(distances_.second, distance_ns);
  pairs_.emplace_back(mono_ns, distance_ns);
}

int64_t NodeClock::Real(int64_t mono_ns) const {
  if (pairs_.empty()) return 0;
  auto after = std::upper_bound(pairs_.begin(), pairs_.end(), mono_ns,
                                [](int64_t at, const auto& pair) { return at < pair.first; });
  if (after != pairs_.begin()) --after;
  return Sum(mono_ns, after->second);
}

std::pair<int64_t, int64_t> NodeClock::RealRange(int64_t from_ns, int64_t to_ns) const {
  std::pair<int64_t, int64_t> range = {Real(from_ns), Real(to_ns)};
  auto pair = std::upper_bound(pairs_.begin(), pairs_.end(), from_ns,
                               [](int64_t at, const auto& p) { return at < p.first; });
  if (pair != pairs_.begin()) --pair;
  for (; pair != pairs_.end() && pair->first <= to_ns; ++pair) {
    range.first = std::min(range.first, Sum(from_ns, pair->second));
    range.second = std::max(range.second, Sum(to_ns, pair->second));
  }
  return range;
}

absl::StatusOr<SqlStatement*> EventScan::Prepared(const char* sql) {
  SqlStatement& statement = statements_[sql];
  if (!statement) {
    absl::StatusOr<SqlStatement> made = PrepareOn(db_, name_, sql);
    if (!made.ok()) return made.status();
    statement = *std::move(made);
  }
  return &statement;
}

absl::Status EventScan::ReadStreams() {
  streams_.clear();
  absl::StatusOr<SqlStatement*> streams = Prepared(
      "SELECT s.id, n.name FROM main.streams s JOIN main.nodes n ON n.id = s.node"
      " WHERE EXISTS (SELECT 1 FROM main.event_chunks c WHERE c.stream = s.id)");
  if (!streams.ok()) return streams.status();
  absl::StatusOr<bool> row = (*streams)->Bind().Next();
  for (; row.ok() && *row; row = (*streams)->Next()) {
    streams_[(*streams)->Int(0)].node = &*texts_.insert((*streams)->Text(1)).first;
  }
  if (!row.ok()) return row.status();
  for (auto& [id, stream] : streams_) {
    absl::StatusOr<SqlStatement*> clock = Prepared(
        "SELECT begin_mono_ns, begin_real_ns FROM main.snapshots WHERE stream = ?1 ORDER BY id");
    if (!clock.ok()) return clock.status();
    for (row = (*clock)->Bind(id).Next(); row.ok() && *row; row = (*clock)->Next()) {
      stream.clock.Add((*clock)->Int(0), (*clock)->Int(1));
    }
    if (!row.ok()) return row.status();
  }
  return ReadQueues();
}

// Under the name a queue had last.
absl::Status EventScan::ReadQueues() {
  absl::StatusOr<SqlStatement*> queues = Prepared(
      "SELECT q.stream, q.queue, q.id, v.device || '/' || v.name FROM main.queues q"
      " LEFT JOIN main.queue_versions v ON v.queue = q.id ORDER BY v.id");
  if (!queues.ok()) return queues.status();
  absl::StatusOr<bool> row = (*queues)->Bind().Next();
  for (; row.ok() && *row; row = (*queues)->Next()) {
    const auto stream = streams_.find((*queues)->Int(0));
    if (stream == streams_.end()) continue;
    const auto id = static_cast<uint32_t>((*queues)->Int(1));
    const std::string name = (*queues)->IsNull(3) ? fmt::format("#{}", id) : (*queues)->Text(3);
    stream->second.queues[id] = &*texts_.insert(name).first;
    std::vector<int64_t>& rows = stream->second.rows[id];
    if (std::find(rows.begin(), rows.end(), (*queues)->Int(2)) == rows.end()) {
      rows.push_back((*queues)->Int(2));
    }
  }
  return row.status();
}

// Bounds of the node's own time that leave out nothing which the filter wants.
EventBounds EventScan::MonoBounds(const EventStream& stream) const {
  EventBounds bounds = filter_.mono;
  if (filter_.time.open()) return bounds;
  // A clock that is set moves all that comes after it: the least and the greatest distance.
  const auto [least, most] = stream.clock.Distances();
  if (filter_.time.from != kMin) bounds.from = std::max(bounds.from, Sum(filter_.time.from, -most));
  if (filter_.time.to != kMax) bounds.to = std::min(bounds.to, Sum(filter_.time.to, -least));
  return bounds;
}

bool EventScan::QueueFits(const EventStream& stream, uint32_t queue) const {
  if (!filter_.queue) return true;
  const auto name = stream.queues.find(queue);
  return name != stream.queues.end() && *name->second == *filter_.queue;
}

int64_t EventScan::KeyOf(const EventStream& stream, int64_t mono_ns) const {
  switch (filter_.order) {
    case EventOrder::kNone: return 0;
    case EventOrder::kTime: return stream.clock.Real(mono_ns);
    case EventOrder::kTimeDown: return Sum(0, -stream.clock.Real(mono_ns));
    case EventOrder::kMono: return mono_ns;
    case EventOrder::kMonoDown: return Sum(0, -mono_ns);
  }
  return 0;
}

void EventScan::AddPlace(EventStream& stream, int64_t chunk, int64_t from_ns, int64_t to_ns) {
  const auto [real_from, real_to] = stream.clock.RealRange(from_ns, to_ns);
  if (real_to < filter_.time.from || real_from > filter_.time.to) return;
  int64_t key = 0;
  switch (filter_.order) {
    case EventOrder::kNone: break;
    case EventOrder::kTime: key = real_from; break;
    case EventOrder::kTimeDown: key = Sum(0, -real_to); break;
    case EventOrder::kMono: key = from_ns; break;
    case EventOrder::kMonoDown: key = Sum(0, -to_ns); break;
  }
  const auto [at, added] = places_.try_emplace(chunk, Place{chunk, key, &stream, 0});
  if (!added) {
    if (at->second.key <= key) return;
    placed_.erase({at->second.key, chunk});
    at->second.key = key;
  }
  placed_.insert({key, chunk});
}

absl::Status EventScan::FindByTime(int64_t id, EventStream& stream, const EventBounds& mono) {
  absl::StatusOr<SqlStatement*> chunks = Prepared(
      "SELECT id, from_mono_ns, to_mono_ns FROM main.event_chunks"
      " WHERE stream = ?1 AND to_mono_ns >= ?2 AND from_mono_ns <= ?3");
  if (!chunks.ok()) return chunks.status();
  absl::StatusOr<bool> row = (*chunks)->Bind(id, mono.from, mono.to).Next();
  for (; row.ok() && *row; row = (*chunks)->Next()) {
    AddPlace(stream, (*chunks)->Int(0), (*chunks)->Int(1), (*chunks)->Int(2));
  }
  return row.status();
}

absl::Status EventScan::FindByRow(EventStream& stream, int64_t queue_row, const EventBounds& mono) {
  absl::StatusOr<SqlStatement*> chunks = Prepared(
      "SELECT chunk, from_mono_ns, to_mono_ns FROM temp.chunk_ranges WHERE queue = ?1"
      " AND kind BETWEEN ?2 AND ?3 AND to_mono_ns >= ?4 AND from_mono_ns <= ?5"
      " AND pos_max >= ?6 AND pos_min <= ?7 AND number_max >= ?8 AND number_min <= ?9");
  if (!chunks.ok()) return chunks.status();
  absl::StatusOr<bool> row =
      (*chunks)
          ->Bind(queue_row, kind_, kind_ == 0 ? kEventKindMax : int{kind_}, mono.from, mono.to,
                 filter_.position.from, filter_.position.to, filter_.number.from, filter_.number.to)
          .Next();
  for (; row.ok() && *row; row = (*chunks)->Next()) {
    AddPlace(stream, (*chunks)->Int(0), (*chunks)->Int(1), (*chunks)->Int(2));
  }
  return row.status();
}

absl::Status EventScan::FindByQueue(EventStream& stream, const EventBounds& mono) {
  for (const auto& [id, rows] : stream.rows) {
    if (!QueueFits(stream, id)) continue;
    for (const int64_t row : rows) {
      if (absl::Status status = FindByRow(stream, row, mono); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status EventScan::Start(const EventFilter& filter) {
  filter_ = filter;
  places_.clear();
  placed_.clear();
  open_.clear();
  open_events_ = 0;
  kind_ = 0;
  if (filter_.kind) {
    for (uint16_t kind = 1; kind <= kEventKindMax && kind_ == 0; ++kind) {
      if (EventKindName(kind) == *filter_.kind) kind_ = kind;
    }
    if (kind_ == 0) return absl::OkStatus();  // there is no such kind
  }
  if (absl::Status status = ReadStreams(); !status.ok()) return status;
  const bool by_queue =
      filter_.queue || kind_ != 0 || !filter_.position.open() || !filter_.number.open();
  for (auto& [id, stream] : streams_) {
    if (filter_.node && *stream.node != *filter_.node) continue;
    const EventBounds mono = MonoBounds(stream);
    absl::Status status = by_queue ? FindByQueue(stream, mono) : FindByTime(id, stream, mono);
    if (!status.ok()) return status;
  }
  return Fill();
}

namespace {

// std::push_heap keeps the greatest in front.
template <typename Open>
bool Later(const Open& a, const Open& b) {
  return std::pair(a.key, a.chunk) > std::pair(b.key, b.chunk);
}

}  // namespace

// Opens chunks until the first one's next event is the next of all.
absl::Status EventScan::Fill() {
  while (!placed_.empty() &&
         (open_.empty() || *placed_.begin() < std::pair(open_.front().key, open_.front().chunk))) {
    // Without an order, one after the other.
    if (filter_.order == EventOrder::kNone && !open_.empty()) break;
    if (absl::Status status = OpenNext(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status EventScan::OpenNext() {
  const int64_t chunk = placed_.begin()->second;
  placed_.erase(placed_.begin());
  const Place place = places_.extract(chunk).mapped();
  Open open;
  open.chunk = chunk;
  open.stream = place.stream;
  open.at = place.skip;
  if (absl::Status status = Load(open); !status.ok()) return status;
  if (open.at >= open.events.size()) return absl::OkStatus();
  open.key = KeyOf(*open.stream, open.events[open.at].mono_ns);
  open_events_ += open.events.size();
  open_.push_back(std::move(open));
  std::push_heap(open_.begin(), open_.end(), Later<Open>);
  while (open_events_ > kOpenEventsMax && open_.size() > 1) GiveUpFurthest();
  return absl::OkStatus();
}

void EventScan::GiveUpFurthest() {
  const auto furthest = std::min_element(open_.begin(), open_.end(), Later<Open>);
  open_events_ -= furthest->events.size();
  places_[furthest->chunk] = Place{furthest->chunk, furthest->key, furthest->stream, furthest->at};
  placed_.insert({furthest->key, furthest->chunk});
  open_.erase(furthest);
  std::make_heap(open_.begin(), open_.end(), Later<Open>);
}

absl::Status EventScan::Load(Open& open) {
  absl::StatusOr<SqlStatement*> load = Prepared(
      "SELECT first_number, count, from_mono_ns, to_mono_ns, data FROM main.event_chunks"
      " WHERE id = ?1");
  if (!load.ok()) return load.status();
  const absl::StatusOr<bool> row = (*load)->Bind(open.chunk).Next();
  if (!row.ok()) return row.status();
  if (!*row) {
    return absl::DataLossError(fmt::format("event chunk {} is not there", open.chunk));
  }
  const EventChunk chunk{(*load)->Unsigned(0), (*load)->Unsigned(1), (*load)->Int(2),
                         (*load)->Int(3), (*load)->Text(4)};
  (*load)->Bind();  // resets it
  absl::StatusOr<std::vector<Event>> events = DecodeChunk(chunk);
  if (!events.ok()) {
    return absl::DataLossError(
        fmt::format("event chunk {}: {}", open.chunk, std::string(events.status().message())));
  }
  Keep(*open.stream, *std::move(events), open);
  return absl::OkStatus();
}

// Those that fit, in the order wanted.
void EventScan::Keep(const EventStream& stream, std::vector<Event> events, Open& open) const {
  std::map<uint32_t, bool> queues;
  const auto fits = [&](const Event& event) {
    if (kind_ != 0 && event.kind != kind_) return false;
    if (!filter_.mono.holds(event.mono_ns)) return false;
    if (!filter_.position.holds(static_cast<int64_t>(event.pos))) return false;
    if (!filter_.number.holds(static_cast<int64_t>(event.number))) return false;
    if (!filter_.time.open() && !filter_.time.holds(stream.clock.Real(event.mono_ns))) return false;
    if (!filter_.queue) return true;
    const auto id = static_cast<uint32_t>(event.queue);
    const auto [known, added] = queues.try_emplace(id, false);
    if (added) known->second = QueueFits(stream, id);
    return known->second;
  };
  std::vector<std::pair<int64_t, uint16_t>> order;  // (key, index)
  order.reserve(events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    if (fits(events[i])) {
      order.emplace_back(KeyOf(stream, events[i].mono_ns), static_cast<uint16_t>(i));
    }
  }
  if (!std::is_sorted(order.begin(), order.end())) std::sort(order.begin(), order.end());
  const bool all = order.size() == events.size() && filter_.order != EventOrder::kTimeDown &&
                   filter_.order != EventOrder::kMonoDown;
  open.indices.reserve(order.size());
  for (const auto& [key, index] : order) open.indices.push_back(index);
  if (all && std::is_sorted(open.indices.begin(), open.indices.end())) {
    open.events = std::move(events);
    return;
  }
  open.events.reserve(order.size());
  for (const uint16_t index : open.indices) open.events.push_back(events[index]);
}

absl::Status EventScan::Next() {
  Open& first = open_.front();
  if (first.at + 1 < first.events.size()) {
    ++first.at;
    if (filter_.order == EventOrder::kNone) return absl::OkStatus();
    const int64_t key = KeyOf(*first.stream, first.events[first.at].mono_ns);
    if (key == first.key) return absl::OkStatus();
    std::pop_heap(open_.begin(), open_.end(), Later<Open>);
    open_.back().key = key;
    std::push_heap(open_.begin(), open_.end(), Later<Open>);
    return Fill();
  }
  std::pop_heap(open_.begin(), open_.end(), Later<Open>);
  open_events_ -= open_.back().events.size();
  open_.pop_back();
  return Fill();
}

int64_t EventScan::row_id() const {
  const Open& open = open_.front();
  return open.chunk * static_cast<int64_t>(kChunkEventsMax) + open.indices[open.at];
}

}  // namespace ringside
