// SPDX-License-Identifier: Apache-2.0
// What is written is what is read, exactly once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "proto/convert.h"
#include "tests/collector/scratch.h"
#include "tests/proto/random_records.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

Snapshot Sorted(Snapshot snapshot) {
  std::sort(snapshot.samples.begin(), snapshot.samples.end(), [](const auto& a, const auto& b) {
    return std::tie(a.queue, a.count, a.hook) < std::tie(b.queue, b.count, b.hook);
  });
  std::sort(snapshot.gauges.begin(), snapshot.gauges.end(), [](const auto& a, const auto& b) {
    return std::tie(a.queue, a.gauge) < std::tie(b.queue, b.gauge);
  });
  std::sort(snapshot.parts.begin(), snapshot.parts.end(), [](const auto& a, const auto& b) {
    return std::tie(a.queue, a.count, a.label) < std::tie(b.queue, b.count, b.label);
  });
  return snapshot;
}

// What the reader must make of these records of one stream.
struct Expected {
  Stream stream;
  std::optional<ClockReading> began;  // by the first Hello, whatever is said later
  void Add(const Record& record) {
    if (const auto* hello = std::get_if<Hello>(&record)) {
      stream.hello = *hello;
      if (!began) began = hello->clock;
      stream.hello.clock = *began;
    }
    if (const auto* queue = std::get_if<QueueInfo>(&record)) stream.queues.push_back(*queue);
    if (const auto* snapshot = std::get_if<Snapshot>(&record)) {
      stream.snapshots.push_back(*snapshot);
    }
    if (const auto* marks = std::get_if<Marks>(&record)) {
      stream.marks.insert(stream.marks.end(), marks->marks.begin(), marks->marks.end());
    }
    if (const auto* line = std::get_if<LogLine>(&record)) stream.log.push_back(*line);
    if (const auto* fact = std::get_if<Fact>(&record)) stream.facts.push_back(*fact);
    if (const auto* clock = std::get_if<ClockExchange>(&record)) stream.clocks.push_back(*clock);
    if (const auto* gap = std::get_if<Gap>(&record)) stream.gaps.push_back(*gap);
    if (const auto* bye = std::get_if<Bye>(&record)) stream.bye = *bye;
  }
};

void ExpectSame(const Stream& read, const Stream& written) {
  EXPECT_EQ(read.hello, written.hello);
  EXPECT_EQ(read.queues, written.queues);
  ASSERT_EQ(read.snapshots.size(), written.snapshots.size());
  for (size_t i = 0; i < read.snapshots.size(); ++i) {
    EXPECT_EQ(Sorted(read.snapshots[i]), Sorted(written.snapshots[i]));
  }
  EXPECT_EQ(read.marks, written.marks);
  EXPECT_EQ(read.log, written.log);
  EXPECT_EQ(read.facts, written.facts);
  EXPECT_EQ(read.clocks, written.clocks);
  EXPECT_EQ(read.gaps, written.gaps);
  EXPECT_EQ(read.bye, written.bye);
  EXPECT_EQ(read.missing_numbers, 0u);
  EXPECT_EQ(read.unknown_names, 0u);
}

TEST(StoreTest, EveryKindComesBackAsItWas) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  const Scratch scratch;
  const std::string path = scratch / "a.rsi";
  std::unique_ptr<IncidentWriter> writer = NewWriter(path);
  Expected expected[2];
  for (uint64_t number = 1; number <= 200; ++number) {
    for (Expected& stream : expected) {
      const std::string name = &stream == expected ? "host1" : "vm1";
      Record record = RandomRecord(random, /*clocks=*/true, number);
      if (number == 1) {
        Hello hello = RandomHello(random);
        hello.key = Key(name);
        hello.clock.mono_ns = std::max<int64_t>(1, hello.clock.mono_ns);  // 0: never read
        std::reverse(hello.hooks.begin(), hello.hooks.end());             // the store sorts them
        record = hello;
      }
      if (number == 100) {  // hooks came
        Hello again = stream.stream.hello;
        again.clock = RandomHello(random).clock;
        record = again;
      }
      stream.Add(record);
      ASSERT_TRUE(writer->Append(Key(name), {number, record}).ok());
    }
    if (random.OneIn(20)) {
      ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
    }
  }
  ASSERT_TRUE(writer->Commit(ClockAt(2 * kSecond_ns)).ok());
  ASSERT_TRUE(writer->Close().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(path);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_TRUE(recording->closed);
  EXPECT_FALSE(recording->merged);
  EXPECT_EQ(recording->recorder, "collector1");
  ASSERT_EQ(recording->streams.size(), 2u);
  ExpectSame(recording->streams[0], expected[0].stream);
  ExpectSame(recording->streams[1], expected[1].stream);
  EXPECT_EQ(recording->streams[1].last_number, 200u);
}

