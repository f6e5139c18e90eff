// SPDX-License-Identifier: Apache-2.0
// A store with limits: what goes, what stays, what is said; and fetching a part of it.
#include "collector/retention.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "agent/grpc_sink.h"
#include "cli/fetch_call.h"
#include "collector/server.h"
#include "collector/store/incident_check.h"
#include "proto/address.h"
#include "proto/clocks.h"
#include "proto/sync.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kHour_ns = 3600 * kSecond_ns;

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(RetentionTest, NamesTellWhenAFileWasBegun) {
  const Scratch scratch;
  const std::string path = StoreFileName(scratch.path(), kEpoch_ns + 5);
  EXPECT_EQ(BegunOf(path), kEpoch_ns);
  std::ofstream(path) << "x";
  const std::string second = StoreFileName(scratch.path(), kEpoch_ns + 5);
  EXPECT_NE(second, path);
  EXPECT_EQ(BegunOf(second), kEpoch_ns);
  for (const char* name : {"slow.rsi", "20240101T000000Z.rsi.bak", "20240101T000000Z", "x.rsi-wal",
                           "20240101T000000Z_a.rsi", "20240101T000000Z.rsi-wal"}) {
    EXPECT_EQ(BegunOf(name), 0) << name;
  }
}

// Files of 1,000 bytes, an hour apart.
void MakeFiles(const Scratch& scratch, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string path = StoreFileName(scratch.path(), kEpoch_ns + i * kHour_ns);
    std::ofstream(path) << std::string(900, 'x');
    std::ofstream(path + "-wal") << std::string(100, 'x');
  }
  std::ofstream(scratch / "mine.rsi") << std::string(5000, 'x');
}

TEST(RetentionTest, TheOldestGoFirstAndTheFileBeingWrittenNever) {
  const Scratch scratch;
  MakeFiles(scratch, 4);
  const std::string current = StoreFileName(scratch.path(), kEpoch_ns + 4 * kHour_ns);
  std::ofstream(current) << std::string(50'000, 'x');
  std::ofstream(scratch / "20200101T000000Z.rsi.removed") << "left by one who was killed";
  Retention retention{scratch.path(), 53'000, 0};
  std::vector<std::string> failures;
  std::vector<RecorderGap> gaps = retention.Trim(current, kEpoch_ns + 5 * kHour_ns, failures);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].from_real_ns, kEpoch_ns);
  EXPECT_EQ(gaps[0].to_real_ns, kEpoch_ns + kHour_ns);
  EXPECT_THAT(gaps[0].what, HasSubstr("below its size: 20231114T221320Z.rsi"));
  EXPECT_TRUE(fs::exists(scratch / "mine.rsi"));
  EXPECT_FALSE(fs::exists(scratch / "20231114T221320Z.rsi-wal"));
  EXPECT_FALSE(fs::exists(scratch / "20200101T000000Z.rsi.removed"));
  retention.keep_bytes = 1;
  EXPECT_EQ(retention.Trim(current, kEpoch_ns + 5 * kHour_ns, failures).size(), 3u);
  EXPECT_TRUE(fs::exists(current));
  EXPECT_THAT(NamesIn(scratch.path()),
              ElementsAre(fs::path(current).filename().string(), "mine.rsi"));
  EXPECT_TRUE(failures.empty());
}

TEST(RetentionTest, AFileIsAsOldAsTheBeginningOfTheNext) {
  const Scratch scratch;
  MakeFiles(scratch, 4);
  const std::string current = scratch / "20231115T011320Z.rsi";  // the fourth
  const Retention retention{scratch.path(), 0, 2 * kHour_ns};
  std::vector<std::string> failures;
  EXPECT_TRUE(retention.Trim(current, kEpoch_ns + 3 * kHour_ns, failures).empty());
  const auto gaps = retention.Trim(current, kEpoch_ns + 3 * kHour_ns + 1, failures);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_THAT(gaps[0].what, HasSubstr("below its age"));
  EXPECT_EQ(retention.Trim(current, kEpoch_ns + 1000 * kHour_ns, failures).size(), 2u);
  EXPECT_TRUE(fs::exists(current));
}

class LimitedStore : public testing::Test {
 protected:
  void Start(int64_t keep_bytes) {
    CollectorOptions options;
    options.listen = "unix:" + (scratch_ / "socket");
    options.store = scratch_ / "store";
    options.name = "collector1";
    options.clock = ReadClocks;
    options.keep_bytes = keep_bytes;
    options.log = [this](const std::string& line) {
      MutexLock lock(mutex_);
      log_.push_back(line);
    };
    absl::StatusOr<std::unique_ptr<CollectorServer>> server = CollectorServer::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    GrpcSinkOptions sink_options;
    sink_options.address = options.listen;
    sink_options.clock = ReadClocks;
    sink_ = *GrpcSink::Create(sink_options);
  }
  Scratch scratch_;
  Mutex mutex_;
  std::vector<std::string> log_;
  std::unique_ptr<CollectorServer> server_;
  std::unique_ptr<GrpcSink> sink_;
};

