// SPDX-License-Identifier: Apache-2.0
// Files in every state that a recorder or a user can leave them in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "collector/store/schema.h"
#include "tests/collector/scratch.h"
#include "tests/proto/random.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Runs `body` in a child that ends without any clean-up, as if by kill -9.
void InDyingChild(const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

void WriteAndDie(const std::string& path) {
  InDyingChild([&path] {
    std::unique_ptr<IncidentWriter> writer = NewWriter(path);
    AppendAll(*writer, Key("vm1"), {MakeHello("vm1"), LogLine{1, 1, "committed"}});
    EXPECT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
    EXPECT_TRUE(writer->Append(Key("vm1"), {3, LogLine{2, 1, "not committed"}}).ok());
    writer.release();  // NOLINT: it is never closed
  });
}

void ExpectCutFile(const std::string& path) {
  const absl::StatusOr<Recording> recording = ReadIncident(path);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_FALSE(recording->closed);
  ASSERT_EQ(recording->streams.size(), 1u);
  ASSERT_EQ(recording->streams[0].log.size(), 1u);
  EXPECT_EQ(recording->streams[0].log[0].text, "committed");
  EXPECT_FALSE(recording->streams[0].bye.has_value());
}

void WriteClosed(const std::string& path, int lines = 1) {
  std::unique_ptr<IncidentWriter> writer = NewWriter(path);
  std::vector<Record> records = {MakeHello("vm1")};
  for (int i = 0; i < lines; ++i) records.emplace_back(LogLine{i, 1, "a line of the kernel's log"});
  AppendAll(*writer, Key("vm1"), records);
  ASSERT_TRUE(writer->Close().ok());
}

// The status of reading, whose message is one line that names the file.
absl::Status Refusal(const std::string& path) {
  absl::Status status = ReadIncident(path).status();
  EXPECT_EQ(Message(status).find('\n'), std::string::npos);
  EXPECT_THAT(Message(status), HasSubstr(path));
  return status;
}

TEST(StoreStateTest, KilledWriterLeavesAFileThatSaysSo) {
  const Scratch scratch;
  WriteAndDie(scratch / "a.rsi");
  ASSERT_TRUE(fs::exists(scratch / "a.rsi-wal"));
  ExpectCutFile(scratch / "a.rsi");
  ExpectCutFile(scratch / "a.rsi");  // reading changed nothing
}

TEST(StoreStateTest, KilledWritersFileIsReadableFromACopyWithoutSharedMemory) {
  const Scratch scratch;
  WriteAndDie(scratch / "a.rsi");
  fs::create_directory(scratch / "mail");
  fs::copy_file(scratch / "a.rsi", scratch / "mail/a.rsi");
  fs::copy_file(scratch / "a.rsi-wal", scratch / "mail/a.rsi-wal");
  ExpectCutFile(scratch / "mail/a.rsi");
}

TEST(StoreStateTest, FileThatIsBeingWrittenCanBeReadByOthers) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1"), LogLine{1, 1, "committed"}});
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  InDyingChild([&] { ExpectCutFile(scratch / "a.rsi"); });
  ExpectCutFile(scratch / "a.rsi");  // in the writer's own process too
  ASSERT_TRUE(writer->Append(Key("vm1"), {3, LogLine{2, 1, "more"}}).ok());
  ASSERT_TRUE(writer->Commit(ClockAt(2 * kSecond_ns)).ok());
  EXPECT_EQ(ReadIncident(scratch / "a.rsi")->streams[0].log.size(), 2u);
  EXPECT_TRUE(writer->Close().ok());
  EXPECT_TRUE(ReadIncident(scratch / "a.rsi")->closed);
}

TEST(StoreStateTest, CloseWhileAReaderHoldsTheFileSaysSo) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1")});
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  absl::StatusOr<std::unique_ptr<IncidentDb>> reader = IncidentDb::Open(scratch / "a.rsi");
  ASSERT_TRUE(reader.ok());
  ASSERT_EQ(Rows((*reader)->db(), "BEGIN; "), std::vector<std::string>());
  ASSERT_EQ(Rows((*reader)->db(), "SELECT count(*) FROM streams"), std::vector<std::string>{"1"});
  const absl::Status status = writer->Close();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("another program reads it"));
  reader->reset();
  writer.reset();
  EXPECT_TRUE(ReadIncident(scratch / "a.rsi")->closed);
}

