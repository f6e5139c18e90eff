// SPDX-License-Identifier: Apache-2.0
// Joining incidents.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/collector/scratch.h"
#include "tests/proto/random_records.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

void Write(const std::string& path, const std::string& name, uint64_t from, uint64_t to,
           const std::string& text = "line") {
  std::unique_ptr<IncidentWriter> writer = NewWriter(path);
  ASSERT_TRUE(writer->Append(Key(name), {1, MakeHello(name)}).ok());
  for (uint64_t number = from; number <= to; ++number) {
    const LogLine line{static_cast<int64_t>(number), 6, text + std::to_string(number)};
    ASSERT_TRUE(writer->Append(Key(name), {number, line}).ok());
  }
  ASSERT_TRUE(writer->Commit(ClockAt(static_cast<int64_t>(to) * kSecond_ns)).ok());
  ASSERT_TRUE(writer->Close().ok());
}

TEST(MergeTest, StreamsOfBothSidesEndUpInOneFile) {
  const Scratch scratch;
  Write(scratch / "host.rsi", "host1", 2, 4);
  Write(scratch / "guest.rsi", "vm1", 2, 9);
  const absl::Status status =
      MergeIncidents({scratch / "host.rsi", scratch / "guest.rsi"}, scratch / "both.rsi");
  ASSERT_TRUE(status.ok()) << status;
  const absl::StatusOr<Recording> both = ReadIncident(scratch / "both.rsi");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_TRUE(both->merged);
  EXPECT_TRUE(both->closed);
  EXPECT_EQ(both->real_from_ns, kEpoch_ns + 4 * kSecond_ns);
  EXPECT_EQ(both->real_to_ns, kEpoch_ns + 9 * kSecond_ns);
  ASSERT_EQ(both->streams.size(), 2u);
  EXPECT_EQ(both->streams[0].hello.name, "host1");
  EXPECT_EQ(both->streams[0].log.size(), 3u);
  EXPECT_EQ(both->streams[1].log.size(), 8u);
}

TEST(MergeTest, PartsOfOneStreamAreJoinedByNumber) {
  const Scratch scratch;
  Write(scratch / "a.rsi", "vm1", 2, 10);
  Write(scratch / "b.rsi", "vm1", 5, 15);
  ASSERT_TRUE(MergeIncidents({scratch / "b.rsi", scratch / "a.rsi"}, scratch / "c.rsi").ok());
  const absl::StatusOr<Recording> joined = ReadIncident(scratch / "c.rsi");
  ASSERT_TRUE(joined.ok());
  ASSERT_EQ(joined->streams.size(), 1u);
  const Stream& stream = joined->streams[0];
  EXPECT_EQ(stream.missing_numbers, 0u);  // the hole that b has by itself is filled
  EXPECT_TRUE(stream.gaps.empty());
  ASSERT_EQ(stream.log.size(), 14u);
  for (size_t i = 0; i < stream.log.size(); ++i) {
    EXPECT_EQ(stream.log[i].text, "line" + std::to_string(i + 2));
  }
  // Joined once more with what it was made of, nothing changes.
  ASSERT_TRUE(MergeIncidents({scratch / "c.rsi", scratch / "a.rsi"}, scratch / "d.rsi").ok());
  EXPECT_EQ(ReadIncident(scratch / "d.rsi")->streams[0].log, stream.log);
}

TEST(MergeTest, FilesThatDisagreeAreRefused) {
  const Scratch scratch;
  Write(scratch / "a.rsi", "vm1", 2, 10);
  Write(scratch / "b.rsi", "vm1", 10, 15, "other");
  const absl::Status status =
      MergeIncidents({scratch / "a.rsi", scratch / "b.rsi"}, scratch / "c.rsi");
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(status), HasSubstr("disagree about record 10"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "c.rsi"));
  // As a store they can still be read: the first one's word is taken, and that is said.
  const absl::StatusOr<Recording> store = ReadIncident(scratch.path());
  ASSERT_TRUE(store.ok());
  ASSERT_EQ(store->gaps.size(), 1u);
  EXPECT_THAT(store->gaps[0].what, HasSubstr("disagree about record 10"));
  EXPECT_EQ(store->streams[0].log[8].text, "line10");
}