TEST_F(LimitedStore, GoesOnInNewFilesWithoutLosingARecordThatIsKept) {
  Start(16'000'000);
  ASSERT_TRUE(sink_->Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(sink_->Put({2, MakeQueue(1, "eth0", "rx0")}).ok());
  ASSERT_TRUE(sink_->Put({3, Fact{1, "net.core.busy_read", "50"}}).ok());
  uint64_t number = 3;
  for (int burst = 0; burst < 30; ++burst) {  // a megabyte each
    for (int i = 0; i < 250; ++i) {
      ++number;
      const LogLine line{static_cast<int64_t>(number), 6, std::string(4000, 'a')};
      ASSERT_TRUE(sink_->Put({number, line}).ok());
    }
    ASSERT_TRUE(sink_->Flush(20'000).ok());
  }
  sink_.reset();
  ASSERT_TRUE(server_->Stop().ok());
  const std::vector<std::string> names = NamesIn(scratch_ / "store");
  EXPECT_GT(names.size(), 4u);
  uintmax_t bytes = 0;
  for (const std::string& name : names) bytes += fs::file_size(scratch_ / ("store/" + name));
  EXPECT_LT(bytes, 19'000'000u);  // and the file being written
  EXPECT_GT(bytes, 10'000'000u);
  const absl::StatusOr<Recording> store = ReadIncident(scratch_ / "store");
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_EQ(store->streams.size(), 1u);
  const Stream& stream = store->streams[0];
  EXPECT_EQ(stream.last_number, number);
  EXPECT_EQ(stream.missing_numbers, 0u);
  EXPECT_EQ(stream.queues.size(), 1u);
  EXPECT_EQ(stream.facts.size(), 1u);
  EXPECT_LT(stream.log.size(), 7500u);              // the first of them are gone, and
  for (size_t i = 1; i < stream.log.size(); ++i) {  // the others are there, each once
    ASSERT_EQ(stream.log[i].mono_ns, stream.log[i - 1].mono_ns + 1);
  }
  EXPECT_EQ(stream.log.back().mono_ns, static_cast<int64_t>(number));
  ASSERT_FALSE(store->gaps.empty());
  EXPECT_THAT(store->gaps.back().what, HasSubstr("removed to keep the store below its size"));
  // Each file alone is sound, and has what its stream is about.
  for (const std::string& name : names) {
    const absl::StatusOr<Recording> one = ReadIncident(scratch_ / ("store/" + name));
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_EQ(one->streams.at(0).queues.size(), 1u);
    EXPECT_EQ(one->streams.at(0).facts.size(), 1u);
  }
  EXPECT_EQ(CheckIncident(scratch_ / "store")->problem_count, 0u);
}

TEST_F(LimitedStore, IsAlone) {
  Start(16'000'000);
  CollectorOptions options;
  options.listen = "unix:" + (scratch_ / "socket2");
  options.store = scratch_ / "store";
  options.clock = ReadClocks;
  options.log = [](const std::string&) {};
  EXPECT_EQ(CollectorServer::Start(options).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(LimitedStore, APartIsFetchedWhileItIsWritten) {
  Start(0);
  ASSERT_TRUE(sink_->Put({1, MakeHello("vm1")}).ok());
  for (uint64_t number = 2; number < 500; ++number) {
    ASSERT_TRUE(sink_->Put({number, LogLine{1, 6, std::string(4000, 'a')}}).ok());
  }
  ASSERT_TRUE(sink_->Flush(20'000).ok());
  const Address address = *ParseAddress("unix:" + (scratch_ / "socket"));
  std::string bytes;
  uint64_t total = 0;
  const absl::Status status = FetchPieces(address, 0, 0, [&](std::string_view piece, uint64_t all) {
    EXPECT_LE(piece.size(), size_t{256} << 10);
    bytes += piece;
    total = all;
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(bytes.size(), total);
  std::ofstream(scratch_ / "fetched.rsi", std::ios::binary) << bytes;
  EXPECT_EQ(ReadIncident(scratch_ / "fetched.rsi")->streams.at(0).log.size(), 498u);
  EXPECT_EQ(CheckIncident(scratch_ / "fetched.rsi")->problem_count, 0u);
  // One who gives up, and a window that has nothing.
  EXPECT_EQ(FetchPieces(
                address, 0, 0,
                [](std::string_view, uint64_t) { return absl::ResourceExhaustedError("no room"); })
                .code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(NamesIn(scratch_.path()).size() == 3u);
}

}  // namespace
}  // namespace ringside
