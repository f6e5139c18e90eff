// SPDX-License-Identifier: Apache-2.0
// Exactly once when a side is killed or set back: what the collector says is lost, and what it
// refuses to mix.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "agent/grpc_sink.h"
#include "agent/lease.h"
#include "collector/server.h"
#include "proto/chunk.h"
#include "proto/clocks.h"
#include "tests/collector/eventually.h"
#include "tests/collector/raw_agent.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

class DeliveryTest : public testing::Test {
 protected:
  std::unique_ptr<CollectorServer> StartServer() {
    CollectorOptions options;
    options.listen = address_;
    options.store = scratch_ / "store";
    options.name = "collector1";
    options.clock = ReadClocks;
    options.log = [](const std::string&) {};
    auto server = CollectorServer::Start(options);
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }
  std::unique_ptr<GrpcSink> NewSink(const std::string& lease_folder = "") {
    GrpcSinkOptions options;
    options.address = address_;
    options.clock = ReadClocks;
    options.lease_folder = lease_folder;
    options.backoff_ms_min = 10;
    options.backoff_ms_max = 100;
    return *GrpcSink::Create(options);
  }
  static Hello HelloOf(const std::string& instance) {
    Hello hello = MakeHello("vm1");
    hello.key.instance = instance;
    return hello;
  }
  static void PutLines(GrpcSink& sink, uint64_t from, uint64_t to, const std::string& text) {
    for (uint64_t number = from; number <= to; ++number) {
      ASSERT_TRUE(sink.Put({number, LogLine{1, 6, text + std::to_string(number)}}).ok());
    }
  }
  std::vector<std::string> GapTexts() {
    std::vector<std::string> texts;
    const absl::StatusOr<Recording> recording = ReadIncident(scratch_ / "store");
    EXPECT_TRUE(recording.ok()) << recording.status();
    if (!recording.ok()) return texts;
    for (const Stream& stream : recording->streams) {
      for (const Gap& gap : stream.gaps) texts.push_back(gap.what);
    }
    return texts;
  }

  Scratch scratch_;
  std::string address_ = "unix:" + (scratch_ / "socket");
};

// The first agent has ten records with the collector and made fifteen; then it was killed.
TEST_F(DeliveryTest, WhatAKilledAgentHadIsAGapToTheRecord) {
  auto server = StartServer();
  auto old = NewSink();
  ASSERT_TRUE(old->Put({1, HelloOf("old")}).ok());
  PutLines(*old, 2, 9, "line");
  const auto chunk = EncodeChunk({Event{.mono_ns = 5, .queue = QueueId{1}, .kind = 1}}, 7);
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  ASSERT_TRUE(old->Put({10, *chunk}).ok());  // its event 7
  ASSERT_TRUE(old->Flush(20'000).ok());
  old.reset();
  const std::string leases = scratch_ / "lease";
  (*Lease::Take(leases, HelloOf("old").key, address_))->Note({15, 30, 1000});
  for (int life = 0; life < 2; ++life) {  // also by a collector that knows it from a file only
    if (life == 1) {
      ASSERT_TRUE(server->Stop().ok());
      server = StartServer();
      (*Lease::Take(leases, HelloOf("old").key, address_))->Note({15, 30, 1000});
    }
    auto sink = NewSink(leases);
    ASSERT_TRUE(sink->Put({1, HelloOf("new" + std::to_string(life))}).ok());
    uint64_t number = 1;
    for (Gap& gap : sink->TakeInherited()) ASSERT_TRUE(sink->Put({++number, std::move(gap)}).ok());
    EXPECT_EQ(number, 2u);
    ASSERT_TRUE(sink->Flush(20'000).ok());
    EXPECT_TRUE(sink->TakeInherited().empty());
    sink.reset();
    EXPECT_TRUE(std::filesystem::is_empty(leases));
  }
  ASSERT_TRUE(server->Stop().ok());
  size_t told = 0;
  for (const std::string& text : GapTexts()) {
    told += text ==
            "of the agent old, which was killed, records 11 to 15 are lost, with at most 23 events";
  }
  EXPECT_EQ(told, 2u);  // in the same words
}

TEST_F(DeliveryTest, AnAgentThatWasSaidToBeKilledIsNotTakenBack) {
  const auto server = StartServer();
  const std::string leases = scratch_ / "lease";
  (*Lease::Take(leases, HelloOf("old").key, address_))->Note({4, 0, 1});
  auto sink = NewSink(leases);
  ASSERT_TRUE(sink->Put({1, HelloOf("new")}).ok());
  ASSERT_TRUE(sink->Put({2, sink->TakeInherited().at(0)}).ok());
  ASSERT_TRUE(sink->Flush(20'000).ok());
  RawAgent old(address_);
  old.Say({1, HelloOf("old")});
  EXPECT_THAT(old.Refusal(), HasSubstr("said that it was killed"));
}

// A VM that was set back to a snapshot: its agent stands before what the collector has of it.
TEST_F(DeliveryTest, AnAgentThatWasSetBackBeginsAnew) {
  const auto server = StartServer();
  auto sink = NewSink();
  ASSERT_TRUE(sink->Put({1, HelloOf("a")}).ok());
  PutLines(*sink, 2, 20, "line");
  ASSERT_TRUE(sink->Flush(20'000).ok());
  sink = NewSink();
  ASSERT_TRUE(sink->Put({1, HelloOf("a")}).ok());
  uint64_t number = 1;
  EXPECT_TRUE(Eventually([&] {
    return absl::IsAborted(sink->Put({++number, LogLine{1, 6, "again"}}));
  }));
  EXPECT_LE(number, 20u);
}

// It has come further again before it reaches the collector, with records of its own.
TEST_F(DeliveryTest, RecordsOfTwoPastsAreNotMixed) {
  auto server = StartServer();
  auto sink = NewSink();
  ASSERT_TRUE(sink->Put({1, HelloOf("a")}).ok());
  PutLines(*sink, 2, 20, "line");
  ASSERT_TRUE(sink->Flush(20'000).ok());
  sink.reset();
  ASSERT_TRUE(server->Stop().ok());
  server.reset();
  sink = NewSink();
  ASSERT_TRUE(sink->Put({1, HelloOf("a")}).ok());
  PutLines(*sink, 2, 40, "other");
  server = StartServer();
  uint64_t number = 40;
  EXPECT_TRUE(Eventually([&] {
    return absl::IsAborted(sink->Put({++number, LogLine{1, 6, "again"}}));
  }));
  sink.reset();
  ASSERT_TRUE(server->Stop().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch_ / "store");
  ASSERT_TRUE(recording.ok()) << recording.status();
  ASSERT_EQ(recording->streams.size(), 1u);
  EXPECT_EQ(recording->streams[0].log.size(), 19u);
  for (const LogLine& line : recording->streams[0].log) EXPECT_THAT(line.text, HasSubstr("line"));
}

}  // namespace
}  // namespace ringside
