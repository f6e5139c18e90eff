// SPDX-License-Identifier: Apache-2.0
// The byte relay between real sockets: what passes, what is refused, and what happens when somebody
// dies in the middle. vsock itself is the lab's matter (tests/lab, scenario vsock).
#include "agent/byte_relay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/grpc_sink.h"
#include "collector/server.h"
#include "proto/address.h"
#include "proto/clocks.h"
#include "tests/collector/eventually.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

int ListenUnix(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(listen(fd, 64), 0);
  return fd;
}

void SetBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK); }

int Accept(int listener) {
  pollfd ready{listener, POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 10'000), 1);
  return accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
}

// What a socket gives until its end.
std::string ReadAll(int fd) {
  std::string all;
  char buffer[8192];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    all.append(buffer, static_cast<size_t>(n));
  }
  return all;
}

void WriteAll(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += static_cast<size_t>(n);
  }
}

std::string Noise(size_t size, uint32_t seed) {
  std::string text(size, 0);
  for (char& c : text) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return text;
}

class RelayTest : public testing::Test {
 protected:
  void SetUp() override { StartRelay(); }
  void TearDown() override {
    relay_.reset();
    close(listener_);
  }
  void StartRelay() {
    auto relay = ByteRelay::Start(-1, ConnectStream("", "", path_));
    ASSERT_TRUE(relay.ok()) << relay.status();
    relay_ = *std::move(relay);
  }
  // One pair: our end, and what the relay has connected to.
  std::pair<int, int> Pair() {
    const int mine = relay_->Open();
    SetBlocking(mine);
    return {mine, Accept(listener_)};
  }

  Scratch scratch_;
  const std::string path_ = scratch_ / "far";
  const int listener_ = ListenUnix(path_);
  std::unique_ptr<ByteRelay> relay_;
};

TEST_F(RelayTest, EveryByteBothWaysAndTheEnd) {
  const auto [near, far] = Pair();
  const std::string there = Noise(3'000'000, 1);
  const std::string back = Noise(2'000'000, 2);
  std::thread writer([fd = near, &there] {
    WriteAll(fd, there);
    shutdown(fd, SHUT_WR);
  });
  std::thread answerer([fd = far, &back] { WriteAll(fd, back); });
  std::string got_back(back.size(), 0);
  std::thread reader([fd = near, &got_back] {
    for (size_t at = 0; at < got_back.size();) {
      const ssize_t n = read(fd, got_back.data() + at, got_back.size() - at);
      if (n <= 0) return;
      at += static_cast<size_t>(n);
    }
  });
  // Nobody reads for a while: the relay holds no more than its buffers, and loses nothing.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(ReadAll(far), there);
  writer.join();
  answerer.join();
  reader.join();
  EXPECT_EQ(got_back, back);
  close(near);
  close(far);
  EXPECT_TRUE(Eventually([&] { return relay_->totals().open == 0; }));
}

TEST_F(RelayTest, AHalfOpenLinkIsClosedAfterAWhile) {
  const auto [near, far] = Pair();
  close(far);  // and the other side says nothing for ever
  EXPECT_TRUE(Eventually([&] { return relay_->totals().open == 0; }));
  EXPECT_EQ(ReadAll(near), "");
  close(near);
}

TEST_F(RelayTest, NobodyThereReadsAsClosed) {
  relay_.reset();
  auto relay = ByteRelay::Start(-1, ConnectStream("", "", scratch_ / "nobody"));
  ASSERT_TRUE(relay.ok());
  const int mine = (*relay)->Open();
  SetBlocking(mine);
  EXPECT_EQ(ReadAll(mine), "");
  EXPECT_EQ((*relay)->totals().refused, 1u);
  close(mine);
}