TEST(StoreTest, AClosedIncidentIsOneFile) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1")});
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  EXPECT_TRUE(std::filesystem::exists(scratch / "a.rsi-wal"));
  ASSERT_TRUE(writer->Close().ok());
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) {
    EXPECT_EQ(entry.path().filename(), "a.rsi");
  }
}

TEST(StoreTest, AppendedIsNotCommitted) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1"), LogLine{1, 1, "x"}});
  EXPECT_EQ(writer->CommittedNumber(Key("vm1")), 0u);
  EXPECT_TRUE(writer->Knows(Key("vm1")));
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  EXPECT_EQ(writer->CommittedNumber(Key("vm1")), 2u);
  EXPECT_EQ(writer->CommittedNumber(Key("vm2")), 0u);
}

TEST(StoreTest, RepeatsAreDroppedIfEqualAndRefusedIfNot) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  const StreamKey key = Key("vm1");
  AppendAll(*writer, key, {MakeHello("vm1"), LogLine{1, 1, "one"}});
  EXPECT_TRUE(writer->Append(key, {2, LogLine{1, 1, "one"}}).ok());  // not yet written
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  EXPECT_TRUE(writer->Append(key, {1, MakeHello("vm1")}).ok());  // written
  EXPECT_TRUE(writer->Append(key, {2, LogLine{1, 1, "one"}}).ok());
  const absl::Status conflict = writer->Append(key, {2, LogLine{1, 1, "two"}});
  EXPECT_EQ(conflict.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(conflict), HasSubstr("record 2 was different before"));
  ASSERT_TRUE(writer->Close().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch / "a.rsi");
  ASSERT_TRUE(recording.ok());
  EXPECT_EQ(recording->streams[0].log.size(), 1u);
}

TEST(StoreTest, NumbersLeftOutAreAGap) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  const StreamKey key = Key("vm1");
  AppendAll(*writer, key, {MakeHello("vm1"), MakeSnapshot(1, true, {})});
  ASSERT_TRUE(writer->Append(key, {6, LogLine{9 * kSecond_ns, 1, "later"}}).ok());
  EXPECT_EQ(writer->Append(key, {4, LogLine{1, 1, "x"}}).code(),
            absl::StatusCode::kInvalidArgument);
  // An agent that dropped records says so itself: no second gap.
  ASSERT_TRUE(writer->Append(key, {9, Gap{1, 2, "spool full"}}).ok());
  ASSERT_TRUE(writer->Close().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch / "a.rsi");
  ASSERT_TRUE(recording.ok());
  const Stream& stream = recording->streams[0];
  EXPECT_EQ(stream.missing_numbers, 5u);
  ASSERT_EQ(stream.gaps.size(), 2u);
  EXPECT_EQ(stream.gaps[0].what, "records 3 to 5 are missing");
  EXPECT_EQ(stream.gaps[1].what, "spool full");
  EXPECT_EQ(Rows(scratch / "a.rsi", "SELECT what FROM gaps ORDER BY id"),
            (std::vector<std::string>{"records 3 to 5 are missing", "spool full"}));
}

TEST(StoreTest, AStreamBeginsWithItsHello) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  const absl::Status status = writer->Append(Key("vm1"), {1, LogLine{1, 1, "x"}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("does not begin with its Hello"));
  EXPECT_FALSE(writer->Append(Key("vm1"), {0, Gap{1, 2, "x"}}).ok());
}

