// SPDX-License-Identifier: Apache-2.0
// `ringside watch` against a real collector, and what it prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "agent/grpc_sink.h"
#include "cli/watch_call.h"
#include "cli/watch_text.h"
#include "collector/server.h"
#include "nlohmann/json.hpp"
#include "proto/clocks.h"
#include "tests/collector/replay.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

TEST(WatchTextTest, OneLineEach) {
  setenv("TZ", "UTC", 1);
  const int64_t at_ns = 1'700'000'000'123'000'000;
  EXPECT_EQ(WatchLine(WatchVerdict{at_ns, "vm1/eth0/rx0", "host1/tap0/rx0", "violated", "holds",
                                   "a = b: 2 are missing"}),
            "22:13:20.123  vm1/eth0/rx0 <- host1/tap0/rx0  violated (was holds)  a = b: 2 are"
            " missing\n");
  EXPECT_EQ(WatchLine(WatchVerdict{at_ns, "", "host1/tap0/rx0", "holds", "", ""}),
            "22:13:20.123  host1/tap0/rx0  holds\n");
  EXPECT_EQ(WatchLine(WatchFinding{at_ns, "appeared", "dead-queue", "vm1/eth0/rx0", "", true,
                                   "high", at_ns, "it is \x1b[31m dead", "{}"}),
            "22:13:20.123  vm1/eth0/rx0  dead-queue appeared, root, certainty high  it is \\x1b[31m"
            " dead\n");
  EXPECT_EQ(WatchLine(WatchBeat{}), "");
}

TEST(WatchTextTest, OneJsonObjectEach) {
  const WatchFinding finding{5,      "open", "dead-queue", "vm1/eth0/rx0",           "", true,
                             "high", 7,      "x",          "{\"id\":\"dead-queue\"}"};
  const std::string line = WatchJsonLine(finding);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["event"], "finding");
  EXPECT_EQ(json["host_queue"], nullptr);
  EXPECT_EQ(json["finding"]["id"], "dead-queue");
  WatchFinding hostile = finding;
  hostile.detail = "[1, 2";
  EXPECT_EQ(nlohmann::json::parse(WatchJsonLine(hostile))["finding"], nullptr);
}

// Plays the model's streams to a collector, as if they happened now.
class Player {
 public:
  Player(const std::string& address, const PathOptions& options) {
    PathTruth truth;
    for (TimedRecord& record : InOrder(ModelPath(options, &truth))) {
      if (record.record.number == 0) continue;  // the collector exchanges clocks by itself
      if (auto* hello = std::get_if<Hello>(&record.record.record)) {
        hello->protocol = kProtocol;
        sinks_[record.key] = NewSink(address, hello->clock.mono_ns);
      }
      const absl::Status put = sinks_[record.key]->Put(record.record);
      EXPECT_TRUE(put.ok()) << put;
    }
  }

 private:
  // Its clock says what the model's node would say now.
  std::unique_ptr<GrpcSink> NewSink(const std::string& address, int64_t begin_mono_ns) {
    if (begun_mono_ns_ == 0) begun_mono_ns_ = ReadClocks().mono_ns;
    const int64_t shift_ns = begin_mono_ns - begun_mono_ns_;
    const auto clock = [shift_ns] {
      ClockReading now = ReadClocks();
      now.mono_ns += shift_ns;
      return now;
    };
    auto sink = GrpcSink::Create({.address = address, .clock = clock});
    EXPECT_TRUE(sink.ok()) << sink.status();
    return *std::move(sink);
  }

  int64_t begun_mono_ns_ = 0;
  std::map<StreamKey, std::unique_ptr<GrpcSink>> sinks_;
};

// The first event for which `wanted`, within half a minute.
template <typename Wanted>
std::optional<WatchEvent> WaitFor(WatchCall& call, Wanted wanted) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < until) {
    auto event = call.Next(std::chrono::milliseconds(100));
    EXPECT_TRUE(event.ok()) << event.status();
    if (!event.ok()) return std::nullopt;
    if (event->has_value() && wanted(**event)) return **event;
  }
  return std::nullopt;
}

bool IsPresent(const WatchEvent& event) { return std::holds_alternative<WatchPresent>(event); }
bool IsViolated(const WatchEvent& event) {
  const auto* verdict = std::get_if<WatchVerdict>(&event);
  return verdict != nullptr && verdict->verdict == "violated";
}

TEST(WatchTest, LostInterruptsAreSeenAsTheyAreToldAndByThoseWhoComeLater) {
  const Scratch scratch;
  CollectorOptions options;
  options.listen = "127.0.0.1:0";
  options.store = scratch / "store";
  options.name = "collector1";
  options.clock = ReadClocks;
  options.log = [](const std::string&) {};
  auto server = CollectorServer::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto address = ParseAddress((*server)->address());
  ASSERT_TRUE(address.ok());
  const auto call = WatchCall::Start(*address);
  EXPECT_EQ(WaitFor(*call, IsPresent), WatchEvent(WatchPresent{"collector1", 0, 0}));
  Player player((*server)->address(), {.lose_every = 50});
  const auto violated = WaitFor(*call, IsViolated);
  ASSERT_TRUE(violated);
  EXPECT_THAT(WatchLine(*violated), HasSubstr("vm1/eth0/rx0 <- host1/tap0/rx0  violated (was"));
  const auto late = WatchCall::Start(*address);
  const auto state = WaitFor(*late, IsViolated);
  ASSERT_TRUE(state);
  EXPECT_EQ(std::get<WatchVerdict>(*state).before, "");
  const auto present = WaitFor(*late, IsPresent);
  ASSERT_TRUE(present);
  EXPECT_EQ(std::get<WatchPresent>(*present).queues, 1u);
  const std::string file = (*server)->file();
  ASSERT_TRUE((*server)->Stop().ok());
  absl::Status end;
  for (int left = 100; left > 0 && end.ok(); --left) {  // what was told before comes first
    end = call->Next(std::chrono::seconds(1)).status();
  }
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Rows(file, "SELECT DISTINCT queue FROM verdicts WHERE verdict = 'violated'"),
              testing::ElementsAre("vm1/eth0/rx0"));
  EXPECT_THAT(Rows(file, "SELECT id FROM findings"), testing::Contains("lost-interrupt"));
}

TEST(WatchTest, NobodyListens) {
  const auto call = WatchCall::Start(*ParseAddress("127.0.0.1:1"));
  const auto event = call->Next(std::chrono::seconds(20));
  EXPECT_EQ(event.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace ringside
