// SPDX-License-Identifier: Apache-2.0
#include "cli/path_events.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <variant>

#include "cli/format.h"
#include "cli/remote.h"
#include "cli/sql_query.h"
#include "collector/store/incident_reader.h"
#include "correlate/joined.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr char kSelect[] =
    "select kind, mono_ns, cpu, position, number, value, rate from events"
    " where node = ?1 and queue = ?2 and mono_ns >= ?3 and mono_ns <= ?4 order by mono_ns";

int64_t Int(const SqlValue& value) {
  const auto* number = std::get_if<int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

const std::map<std::string, EventKind, std::less<>>& KindsByName() {
  static const auto* const kinds = [] {
    auto* map = new std::map<std::string, EventKind, std::less<>>;
    for (uint16_t kind = 1; kind <= kEventKindMax; ++kind) {
      map->emplace(EventKindName(kind), static_cast<EventKind>(kind));
    }
    return map;
  }();
  return *kinds;
}

// The node's own times around a window of the axis.
std::pair<int64_t, int64_t> MonoWindow(const NodeStream& node, const LedgerOptions& options) {
  const Stream& stream = *node.stream;
  int64_t from_ns = stream.hello.clock.mono_ns;
  int64_t to_ns = stream.snapshots.empty() ? from_ns : stream.snapshots.back().end.mono_ns;
  if (stream.bye) to_ns = std::max(to_ns, stream.bye->clock.mono_ns);
  const int64_t ahead_ns = node.axis.At(from_ns).mid_ns() - from_ns;
  if (options.from_ns) from_ns = std::max(from_ns, *options.from_ns - ahead_ns);
  if (options.to_ns) to_ns = std::min(to_ns, *options.to_ns - ahead_ns);
  return {from_ns, to_ns};
}

class PathReader {
 public:
  PathReader(sqlite3* db, const Joined& joined, const LedgerOptions& options, size_t events_max)
      : db_(db), joined_(joined), options_(options), events_max_(events_max) {}
  // Gives all of the pair's events in the window to `maker`, each side's in order of time.
  absl::Status Read(const QueuePair& pair, JourneyMaker* maker);
  absl::Status Read(const LocalQueue& queue, WriterLatency* writer);

 private:
  template <typename Take>
  absl::Status ReadQueue(const LocalQueue& queue, Take take);

  sqlite3* db_;
  const Joined& joined_;
  const LedgerOptions& options_;
  const size_t events_max_;
  std::map<const LocalQueue*, std::vector<PathEvent>> vcpu_events_;  // for all queues of a VM
};

template <typename Take>
absl::Status PathReader::ReadQueue(const LocalQueue& queue, Take take) {
  auto query = SqlQuery::Prepare(db_, fmt::format("{} limit {}", kSelect, events_max_));
  if (!query.ok()) return query.status();
  const auto [from_ns, to_ns] = MonoWindow(*queue.node, options_);
  (*query)->Bind(1, queue.node->name);
  (*query)->Bind(2, queue.info.device + "/" + queue.info.queue);
  (*query)->Bind(3, from_ns);
  (*query)->Bind(4, to_ns);
  std::vector<SqlValue> row;
  while (true) {
    absl::StatusOr<bool> more = (*query)->Next(row);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    const auto* name = std::get_if<std::string>(&row[0]);
    const auto kind = name == nullptr ? KindsByName().end() : KindsByName().find(*name);
    if (kind == KindsByName().end()) continue;
    take(PathEvent{.mono_ns = Int(row[1]),
                   .pos = static_cast<uint64_t>(Int(row[3])),
                   .kind = kind->second,
                   .cpu = static_cast<uint16_t>(Int(row[2])),
                   .number = static_cast<uint64_t>(Int(row[4])),
                   .value = static_cast<uint64_t>(Int(row[5])),
                   .rate = static_cast<uint32_t>(Int(row[6]))});
  }
}

absl::Status PathReader::Read(const QueuePair& pair, JourneyMaker* maker) {
  absl::Status status = ReadQueue(*pair.host, [&](const PathEvent& e) { maker->AddHost(e); });
  if (!status.ok()) return status;
  status = ReadQueue(*pair.guest, [&](const PathEvent& e) { maker->AddGuest(e); });
  if (!status.ok()) return status;
  for (const LocalQueue& vcpu : joined_.others()) {
    const QueueInfo& info = vcpu.info;
    if (info.kind != QueueKind::kVcpu || vcpu.node != pair.host->node) continue;
    if (info.vm_id != pair.host->info.vm_id || !info.queue.starts_with("vcpu")) continue;
    int number = -1;
    std::from_chars(info.queue.data() + 4, info.queue.data() + info.queue.size(), number);
    const auto [events, fresh] = vcpu_events_.try_emplace(&vcpu);
    if (fresh) {
      status = ReadQueue(vcpu, [&](const PathEvent& e) { events->second.push_back(e); });
      if (!status.ok()) return status;
    }
    for (const PathEvent& event : events->second) maker->AddVcpu(number, event);
  }
  return absl::OkStatus();
}

absl::Status PathReader::Read(const LocalQueue& queue, WriterLatency* writer) {
  return ReadQueue(queue, [&](const PathEvent& e) {
    if (e.rate == 0) return;
    const auto ns = static_cast<int64_t>(e.value);
    if (e.kind == EventKind::kWriterReturned) writer->returned.Add(ns);
    if (e.kind == EventKind::kWriterForwarded) writer->forwarded.Add(ns);
  });
}

absl::StatusOr<std::unique_ptr<IncidentDb>> OpenOf(const LoadedLedger& loaded) {
  const absl::StatusOr<std::string> local = LocalIncident(loaded.incident.path);
  if (!local.ok()) return local.status();
  return IncidentDb::Open(*local);
}

bool Asked(const Ledger& ledger, const QueuePair& pair) {
  return std::any_of(ledger.queues.begin(), ledger.queues.end(), [&](const QueueLedger& queue) {
    return queue.queue == pair.guest->Name() && queue.host_queue == pair.host->Name();
  });
}

}  // namespace