TEST(StoreStateTest, ReadingLeavesNothingBehind) {
  const Scratch scratch;
  NewWriter(scratch / "a.rsi").reset();  // ended without Close: still in WAL mode, but alone
  WriteClosed(scratch / "b.rsi");
  EXPECT_TRUE(ReadIncident(scratch / "a.rsi").ok());
  EXPECT_TRUE(ReadIncident(scratch / "b.rsi").ok());
  for (const auto& entry : fs::directory_iterator(scratch.path())) {
    EXPECT_EQ(entry.path().extension(), ".rsi") << entry.path();
  }
}

// As an ordinary user, from whom the directory is protected: root could write it all the same.
void AsNobody(const std::function<void()>& body) {
  InDyingChild([&body] {
    if (geteuid() == 0) {
      ASSERT_EQ(setgid(65534), 0);
      ASSERT_EQ(setuid(65534), 0);
    }
    body();
  });
}

TEST(StoreStateTest, ReadOnlyDirectory) {
  const Scratch scratch;
  WriteClosed(scratch / "closed.rsi");
  WriteAndDie(scratch / "cut.rsi");
  WriteAndDie(scratch / "mailed.rsi");
  fs::remove(scratch / "mailed.rsi-shm");
  fs::permissions(scratch.path(), fs::perms::owner_read | fs::perms::owner_exec |
                                      fs::perms::others_read | fs::perms::others_exec);
  AsNobody([&] {
    EXPECT_TRUE(ReadIncident(scratch / "closed.rsi").ok());
    ExpectCutFile(scratch / "cut.rsi");
    ExpectCutFile(scratch / "mailed.rsi");  // SQLite could not open this one in place
  });
}

TEST(StoreStateTest, NoPermission) {
  const Scratch scratch;
  WriteClosed(scratch / "a.rsi");
  fs::permissions(scratch.path(), fs::perms::others_read | fs::perms::others_exec,
                  fs::perm_options::add);
  fs::permissions(scratch / "a.rsi", fs::perms::none);
  AsNobody([&] {
    const absl::Status status = Refusal(scratch / "a.rsi");
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(Message(status), HasSubstr("Permission denied"));
  });
}

TEST(StoreStateTest, NoSuchFile) {
  const Scratch scratch;
  EXPECT_EQ(Refusal(scratch / "a.rsi"), absl::NotFoundError(scratch / "a.rsi: no such file"));
  EXPECT_EQ(Refusal(scratch.path()).code(), absl::StatusCode::kNotFound);
}

TEST(StoreStateTest, NotAnIncident) {
  const Scratch scratch;
  std::ofstream(scratch / "empty.rsi").flush();
  std::ofstream(scratch / "text.rsi") << "GET / HTTP/1.1\r\n" << std::string(4000, 'x');
  std::ofstream(scratch / "short.rsi") << "SQLi";
  for (const char* name : {"empty.rsi", "text.rsi"}) {
    const absl::Status status = Refusal(scratch / name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(status), HasSubstr("not a ringside incident"));
  }
  EXPECT_EQ(Refusal(scratch / "short.rsi").code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(Refusal("/dev/null")), HasSubstr("not a file"));
}

// Changes a closed incident by SQL.
void Change(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* error = nullptr;
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
  ASSERT_EQ(sqlite3_close(db), SQLITE_OK);
}

TEST(StoreStateTest, SqliteFileOfAnotherProgram) {
  const Scratch scratch;
  Change(scratch / "a.rsi", "CREATE TABLE t(x)");
  const absl::Status status = Refusal(scratch / "a.rsi");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status),
              HasSubstr("not a ringside incident (an SQLite file of another program)"));
}

TEST(StoreStateTest, NewerSchema) {
  const Scratch scratch;
  WriteClosed(scratch / "a.rsi");
  Change(scratch / "a.rsi", "PRAGMA user_version = 7");
  EXPECT_EQ(Refusal(scratch / "a.rsi"),
            absl::FailedPreconditionError(
                scratch / "a.rsi: made by a newer ringside: schema 7, this reads up to 3"));
}

TEST(StoreStateTest, TablesThatAreNotOurs) {
  for (const char* change : {"DROP TABLE marks", "DROP TABLE facts; CREATE VIEW facts AS SELECT 1",
                             "DROP TABLE facts; CREATE VIRTUAL TABLE facts USING fts5(x)",
                             "ALTER TABLE facts ADD COLUMN more"}) {
    const Scratch scratch;
    WriteClosed(scratch / "a.rsi");
    Change(scratch / "a.rsi", change);
    const absl::Status status = Refusal(scratch / "a.rsi");
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << change;
    EXPECT_THAT(Message(status), HasSubstr("damaged (its table")) << change;
  }
}