TEST(MergeTest, RandomRecordsSurviveIt) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  std::vector<Record> records = {MakeHello("vm1")};
  for (uint64_t number = 2; number < 150; ++number) {
    records.push_back(RandomRecord(random, /*clocks=*/true, number));
  }
  AppendAll(*writer, Key("vm1"), records);
  ASSERT_TRUE(writer->Append(Key("vm1"), {0, ClockExchange{ClockAt(1), ClockAt(2), {}}}).ok());
  ASSERT_TRUE(writer->Close().ok());
  Write(scratch / "b.rsi", "host1", 2, 3);
  ASSERT_TRUE(MergeIncidents({scratch / "a.rsi", scratch / "b.rsi"}, scratch / "c.rsi").ok());
  for (const char* sql :
       {"SELECT number, kind, size, hash FROM records WHERE stream = 1 ORDER BY number",
        "SELECT number, before_mono_ns FROM clock_exchanges ORDER BY id",
        "SELECT first_number, count, hex(data) FROM event_chunks ORDER BY id",
        "SELECT chunk, kind, events, pos_min FROM event_chunk_queues ORDER BY chunk, pos_min"}) {
    EXPECT_EQ(Rows(scratch / "a.rsi", sql), Rows(scratch / "c.rsi", sql)) << sql;
  }
  // And it can be joined with its origin: every hash is what it was.
  EXPECT_TRUE(MergeIncidents({scratch / "a.rsi", scratch / "c.rsi"}, scratch / "d.rsi").ok());
}

TEST(MergeTest, WhatCannotBeJoined) {
  const Scratch scratch;
  Write(scratch / "a.rsi", "vm1", 2, 3);
  EXPECT_FALSE(MergeIncidents({}, scratch / "c.rsi").ok());
  EXPECT_THAT(Message(MergeIncidents({scratch / "a.rsi", scratch / "a.rsi"}, scratch / "c.rsi")),
              HasSubstr("named twice"));
  EXPECT_EQ(MergeIncidents({scratch / "a.rsi", scratch / "no.rsi"}, scratch / "c.rsi").code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(MergeIncidents({scratch / "a.rsi"}, scratch / "a.rsi").code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(ReadIncident(scratch / "a.rsi").ok());
}

// A recording as version 1 wrote it.
constexpr char kVersion1[] = RINGSIDE_TESTS "/data/first-light-6.1.rsi";

TEST(OldSchemaTest, OpensWithEmptyNewTables) {
  EXPECT_EQ(Rows(kVersion1, "PRAGMA user_version"), std::vector<std::string>{"1"});
  EXPECT_EQ(Rows(kVersion1, "SELECT count(*) FROM parts"), std::vector<std::string>{"0"});
  EXPECT_TRUE(Rows(kVersion1, "SELECT * FROM findings").empty());
  EXPECT_TRUE(Rows(kVersion1, "SELECT * FROM verdicts").empty());
  const absl::StatusOr<Recording> recording = ReadIncident(kVersion1);
  ASSERT_TRUE(recording.ok()) << recording.status();
  ASSERT_EQ(recording->streams.size(), 2u);
  EXPECT_FALSE(recording->streams[0].snapshots.empty());
}

// What version 1 hashed, this version hashes alike: else a collector that is updated while an agent
// waits for it would take the agent for a liar.
TEST(OldSchemaTest, MergesWithTheSameHashes) {
  const Scratch scratch;
  const absl::Status status = MergeIncidents({kVersion1}, scratch / "new.rsi");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Rows(scratch / "new.rsi", "PRAGMA user_version"), std::vector<std::string>{"3"});
  const std::string sql = "SELECT stream, number, kind, hash FROM records ORDER BY 1, 2";
  const std::vector<std::string> hashes = Rows(kVersion1, sql);
  EXPECT_EQ(hashes.size(), 1162u);
  EXPECT_EQ(Rows(scratch / "new.rsi", sql), hashes);
}

TEST(MergeTest, PartsOfCountsAreShownByName) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  Snapshot first = MakeSnapshot(1, true, {});
  first.parts = {{QueueId{1}, Count::kTunDropped, "reason=FULL_RING", 7},
                 {QueueId{1}, Count::kTunOffered, "process=ping (12)", 9}};
  Snapshot second = MakeSnapshot(2, false, {});
  second.parts = {{QueueId{1}, Count::kTunDropped, "reason=FULL_RING", 8}};
  AppendAll(*writer, Key("host1"),
            {MakeHello("host1"), MakeQueue(1, "tap0", "rx0"), first, second});
  ASSERT_TRUE(writer->Close().ok());
  ASSERT_TRUE(MergeIncidents({scratch / "a.rsi"}, scratch / "b.rsi").ok());
  for (const char* file : {"a.rsi", "b.rsi"}) {
    EXPECT_EQ(Rows(scratch / file,
                   "SELECT node, queue, generation, (t - 1700000000000000000) / 1000000000, count,"
                   " label, value FROM parts ORDER BY t, count"),
              (std::vector<std::string>{"host1|tap0/rx0|1|1|tun.dropped|reason=FULL_RING|7",
                                        "host1|tap0/rx0|1|1|tun.offered|process=ping (12)|9",
                                        "host1|tap0/rx0|1|2|tun.dropped|reason=FULL_RING|8"}))
        << file;
  }
  EXPECT_EQ(Rows(scratch / "b.rsi", "SELECT count(*) FROM labels"), std::vector<std::string>{"2"});
}

}  // namespace
}  // namespace ringside
