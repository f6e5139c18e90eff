// SPDX-License-Identifier: Apache-2.0
// A collector on a disk that is really full: a tmpfs of its own, in a mount namespace of its own.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "agent/grpc_sink.h"
#include "collector/server.h"
#include "collector/store/incident_check.h"
#include "proto/clocks.h"
#include "proto/sync.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

TEST(FullDiskTest, AgentsKeepTheirRecordsUntilThereIsRoom) {
  const Scratch scratch;
  const std::string& disk = scratch.path();
  ASSERT_EQ(mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=16m"), 0);
  std::ofstream(scratch / "ballast") << std::string(14 << 20, 'x');
  Mutex mutex;
  std::vector<std::string> log;
  CollectorOptions options;
  options.listen = "127.0.0.1:0";
  options.store = scratch / "store";
  options.name = "collector1";
  options.clock = ReadClocks;
  options.log = [&](const std::string& line) {
    MutexLock lock(mutex);
    log.push_back(line);
  };
  auto server = CollectorServer::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  GrpcSinkOptions sink_options;
  sink_options.address = (*server)->address();
  sink_options.clock = ReadClocks;
  auto sink = GrpcSink::Create(sink_options);
  ASSERT_TRUE(sink.ok());
  ASSERT_TRUE((*sink)->Put({1, MakeHello("vm1")}).ok());
  uint64_t number = 1;
  while (number < 1000) {  // 4 MB
    ++number;
    ASSERT_TRUE((*sink)->Put({number, LogLine{1, 6, std::string(4000, 'a')}}).ok());
  }
  EXPECT_EQ((*sink)->Flush(3000).code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_EQ(unlink((scratch / "ballast").c_str()), 0);
  EXPECT_TRUE((*sink)->Flush(20'000).ok());
  ASSERT_TRUE((*server)->Stop().ok());
  const absl::StatusOr<Recording> recording = ReadIncident((*server)->file());
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->streams[0].log.size(), number - 1);
  EXPECT_EQ(recording->streams[0].missing_numbers, 0u);
  ASSERT_EQ(recording->gaps.size(), 1u);
  EXPECT_THAT(recording->gaps[0].what, HasSubstr("no room left on the disk"));
  {
    MutexLock lock(mutex);
    ASSERT_EQ(log.size(), 2u);
    EXPECT_THAT(log[0], HasSubstr("no room left on the disk: agents keep their records"));
    EXPECT_THAT(log[1], HasSubstr("writing again"));
  }
  sink->reset();
  server->reset();
  umount2(disk.c_str(), MNT_DETACH);
}

// Closed, cut off with its -wal, and a store: none of them needs more than to be read.
TEST(ReadOnlyMountTest, IncidentsOpen) {
  const Scratch scratch;
  const std::string disk = scratch / "disk";
  std::filesystem::create_directory(disk);
  {
    auto closed = NewWriter(disk + "/20240101T000000Z.rsi");
    AppendAll(*closed, Key("vm1"), {MakeHello("vm1"), LogLine{1, 6, "line"}});
    ASSERT_TRUE(closed->Close().ok());
    auto cut = NewWriter(scratch / "cut.rsi");
    AppendAll(*cut, Key("vm2"), {MakeHello("vm2"), LogLine{1, 6, "line"}});
    ASSERT_TRUE(cut->Commit(ClockAt(kSecond_ns)).ok());
    for (const char* suffix : {"", "-wal"}) {  // as a recorder leaves them that is killed
      std::filesystem::copy_file(scratch / ("cut.rsi" + std::string(suffix)),
                                 disk + "/20240102T000000Z.rsi" + suffix);
    }
  }
  ASSERT_EQ(mount(disk.c_str(), disk.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, disk.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
  for (const char* name : {"/20240101T000000Z.rsi", "/20240102T000000Z.rsi"}) {
    const absl::StatusOr<Recording> recording = ReadIncident(disk + name);
    ASSERT_TRUE(recording.ok()) << recording.status();
    EXPECT_EQ(recording->streams.at(0).log.size(), 1u);
    EXPECT_EQ(CheckIncident(disk + name)->problem_count, 0u);
  }
  EXPECT_EQ(ReadIncident(disk)->streams.size(), 2u);
  EXPECT_TRUE(SaveIncident(disk, {}, scratch / "saved.rsi").ok());
  EXPECT_FALSE(SaveIncident(disk, {}, disk + "/saved.rsi").ok());
  CollectorOptions options;
  options.listen = "127.0.0.1:0";
  options.store = disk;
  options.clock = ReadClocks;
  options.log = [](const std::string&) {};
  const absl::Status refused = CollectorServer::Start(options).status();
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(Message(refused), HasSubstr(disk));
  umount2(disk.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    std::puts("SKIP: mounting a small disk needs root");
    return 77;
  }
  return RUN_ALL_TESTS();
}