absl::StatusOr<std::vector<QueueLatency>> MeasureLatencies(const LoadedLedger& loaded,
                                                           const LatencyOptions& options,
                                                           size_t events_max) {
  const auto incident = OpenOf(loaded);
  if (!incident.ok()) return incident.status();
  const Joined joined(loaded.incident.recording);
  PathReader reader((*incident)->db(), joined, loaded.options, events_max);
  std::vector<QueueLatency> all;
  for (const QueuePair& pair : joined.pairs()) {
    if (pair.host == nullptr || pair.guest == nullptr || !pair.turn.turn) continue;
    if (!Asked(loaded.ledger, pair)) continue;
    JourneyMaker maker(pair);
    if (absl::Status status = reader.Read(pair, &maker); !status.ok()) return status;
    QueueLatency queue = maker.events() > 0 || !maker.sampled().empty()
                             ? MeasureJourneys(pair, &maker, options)
                             : MeasureMarks(pair);
    if (queue.journeys > 0 || !queue.by_marks) all.push_back(std::move(queue));
  }
  std::sort(all.begin(), all.end(), [](const QueueLatency& a, const QueueLatency& b) {
    return NaturalLess(a.queue, b.queue);
  });
  return all;
}

absl::StatusOr<std::vector<WriterLatency>> MeasureWriters(const LoadedLedger& loaded,
                                                          size_t events_max) {
  const auto incident = OpenOf(loaded);
  if (!incident.ok()) return incident.status();
  const Joined joined(loaded.incident.recording);
  PathReader reader((*incident)->db(), joined, loaded.options, events_max);
  std::vector<WriterLatency> all;
  std::set<std::string> asked;
  for (const QueueLedger& queue : loaded.ledger.queues) asked.insert(queue.host_queue);
  for (const QueuePair& pair : joined.pairs()) {
    // A queue that was set up again is there twice, under one name.
    if (pair.host == nullptr || asked.erase(pair.host->Name()) == 0) continue;
    WriterLatency writer{.queue = pair.host->Name(), .returned = {}, .forwarded = {}};
    if (absl::Status status = reader.Read(*pair.host, &writer); !status.ok()) return status;
    if (writer.returned.count() + writer.forwarded.count() > 0) all.push_back(std::move(writer));
  }
  std::sort(all.begin(), all.end(), [](const WriterLatency& a, const WriterLatency& b) {
    return NaturalLess(a.queue, b.queue);
  });
  return all;
}

}  // namespace ringside
