// SPDX-License-Identifier: Apache-2.0
// Which packet an entry carries, and hence when its journey began.
#include <algorithm>
#include <utility>

#include "correlate/interval.h"
#include "correlate/journeys.h"

namespace ringside {
namespace {

// A frame up to this size takes one entry: virtio_net's receive buffers hold at least as much
// (GOOD_PACKET_LEN, drivers/net/virtio_net.c, get_mergeable_buf_len).
constexpr uint64_t kOneEntryBytes = 1518;
// A packet's record is made when tun_net_xmit returns: its batch may have been published by then.
constexpr int64_t kRecordedLateNs = 5'000'000;

// Points as a reader of a stream at rest knows them: the packets in a tap's ring, at a snapshot.
struct Rest {
  int64_t begin_ns;
  int64_t end_ns;
  int64_t pos;
  std::optional<uint64_t> enqueued;  // counted by then
};

// Whether the guest had given buffers that the backend had not taken: without one, it may stand
// still with packets in its hands that it took off the tap's ring.
bool HadRoom(const LocalQueue& host, size_t snapshot) {
  const auto gauge = [&](Gauge which) {
    return host.node->series.GaugeAt(host.info.id, which, snapshot);
  };
  const auto taken = gauge(Gauge::kAvail);
  const auto beyond = [&](Gauge which) {
    const auto given = gauge(which);
    return taken && given && static_cast<uint16_t>(*given - *taken) != 0;
  };
  return beyond(Gauge::kAvailGiven) || beyond(Gauge::kAvailSeen);
}

// Snapshots at which the tap's ring was empty: all that was enqueued had its entry, but for what
// the backend held.
std::vector<Rest> RestsOf(const LocalQueue& host) {
  std::vector<Rest> rests;
  const NodeStream& node = *host.node;
  const std::vector<Snapshot>& snapshots = node.stream->snapshots;
  const std::vector<HookId> hooks = node.series.HooksOf(host.info.id, Count::kTunEnqueued);
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const auto waiting = node.series.GaugeAt(host.info.id, Gauge::kTunRing, i);
    const auto pos = node.series.GaugeAt(host.info.id, Gauge::kPosition, i);
    if (!waiting || *waiting != 0 || !pos || *pos > kValueMax || !HadRoom(host, i)) continue;
    Rest rest{snapshots[i].begin.mono_ns, snapshots[i].end.mono_ns, static_cast<int64_t>(*pos),
              std::nullopt};
    if (!hooks.empty()) {
      const auto count = node.series.CountAt(host.info.id, Count::kTunEnqueued, hooks.front(), i);
      if (!count || count->lo != count->hi) continue;
      rest.enqueued = count->lo;
    }
    rests.push_back(rest);
  }
  return rests;
}

}  // namespace

// Of which CPU a packet came does not matter to those after it. What a CPU did before its first
// record is left to the count of packets between two rests.
void JourneyMaker::PutPacket(const PathEvent& event, const std::optional<Missing>& missing) {
  if (missing && missing->from_ns != INT64_MIN) {
    for (size_t i = packets_.size(); i > 0 && packets_[i - 1].mono_ns > missing->from_ns; --i) {
      packets_[i - 1].hole = true;
    }
  }
  packets_.push_back({event.mono_ns, event.value, missing.has_value()});
}

// Between two moments at which the tap's ring was empty, packets and entries follow each other one
// to one, as long as each packet takes one entry: forward from the first, backward from the second.
void JourneyMaker::MatchBetween(size_t first, size_t last, int64_t from_pos, int64_t to_pos) {
  const auto small = [this](size_t i) {
    return packets_[i].bytes <= kOneEntryBytes && !packets_[i].hole;
  };
  std::vector<std::pair<int64_t, int64_t>> found;  // entry, time
  size_t i = first;
  for (; i < last && small(i); ++i) {
    found.emplace_back(from_pos + static_cast<int64_t>(i - first) + 1, packets_[i].mono_ns);
  }
  const int64_t packets = static_cast<int64_t>(last - first);
  if (i == last && packets != to_pos - from_pos) return;
  if (packets > to_pos - from_pos) return;  // each takes one entry at least
  for (size_t k = last; k > i && small(k - 1); --k) {
    found.emplace_back(to_pos - static_cast<int64_t>(last - k), packets_[k - 1].mono_ns);
  }
  for (const auto& [pos, enqueued_ns] : found) {
    const auto batch = std::partition_point(batches_.begin(), batches_.end(),
                                            [pos = pos](const Batch& b) { return b.to_pos < pos; });
    if (batch == batches_.end() || batch->from_pos >= pos) continue;
    // A packet published before it came: the ring's emptiness was read wrongly.
    if (batch->end_ns + kRecordedLateNs < enqueued_ns) return;
  }
  packet_of_.insert(found.begin(), found.end());
}

// Whether the last packet before a time had its entry by then: what the backend holds, it took at
// once, and publishes it in one batch or one after the other.
bool JourneyMaker::Settled(size_t packets, int64_t by_ns) const {
  if (packets == 0) return true;
  const auto after = std::partition_point(batches_.begin(), batches_.end(),
                                          [by_ns](const Batch& b) { return b.end_ns < by_ns; });
  if (after == batches_.begin()) return false;
  const Batch& last = *(after - 1);
  return last.begin_ns.value_or(last.end_ns) >= packets_[packets - 1].mono_ns;
}

void JourneyMaker::MatchPackets() {
  if (packets_.empty()) return;
  const auto packets_until = [this](int64_t ns) {
    return static_cast<size_t>(
        std::partition_point(packets_.begin(), packets_.end(),
                             [ns](const Packet& p) { return p.mono_ns < ns; }) -
        packets_.begin());
  };
  const auto batches_until = [this](int64_t ns) {
    return std::partition_point(batches_.begin(), batches_.end(),
                                [ns](const Batch& b) { return b.end_ns < ns; });
  };
  std::optional<Rest> before;
  for (const Rest& rest : RestsOf(*pair_.host)) {
    // Nothing may have moved while it was read.
    const bool still =
        packets_until(rest.begin_ns) == packets_until(rest.end_ns + kRecordedLateNs) &&
        batches_until(rest.begin_ns) == batches_until(rest.end_ns);
    if (!still || !Settled(packets_until(rest.begin_ns), rest.begin_ns)) continue;
    // Records that are missing, of whichever CPU.
    const bool all = !before || !before->enqueued || !rest.enqueued ||
                     *rest.enqueued - *before->enqueued ==
                         packets_until(rest.begin_ns) - packets_until(before->end_ns);
    if (before && all) {
      MatchBetween(packets_until(before->end_ns), packets_until(rest.begin_ns), before->pos,
                   rest.pos);
    }
    before = rest;
  }
}

}  // namespace ringside
