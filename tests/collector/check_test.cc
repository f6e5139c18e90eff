// SPDX-License-Identifier: Apache-2.0
// `check` on what is sound, and on files that lie in every way it looks for.
#include "collector/store/incident_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "collector/store/schema.h"
#include "proto/chunk.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

constexpr char kVersion1[] = RINGSIDE_TESTS "/data/first-light-6.1.rsi";
constexpr char kVersion2[] = RINGSIDE_TESTS "/data/faults-6.1.rsi";

EventChunk Chunk(uint64_t first) {
  std::vector<Event> events(100);
  for (size_t i = 0; i < events.size(); ++i) {
    events[i] = {.mono_ns = static_cast<int64_t>(first + i) * 1000,
                 .pos = first + i,
                 .queue = QueueId{static_cast<uint32_t>(1 + i % 2)},
                 .kind = 1,
                 .cpu = 0,
                 .number = first + i};
  }
  return EncodeChunk(events, first).value();
}

void Write(const std::string& path) {
  std::unique_ptr<IncidentWriter> writer = NewWriter(path);
  AppendAll(*writer, Key("vm1"),
            {MakeHello("vm1"), MakeQueue(1, "eth0", "rx0"), MakeQueue(2, "eth0", "rx1"),
             MakeSnapshot(1, true, {{QueueId{1}, Count::kGuestIrq, HookId{1}, 5, 5}}), Chunk(1),
             Chunk(101), LogLine{1, 6, "a line"}});
  ASSERT_TRUE(writer->Close().ok());
}

void Change(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* error = nullptr;
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << sql << error;
  ASSERT_EQ(sqlite3_close(db), SQLITE_OK);
}

std::string FirstProblem(const std::string& path) {
  const absl::StatusOr<CheckReport> report = CheckIncident(path);
  if (!report.ok()) return Message(report.status());
  EXPECT_EQ(report->problem_count == 0, report->problems.empty());
  for (const CheckLine& line : report->problems) {
    EXPECT_EQ(line.what.find('\n'), std::string::npos) << line.what;
  }
  return report->problems.empty() ? "sound" : report->problems[0].what;
}

TEST(CheckTest, WhatWasRecordedIsSound) {
  const Scratch scratch;
  Write(scratch / "a.rsi");
  EXPECT_EQ(FirstProblem(scratch / "a.rsi"), "sound");
  const absl::StatusOr<CheckReport> report = CheckIncident(scratch / "a.rsi");
  EXPECT_EQ(report->records, 7u);
  EXPECT_EQ(report->chunks, 2u);
  EXPECT_EQ(report->events, 200u);
  EXPECT_EQ(FirstProblem(kVersion1), "sound");
  EXPECT_EQ(FirstProblem(kVersion2), "sound");
  EXPECT_EQ(FirstProblem(RINGSIDE_TESTS "/data/host-only-6.1.rsi"), "sound");
}

TEST(CheckTest, EveryLieIsNamed) {
  const std::pair<const char*, const char*> lies[] = {
      {"UPDATE log_lines SET text = 'another'", "record 7 is not what was written"},
      {"UPDATE samples SET lo = 6", "record 4 is not what was written"},
      {"DELETE FROM samples", "record 4 is not what was written"},
      {"DELETE FROM log_lines", "a record whose row is missing"},
      {"DELETE FROM records WHERE number = 6", "event chunks that no record names"},
      {"UPDATE streams SET last_number = 99", "its last record is 7, and 99 is stated"},
      {"UPDATE streams SET missing_numbers = 3", "0 records are missing, and 3 are stated"},
      {"UPDATE event_chunk_queues SET pos_max = 7 WHERE chunk = 2 AND queue = 1",
       "event chunk 2 holds other events than its index says"},
      {"UPDATE event_chunk_queues SET pos_min = 0", "event chunk 1 holds other events"},
      {"UPDATE event_chunk_queues SET to_mono_ns = 1", "event chunk 1 holds other events"},
      {"UPDATE event_chunk_queues SET number_min = 0", "event chunk 1 holds other events"},
      {"UPDATE event_chunk_queues SET events = 51 WHERE queue = 2", "event chunk 1 holds other"},
      {"DELETE FROM event_chunk_queues WHERE queue = 2", "event chunk 1 holds other events"},
      {"UPDATE event_chunk_queues SET chunk = 17 WHERE chunk = 2", "event chunk 2 holds other"},
      {"UPDATE event_chunks SET from_mono_ns = 5 WHERE id = 2", "record 6 is not what was"},
      {"UPDATE event_chunks SET count = 9 WHERE id = 1", "record 5 is not what was"},
      {"UPDATE event_chunks SET data = x'0102030405' WHERE id = 1", "record 5 is not what was"},
      {"UPDATE samples SET snapshot = 77", "counts of a snapshot that is not there"},
      {"DELETE FROM queues WHERE queue = 2", "descriptions of a queue that is not there"},
      {"UPDATE records SET number = 9 WHERE number = 7", "record 9 is not what was written"},
  };
  for (const auto& [sql, problem] : lies) {
    const Scratch scratch;
    Write(scratch / "a.rsi");
    Change(scratch / "a.rsi", sql);
    EXPECT_THAT(FirstProblem(scratch / "a.rsi"), HasSubstr(problem)) << sql;
  }
}

TEST(CheckTest, WhatTheIncidentSaysItselfIsAGapAndNoProblem) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1")});
  ASSERT_TRUE(writer->Append(Key("vm1"), {9, LogLine{1, 6, "later"}}).ok());
  ASSERT_TRUE(writer->Close().ok());
  const absl::StatusOr<CheckReport> report = CheckIncident(scratch / "a.rsi");
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->problem_count, 0u);
  ASSERT_EQ(report->gaps.size(), 1u);
  EXPECT_THAT(report->gaps[0].what, HasSubstr("records 2 to 8 are missing"));
}

TEST(CheckTest, DamagedPagesAndWhatIsNoIncident) {
  const Scratch scratch;
  Write(scratch / "a.rsi");
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(scratch / "a.rsi"));
  int sound = 0;
  for (std::streamoff at = 4096; at < size; at += 4096 * 3) {
    std::filesystem::copy_file(scratch / "a.rsi", scratch / "b.rsi",
                               std::filesystem::copy_options::overwrite_existing);
    std::fstream file(scratch / "b.rsi", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file << std::string(200, '\x5a');
    file.close();
    sound += FirstProblem(scratch / "b.rsi") == "sound" ? 1 : 0;
  }
  EXPECT_EQ(sound, 0);
  std::ofstream(scratch / "text.rsi") << "hello";
  EXPECT_THAT(FirstProblem(scratch / "text.rsi"), HasSubstr("not a ringside incident"));
  EXPECT_EQ(CheckIncident(scratch / "none.rsi").status().code(), absl::StatusCode::kNotFound);
}

TEST(CheckTest, FilesOfAStoreThatDisagree) {
  const Scratch scratch;
  for (const char* text : {"one", "two"}) {
    std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / (text + std::string(".rsi")));
    AppendAll(*writer, Key("vm1"), {MakeHello("vm1"), LogLine{1, 6, text}});
    ASSERT_TRUE(writer->Close().ok());
  }
  EXPECT_THAT(FirstProblem(scratch.path()), HasSubstr("disagree about record 2"));
}

}  // namespace
}  // namespace ringside
