// SPDX-License-Identifier: Apache-2.0
// A recording told again, record by record, as a collector would have heard it.
#ifndef RINGSIDE_TESTS_COLLECTOR_REPLAY_H_
#define RINGSIDE_TESTS_COLLECTOR_REPLAY_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "correlate/axis.h"
#include "correlate/recording.h"
#include "tests/collector/scratch.h"

namespace ringside {

struct TimedRecord {
  int64_t axis_ns = 0;  // when it was heard, give or take the clocks
  StreamKey key;
  NumberedRecord record;
};

// Streams begin with Hello and queues; the Bye is left out: agents are attached.
inline std::vector<TimedRecord> InOrder(const Recording& recording) {
  std::vector<TimedRecord> records;
  for (const Stream& stream : recording.streams) {
    const StreamKey& key = stream.hello.key;
    const StreamAxis axis(stream, false);
    const auto add = [&](int64_t mono_ns, Record record) {
      records.push_back({axis.At(mono_ns).mid_ns(), key, {1, std::move(record)}});
    };
    add(stream.hello.clock.mono_ns, stream.hello);
    for (const QueueInfo& queue : stream.queues) add(queue.mono_ns, queue);
    for (const Fact& fact : stream.facts) add(fact.mono_ns, fact);
    for (const LogLine& line : stream.log) add(line.mono_ns, line);
    for (const Mark& mark : stream.marks) add(mark.mono_ns, Marks{{mark}});
    for (const Snapshot& snapshot : stream.snapshots) add(snapshot.end.mono_ns, snapshot);
    for (const ClockExchange& clock : stream.clocks) {
      records.push_back({clock.collector_after.real_ns, key, {0, clock}});
    }
    for (const Gap& gap : stream.gaps) add(gap.to_mono_ns, gap);
  }
  std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const TimedRecord& r) {  // a stream begins with what it is about
      return std::holds_alternative<Hello>(r.record.record) ? 0 : 1;
    };
    return std::pair(rank(a), a.axis_ns) < std::pair(rank(b), b.axis_ns);
  });
  std::map<StreamKey, uint64_t> numbers;
  for (TimedRecord& record : records) {
    if (record.record.number > 0) record.record.number = ++numbers[record.key];
  }
  return records;
}

}  // namespace ringside

#endif  // RINGSIDE_TESTS_COLLECTOR_REPLAY_H_
