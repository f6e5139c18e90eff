// SPDX-License-Identifier: Apache-2.0
#include "cli/detail_events.h"

#include <memory>
#include <set>
#include <utility>
#include <variant>

#include "cli/format.h"
#include "cli/remote.h"
#include "cli/sql_query.h"
#include "cli/streams.h"
#include "collector/store/incident_reader.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr char kSelect[] =
    "select queue, kind, mono_ns, cpu, position, number from events"
    " where node = ?1 and mono_ns >= ?2 and mono_ns <= ?3";

std::string ValueText(const SqlValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  return "?";
}

int64_t ValueInt(const SqlValue& value) {
  const auto* number = std::get_if<int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

Moment EventMoment(const StreamView& view, const std::vector<SqlValue>& row) {
  auto number = [&](size_t i) { return Thousands(static_cast<uint64_t>(ValueInt(row[i]))); };
  const MomentTime time = view.TimeOf(ValueInt(row[2]));
  return {.axis_ns = time.axis.mid_ns(),
          .node = view.node(),
          .queue = view.node() + "/" + ValueText(row[0]),
          .what = "event",
          .text = fmt::format("{} at position {}, number {}, cpu {}", ValueText(row[1]), number(4),
                              number(5), ValueInt(row[3])),
          .time = time};
}

// The events table names queues as their node does: "eth0/rx1".
std::vector<std::string> OwnQueues(const StreamView& view, const TimelineFilter& filter) {
  std::vector<std::string> own;
  const std::string prefix = view.node() + "/";
  for (const std::string& queue : filter.queues) {
    if (queue.starts_with(prefix)) own.push_back(queue.substr(prefix.size()));
  }
  return own;
}

absl::Status ReadOne(sqlite3* db, const StreamView& view, const std::string* queue,
                     const TimelineFilter& filter, size_t limit, std::vector<Moment>& out) {
  std::string sql = kSelect;
  if (queue != nullptr) sql += " and queue = ?4";
  sql += " order by mono_ns";
  if (limit > 0) sql += fmt::format(" limit {}", limit);
  auto query = SqlQuery::Prepare(db, sql);
  if (!query.ok()) return query.status();
  (*query)->Bind(1, view.node());
  // A little more than the window; what is outside of it is dropped again below.
  const int64_t slack_ns = 2 * view.bound_ns();
  (*query)->Bind(2,
                 filter.from_ns == INT64_MIN ? INT64_MIN : view.MonoNs(filter.from_ns) - slack_ns);
  (*query)->Bind(3, filter.to_ns == INT64_MAX ? INT64_MAX : view.MonoNs(filter.to_ns) + slack_ns);
  if (queue != nullptr) (*query)->Bind(4, *queue);
  std::vector<SqlValue> row;
  while (true) {
    absl::StatusOr<bool> more = (*query)->Next(row);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    Moment moment = EventMoment(view, row);
    if (Wanted(filter, moment)) out.push_back(std::move(moment));
  }
}

}  // namespace

absl::StatusOr<std::vector<Moment>> ReadDetailEvents(const std::string& path,
                                                     const Recording& recording,
                                                     const Ledger& ledger,
                                                     const TimelineFilter& filter, size_t limit) {
  const absl::StatusOr<std::string> local = LocalIncident(path);
  if (!local.ok()) return local.status();
  auto incident = IncidentDb::Open(*local);
  if (!incident.ok()) return incident.status();
  std::vector<Moment> moments;
  std::set<std::string> nodes_done;  // events of all streams of a node come at once
  for (const StreamView& view : ViewStreams(recording, ledger)) {
    if (!nodes_done.insert(view.node()).second) continue;
    sqlite3* db = (*incident)->db();
    if (filter.queues.empty()) {
      absl::Status status = ReadOne(db, view, nullptr, filter, limit, moments);
      if (!status.ok()) return status;
      continue;
    }
    for (const std::string& queue : OwnQueues(view, filter)) {
      absl::Status status = ReadOne(db, view, &queue, filter, limit, moments);
      if (!status.ok()) return status;
    }
  }
  return moments;
}

}  // namespace ringside
