// SPDX-License-Identifier: Apache-2.0
// A snapshot's rows back into counts, gauges and parts, with every value checked.
#include "collector/store/incident_source.h"
#include "proto/convert.h"

namespace ringside {

absl::Status IncidentSource::LoadSamples(int64_t snapshot_id, Snapshot& snapshot) {
  absl::StatusOr<SqlStatement*> rows =
      Prepared("SELECT series, lo, width FROM samples WHERE snapshot = ?1");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = (*rows)->Bind(snapshot_id).Next();
  for (; more.ok() && *more; more = (*rows)->Next()) {
    const auto series = series_.find((*rows)->Int(0));
    if (series == series_.end() || !series->second.name) {
      ++unknown_rows_;
      continue;
    }
    const uint64_t lo = (*rows)->Unsigned(1);
    const uint64_t width = (*rows)->Unsigned(2);
    if (lo > kCountMax || width > kCountMax - lo || snapshot.samples.size() >= kSamplesMax) {
      return Damaged("a count");
    }
    snapshot.samples.push_back(Sample{QueueId{series->second.queue},
                                      static_cast<Count>(*series->second.name),
                                      HookId{series->second.hook}, lo, lo + width});
  }
  if (!more.ok()) return more.status();
  absl::StatusOr<SqlStatement*> gauges =
      Prepared("SELECT series, value FROM gauges WHERE snapshot = ?1");
  if (!gauges.ok()) return gauges.status();
  for (more = (*gauges)->Bind(snapshot_id).Next(); more.ok() && *more; more = (*gauges)->Next()) {
    const auto series = gauge_series_.find((*gauges)->Int(0));
    if (series == gauge_series_.end() || !series->second.name) {
      ++unknown_rows_;
      continue;
    }
    if (snapshot.gauges.size() >= kSamplesMax) return Damaged("its gauges");
    snapshot.gauges.push_back(GaugeSample{QueueId{series->second.queue},
                                          static_cast<Gauge>(*series->second.name),
                                          (*gauges)->Unsigned(1)});
  }
  return more.status();
}

absl::Status IncidentSource::LoadParts(int64_t snapshot_id, Snapshot& snapshot) {
  absl::StatusOr<SqlStatement*> rows = Prepared(
      "SELECT p.queue, p.count, l.text, p.value FROM part_values p"
      " JOIN labels l ON l.id = p.label WHERE p.snapshot = ?1");
  if (!rows.ok()) return rows.status();
  absl::StatusOr<bool> more = (*rows)->Bind(snapshot_id).Next();
  for (; more.ok() && *more; more = (*rows)->Next()) {
    const auto queue = queues_.find((*rows)->Int(0));
    const auto count = counts_.find((*rows)->Int(1));
    if (count == counts_.end() || !count->second) {
      ++unknown_rows_;
      continue;
    }
    const uint64_t value = (*rows)->Unsigned(3);
    if (queue == queues_.end() || value > kCountMax || snapshot.parts.size() >= kPartsMax) {
      return Damaged("a part of a count");
    }
    snapshot.parts.push_back(Part{QueueId{queue->second}, *count->second, (*rows)->Text(2), value});
  }
  return more.status();
}

}  // namespace ringside
