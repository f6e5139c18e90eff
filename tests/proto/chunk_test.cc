// SPDX-License-Identifier: Apache-2.0
#include "proto/chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "proto/crc32c.h"
#include "tests/proto/random.h"

namespace ringside {
namespace {

// Interrupts as the lab sees them: queues pinned to CPUs, exponential gaps around `gap_ns`, a few
// entries per interrupt.
std::vector<Event> Realistic(Random& random, size_t count, int queues, int cpus, double gap_ns) {
  struct Queue {
    uint64_t pos = 0;
    uint64_t number = 0;
  };
  std::vector<Queue> state(static_cast<size_t>(queues));
  for (Queue& queue : state) queue = {random.UpTo(1u << 30), random.UpTo(1u << 28)};
  std::vector<double> time_ns(static_cast<size_t>(cpus), 3.6e12);
  std::vector<Event> events;
  for (size_t i = 0; i < count; ++i) {
    const size_t q = random.UpTo(static_cast<uint64_t>(queues) - 1);
    const size_t cpu = q % static_cast<size_t>(cpus);
    time_ns[cpu] += 400 + random.Exponential(gap_ns);
    state[q].pos += 1 + static_cast<uint64_t>(random.Exponential(4));
    Event event;
    event.mono_ns = static_cast<int64_t>(time_ns[cpu]);
    event.pos = state[q].pos;
    event.queue = QueueId{static_cast<uint32_t>(100 + q)};
    event.kind = static_cast<uint16_t>(EventKind::kGuestIrq);
    event.cpu = static_cast<uint16_t>(cpu);
    event.number = state[q].number++;
    events.push_back(event);
  }
  return events;
}

std::vector<Event> ByTime(std::vector<Event> events) {
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.cpu < b.cpu; });
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.mono_ns < b.mono_ns; });
  return events;
}

TEST(Crc32cTest, KnownVector) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
}

TEST(ChunkTest, RoundTripOfRealisticEventsTakesAtMostThreeBytesEach) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  for (const size_t count : {4096u, 65536u}) {
    for (const double gap_ns : {2e3, 20e3, 100e3}) {
      const std::vector<Event> events = Realistic(random, count, 8, 4, gap_ns);
      const absl::StatusOr<EventChunk> chunk = EncodeChunk(events, 1);
      ASSERT_TRUE(chunk.ok()) << chunk.status();
      const double bytes = static_cast<double>(chunk->data.size()) / static_cast<double>(count);
      std::printf("%zu events, mean gap %.0f us: %.2f bytes per event\n", count, gap_ns / 1e3,
                  bytes);
      EXPECT_LE(bytes, 3.0);
      const absl::StatusOr<std::vector<Event>> decoded = DecodeChunk(*chunk);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      EXPECT_EQ(*decoded, ByTime(events));
    }
  }
}

TEST(ChunkTest, RoundTripOfAnything) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<Event> events(1 + random.Number(round % 50 == 0 ? 20000 : 300));
    for (Event& event : events) {
      event.mono_ns = static_cast<int64_t>(random.Number(INT64_MAX));
      event.pos = random.Number(UINT64_MAX);
      event.queue = QueueId{static_cast<uint32_t>(random.Number(UINT32_MAX))};
      event.kind = static_cast<uint16_t>(1 + random.Number(kEventKindMax - 1));
      event.cpu = static_cast<uint16_t>(random.Number(kChunkCpusMax - 1));
      event.number = random.Number(UINT64_MAX);
      event.value = static_cast<uint32_t>(random.Number(UINT32_MAX));
      event.rate = static_cast<uint32_t>(random.Number(UINT32_MAX));
    }
    const absl::StatusOr<EventChunk> chunk = EncodeChunk(events, 7);
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    EXPECT_EQ(chunk->count, events.size());
    const absl::StatusOr<std::vector<Event>> decoded = DecodeChunk(*chunk);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    ASSERT_EQ(*decoded, ByTime(events)) << "round " << round;
  }
}

TEST(ChunkTest, KeepsTheOrderOfACpuWhoseClockStandsStill) {
  std::vector<Event> events;
  for (uint64_t i = 0; i < 5; ++i) events.push_back({1000, i, QueueId{1}, 1, 0, 10 - i});
  const absl::StatusOr<EventChunk> chunk = EncodeChunk(events, 1);
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(*DecodeChunk(*chunk), events);
}

