// SPDX-License-Identifier: Apache-2.0
// A collector that is killed again and again under agents that go on: nothing that was acknowledged
// is missing, and nothing is there twice. argv[1] is the collector's program.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "agent/grpc_sink.h"
#include "proto/clocks.h"
#include "tests/collector/scratch.h"
#include "tests/proto/random.h"

namespace ringside {
namespace {

std::string collector_program;  // NOLINT: set once by main

pid_t StartCollector(const std::string& listen, const std::string& store) {
  const char* const arguments[] = {
      collector_program.c_str(), "--listen", listen.c_str(), "--store", store.c_str(), nullptr};
  pid_t child = -1;
  EXPECT_EQ(posix_spawn(&child, arguments[0], nullptr, nullptr, const_cast<char* const*>(arguments),
                        environ),
            0);
  return child;
}

void Kill(pid_t child, int signal_number) {
  kill(child, signal_number);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
}

TEST(KillTest, NothingIsLostAndNothingTwice) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  const Scratch scratch;
  GrpcSinkOptions options;
  options.address = "unix:" + (scratch / "socket");
  options.clock = ReadClocks;
  options.backoff_ms_min = 10;
  options.backoff_ms_max = 100;
  const std::string names[] = {"vm1", "vm2", "host1"};
  std::vector<std::unique_ptr<GrpcSink>> sinks;
  for (const std::string& name : names) {
    sinks.push_back(*GrpcSink::Create(options));
    ASSERT_TRUE(sinks.back()->Put({1, MakeHello(name)}).ok());
    ASSERT_TRUE(sinks.back()->Put({2, MakeQueue(1, "eth0", "rx0")}).ok());
  }
  uint64_t number = 2;
  pid_t collector = StartCollector(options.address, scratch / "store");
  for (int life = 0; life < 8; ++life) {
    for (uint64_t i = 20 + random.UpTo(60); i > 0; --i) {
      ++number;
      for (const std::unique_ptr<GrpcSink>& sink : sinks) {
        const LogLine line{static_cast<int64_t>(number), 6, "line" + std::to_string(number)};
        ASSERT_TRUE(sink->Put({number, line}).ok());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(random.UpTo(15)));
    }
    if (life % 4 != 3) {
      Kill(collector, SIGKILL);
      collector = StartCollector(options.address, scratch / "store");
    }
  }
  for (const std::unique_ptr<GrpcSink>& sink : sinks) ASSERT_TRUE(sink->Flush(30'000).ok());
  Kill(collector, SIGTERM);
  sinks.clear();
  const absl::StatusOr<Recording> recording = ReadIncident(scratch / "store");
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_FALSE(recording->closed);  // most of its files were cut off
  EXPECT_TRUE(recording->gaps.empty()) << recording->gaps[0].what;
  ASSERT_EQ(recording->streams.size(), 3u);
  for (const Stream& stream : recording->streams) {
    EXPECT_EQ(stream.missing_numbers, 0u);
    EXPECT_EQ(stream.queues.size(), 1u);
    ASSERT_EQ(stream.log.size(), number - 2);
    for (size_t i = 0; i < stream.log.size(); ++i) {
      ASSERT_EQ(stream.log[i].text, "line" + std::to_string(i + 3));
    }
  }
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) return 2;
  ringside::collector_program = argv[1];
  return RUN_ALL_TESTS();
}