TEST_F(RelayTest, MorePairsThanTheBoundAreRefused) {
  std::vector<std::pair<int, int>> pairs;
  for (size_t i = 0; i < kRelayPairsMax; ++i) pairs.push_back(Pair());
  const int one_more = relay_->Open();
  SetBlocking(one_more);
  EXPECT_EQ(ReadAll(one_more), "");
  EXPECT_EQ(relay_->totals().refused, 1u);
  close(pairs.front().first);  // room again
  EXPECT_TRUE(Eventually([&] { return relay_->totals().open < kRelayPairsMax; }));
  const auto [near, far] = Pair();
  WriteAll(near, "hello");
  shutdown(near, SHUT_WR);
  EXPECT_EQ(ReadAll(far), "hello");
  close(one_more);
  for (const auto& [a, b] : pairs) {
    close(a);
    close(b);
  }
  close(near);
  close(far);
}

TEST(VsockAddressTest, WhatIsOneAndWhatIsNone) {
  EXPECT_EQ(ParseVsock("vsock:2:7701")->cid, 2u);
  EXPECT_EQ(ParseVsock("vsock:2:7701")->port, 7701u);
  EXPECT_EQ(ParseVsock("vsock:7701")->cid, 0u);
  for (const char* text : {"", "vsock:", "vsock:2:", "vsock::7701", "vsock:0:1", "vsock:a:1",
                           "vsock:2:1:3", "vsock:4294967295", "vsock:4294967296:1", "2:7701"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseVsock(text).status())) << text;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ConnectVsock("vsock:7701").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(StartRelay("vsock:2:7701", "127.0.0.1:7700").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(StartRelay("vsock:7701", "nonsense").status()));
  // In the clear, and said so.
  EXPECT_TRUE(absl::IsInvalidArgument(
      GrpcSink::Create({.address = "vsock:2:7701", .clock = ReadClocks}).status()));
}

// The relay dies (as a host's agent does by kill -9) again and again while an agent streams: the
// spool sends again, and the collector has each record once.
TEST(RelayedStreamTest, ADyingRelayCostsNoRecordAndRepeatsNone) {
  Scratch scratch;
  CollectorOptions options;
  options.listen = "unix:" + (scratch / "collector");
  options.store = scratch / "store";
  options.name = "collector1";
  options.clock = ReadClocks;
  options.log = [](const std::string&) {};
  auto server = CollectorServer::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string door = scratch / "door";
  const auto start = [&] {
    unlink(door.c_str());
    auto relay = ByteRelay::Start(ListenUnix(door), ConnectStream("", "", scratch / "collector"));
    EXPECT_TRUE(relay.ok());
    return *std::move(relay);
  };
  std::unique_ptr<ByteRelay> relay = start();
  GrpcSinkOptions sink_options{.address = "vsock:2:7701", .clock = ReadClocks, .insecure = true};
  sink_options.connect = ConnectStream("", "", door);
  sink_options.backoff_ms_min = 10;
  sink_options.backoff_ms_max = 50;
  auto sink = GrpcSink::Create(sink_options);
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->Put({1, MakeHello("vm1")}).ok());
  uint64_t number = 1;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 300; ++i) {
      ++number;
      const LogLine line{static_cast<int64_t>(number), 6, "line" + std::to_string(number)};
      ASSERT_TRUE((*sink)->Put({number, line}).ok());
    }
    if (round % 2 == 0) {
      ASSERT_TRUE(Eventually([&] { return (*sink)->connected(); }));
    }
    relay.reset();
    relay = start();
  }
  ASSERT_TRUE((*sink)->Flush(20'000).ok());
  sink->reset();
  ASSERT_TRUE((*server)->Stop().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch / "store");
  ASSERT_TRUE(recording.ok()) << recording.status();
  ASSERT_EQ(recording->streams.size(), 1u);
  EXPECT_EQ(recording->streams[0].log.size(), number - 1);
  EXPECT_EQ(recording->streams[0].missing_numbers, 0u);
}

}  // namespace
}  // namespace ringside