TEST(StoreTest, WhatTheRecorderAddsHasNoNumber) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1")});
  const ClockExchange exchange{ClockAt(1), ClockAt(2), ClockAt(3)};
  ASSERT_TRUE(writer->Append(Key("vm1"), {0, exchange}).ok());
  ASSERT_TRUE(writer->Append(Key("vm1"), {0, Gap{1, 2, "agent vm1 lost"}}).ok());
  ASSERT_TRUE(writer->Append(RecorderGap{5, 6, "everything"}).ok());
  ASSERT_TRUE(writer->Close().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch / "a.rsi");
  ASSERT_TRUE(recording.ok());
  EXPECT_EQ(recording->streams[0].clocks, std::vector<ClockExchange>{exchange});
  EXPECT_EQ(recording->streams[0].gaps, (std::vector<Gap>{{1, 2, "agent vm1 lost"}}));
  EXPECT_EQ(recording->streams[0].last_number, 1u);
  EXPECT_EQ(recording->gaps, (std::vector<RecorderGap>{{5, 6, "everything"}}));
}

TEST(StoreTest, AClockThatWasSetIsAGap) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  ClockReading clock = ClockAt(kSecond_ns);
  ASSERT_TRUE(writer->Commit(clock).ok());
  clock.mono_ns += kSecond_ns;
  clock.real_ns += kSecond_ns * 95 / 100;  // slewed
  ASSERT_TRUE(writer->Commit(clock).ok());
  clock.mono_ns += kSecond_ns;
  clock.real_ns -= 59 * kSecond_ns;
  ASSERT_TRUE(writer->Commit(clock).ok());
  clock.mono_ns += kSecond_ns;
  clock.real_ns += 31 * kSecond_ns;
  ASSERT_TRUE(writer->Commit(clock).ok());
  ASSERT_TRUE(writer->Close().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch / "a.rsi");
  ASSERT_TRUE(recording.ok());
  ASSERT_EQ(recording->gaps.size(), 2u);
  EXPECT_EQ(recording->gaps[0].what, "the recorder's clock was set back by 60.000 s");
  EXPECT_EQ(recording->gaps[1].what,
            "the recorder's clock was set forward by 30.000 s, or its machine slept");
}

TEST(StoreTest, NodesOfOneNameAreToldApart) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  for (const char* machine : {"a", "b", "c"}) {
    Hello hello = MakeHello("vm1");
    hello.key = Key(machine);
    ASSERT_TRUE(writer->Append(hello.key, {1, hello}).ok());
  }
  Hello again = MakeHello("vm1");
  again.key = Key("a");
  again.key.instance = "agent-2";  // the same node, another life of its agent
  ASSERT_TRUE(writer->Append(again.key, {1, again}).ok());
  ASSERT_TRUE(writer->Close().ok());
  EXPECT_EQ(Rows(scratch / "a.rsi",
                 "SELECT n.name FROM streams s JOIN nodes n ON n.id = s.node ORDER BY s.id"),
            (std::vector<std::string>{"vm1", "vm1~2", "vm1~3", "vm1"}));
}

// 10 s, 10 snapshots a second, 10 busy queues.
TEST(StoreTest, ATypicalRecordingIsSmall) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  Random random(1);
  std::vector<Record> records = {MakeHello("vm1")};
  for (uint32_t queue = 0; queue < 10; ++queue) {
    records.push_back(MakeQueue(queue, "eth0", "rx" + std::to_string(queue)));
  }
  uint64_t value = 1'000'000;
  for (uint64_t sequence = 1; sequence <= 100; ++sequence) {
    Snapshot snapshot = MakeSnapshot(sequence, sequence == 1, {});
    for (uint32_t queue = 0; queue < 10; ++queue) {
      for (int count = 0; count < 10; ++count) {
        value += random.UpTo(1000);
        snapshot.samples.push_back(
            {QueueId{queue}, static_cast<Count>(count), HookId{1}, value, value + random.UpTo(1)});
      }
      for (int gauge = 0; gauge < 6; ++gauge) {
        snapshot.gauges.push_back({QueueId{queue}, static_cast<Gauge>(gauge), random.UpTo(65535)});
      }
    }
    records.push_back(snapshot);
  }
  AppendAll(*writer, Key("vm1"), records);
  ASSERT_TRUE(writer->Close().ok());
  const uintmax_t bytes = std::filesystem::file_size(scratch / "a.rsi");
  std::printf("10 s x 10 snapshots/s x 10 queues: %ju bytes\n", bytes);
  EXPECT_LT(bytes, 500'000u);
}

}  // namespace
}  // namespace ringside
