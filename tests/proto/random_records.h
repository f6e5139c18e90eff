// SPDX-License-Identifier: Apache-2.0
// Random records of every kind, for tests of wire and store.
#ifndef RINGSIDE_TESTS_PROTO_RANDOM_RECORDS_H_
#define RINGSIDE_TESTS_PROTO_RANDOM_RECORDS_H_

#include <string>
#include <vector>

#include "correlate/records.h"
#include "proto/chunk.h"
#include "proto/convert.h"
#include "tests/proto/random.h"
#include "tests/proto/sample_records.h"

namespace ringside {

inline std::string RandomText(Random& random, size_t most) {
  std::string text(random.Number(most), ' ');
  for (char& c : text) c = static_cast<char>('!' + random.UpTo(93));
  return text;
}

inline ClockReading RandomClock(Random& random) {
  ClockReading clock;
  for (int64_t* time : {&clock.mono_ns, &clock.raw_ns, &clock.real_ns}) {
    *time = static_cast<int64_t>(random.Number(uint64_t{1} << 62));
  }
  clock.counter = random.Number(UINT64_MAX);
  clock.width_ns = static_cast<int64_t>(random.Number(60'000'000'000));
  return clock;
}

inline int64_t RandomTime(Random& random) {
  return static_cast<int64_t>(random.Number(uint64_t{1} << 62));
}

inline Hello RandomHello(Random& random) {
  Hello hello = MakeHello(RandomText(random, 20));
  hello.version = RandomText(random, kNameBytesMax);
  hello.roles = static_cast<uint32_t>(random.UpTo(3));
  hello.hooks.clear();
  for (uint64_t i = random.UpTo(30); i > 0; --i) {
    hello.hooks.push_back({HookId{static_cast<uint32_t>(i * 7)}, RandomText(random, 30),
                           RandomText(random, 30), RandomText(random, 30),
                           static_cast<Rung>(random.UpTo(5)),
                           static_cast<HookState>(random.UpTo(2)), RandomText(random, 4096)});
  }
  hello.clock = RandomClock(random);
  return hello;
}

inline QueueInfo RandomQueue(Random& random) {
  QueueInfo queue;
  queue.id = QueueId{static_cast<uint32_t>(random.UpTo(40))};
  queue.generation = static_cast<uint32_t>(random.UpTo(3));
  queue.mono_ns = RandomTime(random);
  queue.kind = static_cast<QueueKind>(random.UpTo(4));
  queue.device = RandomText(random, 15);
  queue.queue = RandomText(random, 15);
  queue.irq_name = RandomText(random, 64);
  queue.irq = static_cast<int32_t>(random.Number(INT32_MAX)) - 1;
  queue.ring_size = static_cast<uint32_t>(random.Number(1u << 16));
  queue.packed = random.OneIn(2);
  queue.ring_address = random.Number(UINT64_MAX);
  queue.msi = {random.Number(UINT64_MAX), static_cast<uint32_t>(random.Number(UINT32_MAX)),
               random.OneIn(2)};
  queue.epoch = static_cast<uint32_t>(random.Number(UINT32_MAX));
  queue.vm_id = RandomText(random, 32);
  queue.vm_name = RandomText(random, 32);
  queue.vm_uuid = RandomText(random, 36);
  queue.owner_pid = static_cast<int32_t>(random.Number(INT32_MAX));
  return queue;
}

inline Snapshot RandomSnapshot(Random& random, uint64_t sequence) {
  Snapshot snapshot = MakeSnapshot(sequence, random.OneIn(3), {});
  snapshot.folded = static_cast<uint32_t>(random.UpTo(sequence - 1));
  snapshot.begin.counter = random.Number(UINT64_MAX);
  for (uint32_t queue = 0; queue < random.UpTo(8); ++queue) {
    for (int count = 0; count < kCounts; ++count) {
      if (random.OneIn(3)) continue;
      const uint64_t lo = random.Number(kCountMax - 10);
      snapshot.samples.push_back({QueueId{queue}, static_cast<Count>(count),
                                  HookId{static_cast<uint32_t>(random.UpTo(3))}, lo,
                                  lo + random.UpTo(10)});
    }
    for (int gauge = 0; gauge < kGauges; ++gauge) {
      snapshot.gauges.push_back(
          {QueueId{queue}, static_cast<Gauge>(gauge), random.Number(UINT64_MAX)});
    }
  }
  for (uint32_t hook = 0; hook < random.UpTo(20); ++hook) {
    HookSample sample{HookId{hook}, random.Number(kCountMax), random.Number(9), random.Number(9),
                      std::nullopt};
    if (random.OneIn(2)) sample.misses = random.Number(kCountMax);
    snapshot.hooks.push_back(sample);
  }
  for (uint64_t part = random.OneIn(2) ? random.UpTo(30) : 0; part > 0; --part) {
    snapshot.parts.push_back({QueueId{static_cast<uint32_t>(random.UpTo(8))},
                              static_cast<Count>(random.UpTo(kCounts - 1)),
                              std::to_string(part) + RandomText(random, kNameBytesMax - 2),
                              random.Number(kCountMax)});
  }
  return snapshot;
}

inline Marks RandomMarks(Random& random) {
  Marks marks;
  for (uint64_t i = random.UpTo(20); i > 0; --i) {
    Mark mark{QueueId{static_cast<uint32_t>(random.UpTo(8))},
              static_cast<Domain>(random.UpTo(3)),
              static_cast<uint16_t>(random.Number(UINT16_MAX)),
              static_cast<uint32_t>(random.Number(UINT32_MAX)),
              RandomTime(random),
              random.Number(1u << 20),
              random.Number(kCountMax - (1u << 20)) + (1u << 20),
              {}};
    for (int count = 0; count < static_cast<int>(random.UpTo(7)); ++count) {
      mark.counts.push_back({static_cast<Count>(count), HookId{1}, random.Number(kCountMax)});
    }
    marks.marks.push_back(mark);
  }
  return marks;
}

inline EventChunk RandomChunk(Random& random) {
  std::vector<Event> events(1 + random.UpTo(200));
  int64_t mono_ns = kSecond_ns;
  for (Event& event : events) {
    mono_ns += static_cast<int64_t>(random.UpTo(50'000));
    event = {mono_ns,
             random.UpTo(1u << 30),
             QueueId{static_cast<uint32_t>(random.UpTo(3))},
             static_cast<uint16_t>(1 + random.UpTo(kEventKindMax - 1)),
             static_cast<uint16_t>(random.UpTo(3)),
             random.UpTo(1u << 30),
             static_cast<uint32_t>(random.Number(UINT32_MAX)),
             static_cast<uint32_t>(random.UpTo(2))};
  }
  return EncodeChunk(events, 1 + random.UpTo(1000)).value();
}

// Any kind but Hello; ClockExchange only if asked for, as it does not travel.
inline Record RandomRecord(Random& random, bool clocks, uint64_t sequence) {
  switch (random.UpTo(clocks ? 8 : 7)) {
    case 0: return RandomQueue(random);
    case 1: return RandomMarks(random);
    case 2: return RandomChunk(random);
    case 3:
      return LogLine{RandomTime(random), static_cast<uint32_t>(random.UpTo(7)),
                     RandomText(random, kTextBytesMax)};
    case 4:
      return Fact{RandomTime(random), RandomText(random, kNameBytesMax),
                  RandomText(random, kTextBytesMax)};
    case 5: {
      const int64_t from_ns = static_cast<int64_t>(random.Number(1u << 30));
      return Gap{from_ns, from_ns + static_cast<int64_t>(random.Number(1u << 30)),
                 RandomText(random, 300)};
    }
    case 6: return Bye{RandomClock(random), RandomText(random, 300)};
    case 8: return ClockExchange{RandomClock(random), RandomClock(random), RandomClock(random)};
    default: return RandomSnapshot(random, sequence);
  }
}

}  // namespace ringside

#endif  // RINGSIDE_TESTS_PROTO_RANDOM_RECORDS_H_