TEST(StoreStateTest, ValuesThatNoRingsideWrites) {
  for (const char* change :
       {"UPDATE records SET kind = 99", "UPDATE records SET ref = 12345 WHERE number = 2",
        "UPDATE log_lines SET level = 9", "UPDATE log_lines SET mono_ns = -1",
        "UPDATE hooks SET rung = 17", "UPDATE hellos SET roles = 99",
        "UPDATE log_lines SET level = 'x' || randomblob(8)",
        "UPDATE records SET number = -4 WHERE number = 2"}) {
    const Scratch scratch;
    WriteClosed(scratch / "a.rsi");
    Change(scratch / "a.rsi", change);
    const absl::StatusOr<Recording> recording = ReadIncident(scratch / "a.rsi");
    if (recording.ok()) continue;  // a text that reads as 0 is none of the harmful ones
    EXPECT_EQ(recording.status().code(), absl::StatusCode::kDataLoss) << change;
    EXPECT_THAT(Message(recording.status()), HasSubstr("damaged")) << change;
  }
}

TEST(StoreStateTest, CutShort) {
  const Scratch scratch;
  WriteClosed(scratch / "a.rsi", 2000);
  const uintmax_t size = fs::file_size(scratch / "a.rsi");
  for (const uintmax_t left : {size - 1, size / 2, uintmax_t{4096}, uintmax_t{50}}) {
    fs::copy_file(scratch / "a.rsi", scratch / "cut.rsi", fs::copy_options::overwrite_existing);
    fs::resize_file(scratch / "cut.rsi", left);
    const absl::Status status = Refusal(scratch / "cut.rsi");
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << left;
    EXPECT_THAT(Message(status), HasSubstr("cut short")) << left;
  }
}

TEST(StoreStateTest, DamagedAnywhereIsRefusedOrSafe) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  const Scratch scratch;
  WriteClosed(scratch / "a.rsi", 50);
  std::ifstream file(scratch / "a.rsi", std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(file)), {});
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string bad = good;
    for (int i = 0; i < 20; ++i) {
      bad[random.UpTo(bad.size() - 1)] = static_cast<char>(random.UpTo(255));
    }
    std::ofstream(scratch / "bad.rsi", std::ios::binary) << bad;
    const absl::StatusOr<Recording> recording = ReadIncident(scratch / "bad.rsi");
    refused += recording.ok() ? 0 : 1;
    if (!recording.ok()) {
      EXPECT_EQ(Message(recording.status()).find('\n'), std::string::npos);
    }
  }
  std::printf("%d of 300 damaged files refused\n", refused);
}

TEST(StoreStateTest, DirectoryIsReadAsOne) {
  const Scratch scratch;
  {
    std::unique_ptr<IncidentWriter> first = NewWriter(scratch / "20240101T000000Z.rsi");
    AppendAll(*first, Key("vm1"),
              {MakeHello("vm1"), MakeQueue(1, "eth0", "rx0"), LogLine{1, 1, "one"}});
    ASSERT_TRUE(first->Close().ok());
    std::unique_ptr<IncidentWriter> second = NewWriter(scratch / "20240102T000000Z.rsi");
    ASSERT_TRUE(second->Continue(Key("vm1"), 3).ok());
    EXPECT_EQ(second->CommittedNumber(Key("vm1")), 3u);
    EXPECT_FALSE(second->Knows(Key("vm1")));
    ASSERT_TRUE(second->Append(Key("vm1"), {1, MakeHello("vm1")}).ok());
    ASSERT_TRUE(second->Append(Key("vm1"), {2, MakeQueue(1, "eth0", "rx0")}).ok());
    ASSERT_TRUE(second->Append(Key("vm1"), {4, LogLine{2, 1, "two"}}).ok());
    ASSERT_TRUE(second->Close().ok());
  }
  const absl::StatusOr<Recording> alone = ReadIncident(scratch / "20240102T000000Z.rsi");
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(alone->streams[0].missing_numbers, 0u);
  EXPECT_EQ(alone->streams[0].queues.size(), 1u);
  std::ofstream(scratch / "20240103T000000Z.rsi") << "junk";
  std::ofstream(scratch / "notes.txt") << "not looked at";
  const absl::StatusOr<Recording> store = ReadIncident(scratch.path());
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_EQ(store->streams.size(), 1u);
  EXPECT_EQ(store->streams[0].log.size(), 2u);
  EXPECT_EQ(store->streams[0].queues.size(), 1u);
  EXPECT_EQ(store->streams[0].missing_numbers, 0u);
  EXPECT_TRUE(store->closed);
  ASSERT_EQ(store->gaps.size(), 1u);
  EXPECT_THAT(store->gaps[0].what, HasSubstr("left out"));
}

}  // namespace
}  // namespace ringside
