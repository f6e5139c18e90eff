// SPDX-License-Identifier: Apache-2.0
// Collector and agents' sinks in one process, over a socket.
#include "collector/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "agent/grpc_sink.h"
#include "proto/clocks.h"
#include "proto/sync.h"
#include "tests/collector/eventually.h"
#include "tests/collector/raw_agent.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class ServerTest : public testing::Test {
 protected:
  std::unique_ptr<CollectorServer> StartServer() {
    CollectorOptions options;
    options.listen = address_;
    options.store = scratch_ / "store";
    options.name = "collector1";
    options.detail = detail_;
    options.clock = ReadClocks;
    options.log = [this](const std::string& line) {
      MutexLock lock(mutex_);
      log_.push_back(line);
    };
    auto server = CollectorServer::Start(options);
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }
  std::unique_ptr<GrpcSink> NewSink() {
    GrpcSinkOptions options;
    options.address = address_;
    options.clock = ReadClocks;
    options.backoff_ms_min = 10;
    options.backoff_ms_max = 100;
    auto sink = GrpcSink::Create(options);
    EXPECT_TRUE(sink.ok()) << sink.status();
    return *std::move(sink);
  }
  static void PutLines(GrpcSink& sink, uint64_t from, uint64_t to) {
    for (uint64_t number = from; number <= to; ++number) {
      const LogLine line{static_cast<int64_t>(number), 6, "line" + std::to_string(number)};
      ASSERT_TRUE(sink.Put({number, line}).ok());
    }
  }
  Recording Read() {
    const absl::StatusOr<Recording> recording = ReadIncident(scratch_ / "store");
    EXPECT_TRUE(recording.ok()) << recording.status();
    return recording.ok() ? *recording : Recording();
  }
  std::vector<std::string> log() {
    MutexLock lock(mutex_);
    return log_;
  }

  Scratch scratch_;
  std::string address_ = "unix:" + (scratch_ / "socket");
  std::vector<std::string> detail_;
  Mutex mutex_;
  std::vector<std::string> log_;
};

