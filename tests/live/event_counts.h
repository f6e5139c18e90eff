// SPDX-License-Identifier: Apache-2.0
// Recorded events beside the counts that they belong to.
#ifndef RINGSIDE_TESTS_LIVE_EVENT_COUNTS_H_
#define RINGSIDE_TESTS_LIVE_EVENT_COUNTS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "proto/chunk.h"
#include "tests/agent/collect_sink.h"

namespace ringside {

using EventKey = std::pair<QueueId, uint16_t>;  // queue, kind

// All events by queue and kind, in the order of their numbers.
inline std::map<EventKey, std::vector<Event>> EventsByKind(const CollectSink& sink) {
  std::map<EventKey, std::vector<Event>> all;
  for (const EventChunk& chunk : sink.chunks()) {
    const auto events = DecodeChunk(chunk);
    EXPECT_TRUE(events.ok()) << events.status();
    for (const Event& event : *events) all[{event.queue, event.kind}].push_back(event);
  }
  for (auto& [key, events] : all) {
    std::sort(events.begin(), events.end(),
              [](const Event& a, const Event& b) { return a.number < b.number; });
  }
  return all;
}

// A count as the last snapshot that has it said, at least and at most.
inline std::pair<uint64_t, uint64_t> LastCount(const CollectSink& sink, QueueId queue,
                                               Count count) {
  std::pair<uint64_t, uint64_t> last;
  for (const Snapshot& snapshot : sink.stream().snapshots) {
    for (const Sample& sample : snapshot.samples) {
      if (sample.queue == queue && sample.count == count) last = {sample.lo, sample.hi};
    }
  }
  return last;
}

// Records of all hooks that found a ring full.
inline uint64_t DroppedRecords(const CollectSink& sink) {
  std::map<HookId, uint64_t> dropped;
  for (const Snapshot& snapshot : sink.stream().snapshots) {
    for (const HookSample& hook : snapshot.hooks) dropped[hook.hook] = hook.dropped;
  }
  uint64_t sum = 0;
  for (const auto& [hook, n] : dropped) sum += n;
  return sum;
}

}  // namespace ringside

#endif  // RINGSIDE_TESTS_LIVE_EVENT_COUNTS_H_
