// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_evidence.h"

#include <algorithm>

#include "correlate/interval.h"
#include "correlate/window.h"

namespace ringside {
namespace {

constexpr int64_t kTurn = 65536;

void SortReadings(std::vector<ClockReading>* readings) {
  std::sort(readings->begin(), readings->end(),
            [](const ClockReading& a, const ClockReading& b) { return a.mono_ns < b.mono_ns; });
}

SteadyScale InOrder(std::vector<ClockReading> readings) {
  SortReadings(&readings);
  SteadyScale scale;
  for (const ClockReading& reading : readings) scale.Add(reading);
  return scale;
}

// The whole reading is over.
int64_t EndOf(const ClockReading& reading) { return reading.mono_ns + reading.width_ns; }

// Positions read within a snapshot, with the times around.
template <typename F>
void ForEachGauge(const LocalQueue& queue, F f) {
  const NodeStream& node = *queue.node;
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  const std::vector<GaugePoint>& gauges = node.series.GaugeSeries(queue.info.id, Gauge::kPosition);
  if (queue.info.packed || queue.info.ring_size == 0 || gauges.empty()) return;
  for (size_t i = gauges.front().snapshot; i < snapshots.size(); ++i) {
    const auto pos = node.series.GaugeAt(queue.info.id, Gauge::kPosition, i);
    if (!pos || *pos > kValueMax || PositionOutdated(queue, i)) continue;
    f(EndOf(snapshots[i].begin), snapshots[i].end.mono_ns, static_cast<int64_t>(*pos));
  }
}

template <typename F>
void ForEachMark(const LocalQueue& queue, Domain domain, F f) {
  for (const Mark& mark : queue.node->stream->marks) {
    if (mark.queue != queue.info.id || mark.domain != domain || mark.pos > kValueMax) continue;
    f(mark.mono_ns, static_cast<int64_t>(mark.pos));
  }
}

}  // namespace

SteadyScale ScaleOf(const Stream& stream) {
  std::vector<ClockReading> readings = {stream.hello.clock};
  for (const Snapshot& snapshot : stream.snapshots) {
    readings.push_back(snapshot.begin);
    readings.push_back(snapshot.end);
  }
  for (const ClockExchange& exchange : stream.clocks) readings.push_back(exchange.agent);
  if (stream.bye && stream.bye->clock.mono_ns != 0) readings.push_back(stream.bye->clock);
  return InOrder(std::move(readings));
}

std::vector<ClockReading> CollectorReadings(const std::vector<const Stream*>& streams) {
  std::vector<ClockReading> readings;
  for (const Stream* stream : streams) {
    for (const ClockExchange& exchange : stream->clocks) {
      readings.push_back(exchange.collector_before);
      readings.push_back(exchange.collector_after);
    }
  }
  SortReadings(&readings);
  return readings;
}

void AddExchanges(const std::vector<ClockExchange>& exchanges, uint32_t source,
                  std::vector<ClockEvidence>* evidence) {
  for (const ClockExchange& exchange : exchanges) {
    // The question was sent after the whole first reading, the answer after the whole second.
    evidence->push_back({exchange.agent.mono_ns, EndOf(exchange.collector_before), false, source});
    evidence->push_back({EndOf(exchange.agent), exchange.collector_after.mono_ns, true, source});
  }
}

PublishedTimes Published(const LocalQueue& host) {
  PublishedTimes times;
  ForEachMark(host, Domain::kVhost, [&](int64_t mono_ns, int64_t pos) {
    times.todo.push_back({mono_ns, pos});
    times.done.push_back({mono_ns, pos});
  });
  const int64_t batch_max = host.info.ring_size;
  ForEachGauge(host, [&](int64_t begin_ns, int64_t end_ns, int64_t pos) {
    times.todo.push_back({begin_ns, pos});
    times.done.push_back({end_ns, pos - batch_max});
  });
  return times;
}

ObservedTimes Observed(const LocalQueue& guest, int64_t turn) {
  ObservedTimes times;
  const int64_t shift = turn * kTurn;
  ForEachMark(guest, Domain::kIrq, [&](int64_t mono_ns, int64_t pos) {
    times.seen.push_back({mono_ns, pos + shift});
  });
  ForEachGauge(guest, [&](int64_t begin_ns, int64_t end_ns, int64_t pos) {
    times.unseen.push_back({begin_ns, pos + shift});
    times.seen.push_back({end_ns, pos + shift});
  });
  return times;
}

}  // namespace ringside