TEST_F(ServerTest, WhatAnAgentPutsIsInTheFileWhenItIsFlushed) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(sink->Put({2, MakeQueue(1, "eth0", "rx0")}).ok());
  PutLines(*sink, 3, 1000);
  ASSERT_TRUE(sink->Flush(20'000).ok());
  // Acknowledged is committed: another process sees it while the collector runs.
  Recording recording = Read();
  ASSERT_EQ(recording.streams.size(), 1u);
  EXPECT_EQ(recording.streams[0].hello, MakeHello("vm1"));
  EXPECT_EQ(recording.streams[0].log.size(), 998u);
  EXPECT_FALSE(recording.closed);
  ASSERT_TRUE(sink->Put({1001, Bye{ClockAt(9), "done"}}).ok());
  ASSERT_TRUE(sink->Flush(20'000).ok());
  sink.reset();
  ASSERT_TRUE(server->Stop().ok());
  recording = Read();
  EXPECT_TRUE(recording.closed);
  EXPECT_EQ(recording.streams[0].bye->reason, "done");
  EXPECT_EQ(recording.streams[0].missing_numbers, 0u);
  EXPECT_TRUE(recording.streams[0].gaps.empty());
  EXPECT_EQ(recording.recorder, "collector1");
}

TEST_F(ServerTest, ClocksAreExchangedQuicklyAtFirst) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  EXPECT_TRUE(Eventually([&] {
    const Recording recording = Read();
    return !recording.streams.empty() && recording.streams[0].clocks.size() >= 5;
  }));
  const Recording recording = Read();
  for (const ClockExchange& exchange : recording.streams[0].clocks) {
    EXPECT_LE(exchange.collector_before.mono_ns, exchange.agent.mono_ns);
    EXPECT_LE(exchange.agent.mono_ns, exchange.collector_after.mono_ns);
  }
}

TEST_F(ServerTest, AnAgentThatGoesWithoutAByeIsLost) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(sink->Flush(20'000).ok());
  sink.reset();
  EXPECT_TRUE(Eventually([&] { return !log().empty(); }));
  ASSERT_TRUE(server->Stop().ok());
  const Recording recording = Read();
  ASSERT_EQ(recording.streams.size(), 1u);
  ASSERT_EQ(recording.streams[0].gaps.size(), 1u);
  EXPECT_THAT(recording.streams[0].gaps[0].what, HasSubstr("agent vm1 lost at 20"));
}

TEST_F(ServerTest, ARestartedCollectorGetsTheRestAndTheQueues) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(sink->Put({2, MakeQueue(1, "eth0", "rx0")}).ok());
  PutLines(*sink, 3, 50);
  ASSERT_TRUE(sink->Flush(20'000).ok());
  ASSERT_TRUE(server->Stop().ok());
  const std::string first_file = server->file();
  server.reset();
  PutLines(*sink, 51, 80);
  EXPECT_EQ(sink->Flush(50).code(), absl::StatusCode::kDeadlineExceeded);
  server = StartServer();
  ASSERT_NE(server->file(), first_file);
  ASSERT_TRUE(sink->Flush(20'000).ok());
  PutLines(*sink, 81, 90);
  ASSERT_TRUE(sink->Flush(20'000).ok());
  ASSERT_TRUE(server->Stop().ok());
  const Recording both = Read();
  ASSERT_EQ(both.streams.size(), 1u);
  EXPECT_EQ(both.streams[0].log.size(), 88u);
  EXPECT_EQ(both.streams[0].missing_numbers, 0u);
  EXPECT_EQ(both.streams[0].queues.size(), 1u);
  // The second file can be read without the first.
  const absl::StatusOr<Recording> second = ReadIncident(server->file());
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->streams[0].queues.size(), 1u);
  EXPECT_EQ(second->streams[0].log.size(), 40u);
  EXPECT_EQ(second->streams[0].missing_numbers, 0u);
}

TEST_F(ServerTest, AnAgentThatIsThereFirstWaitsForTheCollector) {
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  PutLines(*sink, 2, 10);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(sink->connected());
  std::unique_ptr<CollectorServer> server = StartServer();
  EXPECT_TRUE(sink->Flush(20'000).ok());
  EXPECT_TRUE(sink->connected());
}

TEST_F(ServerTest, AnotherProtocolIsRefusedInOneLine) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  Hello hello = MakeHello("vm1");
  hello.protocol = 3;
  ASSERT_TRUE(sink->Put({1, hello}).ok());
  const absl::Status status = sink->Flush(20'000);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status),
              HasSubstr("agent speaks protocol 3, this collector 1: update the older one"));
  EXPECT_EQ(sink->Put({2, LogLine{}}), status);
  EXPECT_THAT(log(), Contains(HasSubstr("protocol 3")));
}

TEST_F(ServerTest, DetailIsAskedFor) {
  detail_ = {"eth0/rx0", "vm1/eth0/rx1"};
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  std::optional<std::vector<std::string>> asked;
  EXPECT_TRUE(Eventually([&] { return (asked = sink->TakeDetailRequest()).has_value(); }));
  EXPECT_EQ(asked, detail_);
  EXPECT_FALSE(sink->TakeDetailRequest().has_value());
}

TEST_F(ServerTest, TheNewerOfTwoConnectionsWins) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> older = NewSink();
  ASSERT_TRUE(older->Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(older->Flush(20'000).ok());
  std::unique_ptr<GrpcSink> newer = NewSink();
  ASSERT_TRUE(newer->Put({1, MakeHello("vm1")}).ok());
  PutLines(*newer, 2, 5);
  ASSERT_TRUE(newer->Flush(20'000).ok());
  EXPECT_TRUE(Eventually([&] { return !older->Put({6, LogLine{}}).ok(); }));
  EXPECT_THAT(Message(older->Put({7, LogLine{}})), HasSubstr("a newer connection"));
  EXPECT_EQ(Read().streams[0].log.size(), 4u);
  EXPECT_TRUE(Read().streams[0].gaps.empty());
}

TEST_F(ServerTest, ARepeatedNumberWithOtherContentIsRefused) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(sink->Flush(20'000).ok());
  sink = NewSink();
  Hello other = MakeHello("vm1");
  other.kernel = "4.19";
  ASSERT_TRUE(sink->Put({1, other}).ok());
  EXPECT_THAT(Message(sink->Flush(20'000)), HasSubstr("record 1 was different before"));
}

TEST_F(ServerTest, LiarsAreRefusedAndOthersGoOn) {
  std::unique_ptr<CollectorServer> server = StartServer();
  std::unique_ptr<GrpcSink> sink = NewSink();
  ASSERT_TRUE(sink->Put({1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(sink->Flush(20'000).ok());  // the first stream of the file
  {
    RawAgent liar(address_);
    liar.Say({1, LogLine{}});
    EXPECT_THAT(liar.Refusal(), HasSubstr("does not begin with a Hello"));
  }
  {
    RawAgent liar(address_);
    liar.Say({1, MakeHello("vm2")});
    liar.Say({2, EventChunk{1, 5, 1, 2, "no chunk"}});
    EXPECT_THAT(liar.Refusal(), HasSubstr("event chunk"));
  }
  {
    RawAgent liar(address_);
    liar.Say({1, MakeHello("vm3")});
    v1::FromAgent answer;
    answer.mutable_clock()->set_id(77);
    liar.Say(answer);
    EXPECT_THAT(liar.Refusal(), HasSubstr("an answer to no clock probe"));
  }
  PutLines(*sink, 2, 5);
  EXPECT_TRUE(sink->Flush(20'000).ok());
  // What became of a liar is in the file, too.
  Recording recording;
  ASSERT_TRUE(Eventually([&] {
    recording = Read();
    return recording.streams.size() == 3 && !recording.streams[2].gaps.empty();
  }));
  EXPECT_THAT(recording.streams[2].gaps[0].what, HasSubstr("an answer to no clock probe"));
}

TEST_F(ServerTest, AddressesThatAreNotTaken) {
  CollectorOptions options;
  options.store = scratch_ / "store";
  options.clock = ReadClocks;
  options.log = [](const std::string&) {};
  for (const char* address : {"0.0.0.0:0", "192.0.2.1:7700", "[::]:0", "collector.example:7700"}) {
    options.listen = address;
    const absl::Status status = CollectorServer::Start(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(Message(status), HasSubstr("add --insecure"));
    GrpcSinkOptions sink;
    sink.address = address;
    sink.clock = ReadClocks;
    EXPECT_EQ(GrpcSink::Create(sink).status().code(), absl::StatusCode::kInvalidArgument);
  }
  for (const char* address : {"", "7700", "host:", ":7700", "::1:7700", "host:x", "unix:"}) {
    options.listen = address;
    EXPECT_THAT(Message(CollectorServer::Start(options).status()),
                testing::AnyOf(HasSubstr("is no address"), HasSubstr("a socket's path")))
        << address;
  }
  EXPECT_FALSE(std::filesystem::exists(options.store));
}

TEST_F(ServerTest, APortThatIsTaken) {
  address_ = "127.0.0.1:0";
  std::unique_ptr<CollectorServer> server = StartServer();
  CollectorOptions options;
  options.listen = server->address();
  options.store = scratch_ / "other";
  options.clock = ReadClocks;
  options.log = [](const std::string&) {};
  const absl::Status taken = CollectorServer::Start(options).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(taken), HasSubstr("cannot listen on 127.0.0.1:"));
  EXPECT_TRUE(std::filesystem::is_empty(options.store));
}

TEST_F(ServerTest, ASocketThatIsTakenAndOneThatIsLeftOver) {
  std::unique_ptr<CollectorServer> server = StartServer();
  CollectorOptions options;
  options.listen = address_;
  options.store = scratch_ / "other";
  options.clock = ReadClocks;
  options.log = [](const std::string&) {};
  EXPECT_EQ(CollectorServer::Start(options).status().code(), absl::StatusCode::kUnavailable);
  std::filesystem::create_hard_link(scratch_ / "socket", scratch_ / "x");
  server.reset();
  std::filesystem::rename(scratch_ / "x", scratch_ / "socket");
  EXPECT_TRUE(CollectorServer::Start(options).ok());
}

}  // namespace
}  // namespace ringside