// What an agent wrote before values and rates were there.
TEST(ChunkTest, ReadsVersion1) {
  std::ifstream file(RINGSIDE_TESTS "/data/chunk-v1.bin", std::ios::binary);
  const std::string data((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_EQ(data.substr(0, 1), "\1");
  std::vector<Event> events;
  for (uint64_t i = 0; i < 400; ++i) {
    const uint64_t queue = i * 7919 % 3;
    events.push_back({static_cast<int64_t>(3'600'000'000'000 + 1700 * i + i * 6101 % 1500),
                      1000 * queue + 4 * i + i * 31 % 4, QueueId{static_cast<uint32_t>(7 + queue)},
                      1, static_cast<uint16_t>(queue % 2), 500 * queue + i});
  }
  const absl::StatusOr<std::vector<Event>> decoded = DecodeChunk(data);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, ByTime(events));
  EXPECT_EQ(decoded->front().value, 0u);
  EXPECT_EQ(decoded->front().rate, 1u);
  std::string newer = data;
  newer[0] = 3;
  EXPECT_EQ(DecodeChunk(newer).status().message(), "event chunk: format 3, this reads 1 and 2");
}

// Every 16th of one kind beside all of another: what is predictable costs nothing.
TEST(ChunkTest, SampledNumbersAndSteadyValuesCostNothing) {
  std::vector<Event> events;
  for (uint64_t i = 0; i < 4096; ++i) {
    events.push_back({static_cast<int64_t>(1000 + 100 * i), i, QueueId{1}, 2, 0, i, 700});
    if (i % 16 == 0) {
      events.push_back({static_cast<int64_t>(1001 + 100 * i), i, QueueId{1}, 15, 0, i, 9, 16});
    }
  }
  const absl::StatusOr<EventChunk> chunk = EncodeChunk(events, 1);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_LT(chunk->data.size(), 300u);
  EXPECT_EQ(*DecodeChunk(*chunk), events);
}

TEST(ChunkTest, IndexTellsWhatIsInIt) {
  const std::vector<Event> events = {
      {10, 5, QueueId{1}, 1, 0, 1}, {11, 9, QueueId{2}, 1, 0, 1}, {12, 3, QueueId{1}, 1, 1, 2}};
  const absl::StatusOr<EventChunk> chunk = EncodeChunk(events, 1);
  ASSERT_TRUE(chunk.ok());
  EXPECT_EQ(chunk->from_mono_ns, 10);
  EXPECT_EQ(chunk->to_mono_ns, 12);
  const absl::StatusOr<std::vector<ChunkQueue>> index = IndexChunk(*chunk);
  ASSERT_TRUE(index.ok()) << index.status();
  ASSERT_EQ(index->size(), 2u);
  EXPECT_EQ((*index)[0].events, 2u);
  EXPECT_EQ((*index)[0].pos_min, 3u);
  EXPECT_EQ((*index)[0].pos_max, 5u);
  EXPECT_EQ((*index)[0].from_mono_ns, 10);
  EXPECT_EQ((*index)[0].to_mono_ns, 12);
  EXPECT_EQ((*index)[0].number_min, 1u);
  EXPECT_EQ((*index)[0].number_max, 2u);
  EXPECT_EQ((*index)[1].queue, QueueId{2});
}

TEST(ChunkTest, AnIndexHasNoPlaceForPositionsThatSqlCannotHold) {
  for (const Event& event : {Event{10, uint64_t{1} << 63, QueueId{1}, 1, 0, 1},
                             Event{10, 5, QueueId{1}, 1, 0, uint64_t{1} << 63}}) {
    const absl::StatusOr<EventChunk> chunk = EncodeChunk({event}, 1);
    ASSERT_TRUE(chunk.ok());
    EXPECT_EQ(IndexChunk(*chunk).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ChunkTest, RefusesEventsThatCannotBe) {
  const Event good{10, 5, QueueId{1}, 1, 0, 1};
  EXPECT_FALSE(EncodeChunk({}, 1).ok());
  EXPECT_FALSE(EncodeChunk({good}, 0).ok());
  EXPECT_FALSE(EncodeChunk(std::vector<Event>(kChunkEventsMax + 1, good), 1).ok());
  for (Event bad :
       {Event{-1, 0, {}, 1, 0, 0}, Event{1, 0, {}, 0, 0, 0},
        Event{1, 0, {}, kEventKindMax + 1, 0, 0}, Event{1, 0, {}, 1, kChunkCpusMax, 0}}) {
    EXPECT_EQ(EncodeChunk({bad}, 1).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ChunkTest, RefusesARecordThatStatesOtherEvents) {
  const absl::StatusOr<EventChunk> chunk = EncodeChunk({{10, 5, QueueId{1}, 1, 0, 1}}, 1);
  ASSERT_TRUE(chunk.ok());
  for (const int lie : {0, 1, 2}) {
    EventChunk changed = *chunk;
    if (lie == 0) changed.count = 2;
    if (lie == 1) changed.from_mono_ns = 9;
    if (lie == 2) changed.to_mono_ns = 11;
    EXPECT_EQ(DecodeChunk(changed).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(IndexChunk(changed).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

// A changed chunk with a right checksum, as only a liar would send it.
std::string Resealed(std::string data) {
  const uint32_t crc = Crc32c(std::string_view(data).substr(5));
  for (size_t i = 0; i < 4; ++i) data[1 + i] = static_cast<char>(crc >> (8 * i));
  return data;
}

TEST(ChunkTest, CutAnywhereIsRefused) {
  Random random(1);
  const absl::StatusOr<EventChunk> chunk = EncodeChunk(Realistic(random, 500, 3, 2, 1e4), 1);
  ASSERT_TRUE(chunk.ok());
  for (size_t size = 0; size < chunk->data.size(); ++size) {
    const std::string cut = chunk->data.substr(0, size);
    EXPECT_FALSE(DecodeChunk(cut).ok()) << size;
    if (size >= 5) {
      EXPECT_FALSE(DecodeChunk(Resealed(cut)).ok()) << size;
    }
  }
  EXPECT_FALSE(DecodeChunk(Resealed(chunk->data + "x")).ok());
}

TEST(ChunkTest, FlippedAnywhereIsRefusedOrSafe) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  const absl::StatusOr<EventChunk> chunk = EncodeChunk(Realistic(random, 300, 3, 2, 1e4), 1);
  ASSERT_TRUE(chunk.ok());
  for (size_t at = 0; at < chunk->data.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string data = chunk->data;
      data[at] = static_cast<char>(data[at] ^ (1 << bit));
      EXPECT_FALSE(DecodeChunk(data).ok()) << at << ' ' << bit;
      if (at < 5) continue;
      const absl::StatusOr<std::vector<Event>> events = DecodeChunk(Resealed(data));
      if (events.ok()) {
        EXPECT_LE(events->size(), kChunkEventsMax);
      }
    }
  }
}

}  // namespace
}  // namespace ringside
