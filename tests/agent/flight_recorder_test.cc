// SPDX-License-Identifier: Apache-2.0
// What a flight recorder keeps, sends and refuses.
#include "agent/flight_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;

// The chunk of one second that begins at `second`, of so many bytes.
EventChunk ChunkAt(int64_t second, size_t bytes = 100) {
  return {.first_number = 0,
          .count = 10,
          .from_mono_ns = second * kSecond,
          .to_mono_ns = (second + 1) * kSecond - 1,
          .data = std::string(bytes, 'x')};
}

std::vector<int64_t> Seconds(const std::vector<EventChunk>& chunks) {
  std::vector<int64_t> seconds;
  for (const EventChunk& chunk : chunks) seconds.push_back(chunk.from_mono_ns / kSecond);
  return seconds;
}

Trigger Of(const std::string& source) { return {.source = source, .queues = {}, .reason = "why"}; }

// One chunk a second, up to `to`; gives the seconds that were sent.
std::vector<int64_t> Feed(FlightRecorder& recorder, int64_t from, int64_t to) {
  std::vector<int64_t> sent;
  for (int64_t second = from; second < to; ++second) {
    const auto now = recorder.Take(ChunkAt(second), (second + 1) * kSecond);
    for (const int64_t at : Seconds(now)) sent.push_back(at);
  }
  return sent;
}

TEST(FlightRecorderTest, SendsWhatLedUpToATriggerAndWhatFollows) {
  FlightRecorder recorder;
  EXPECT_THAT(Feed(recorder, 100, 110), IsEmpty());
  const auto opened = recorder.Open(Of("finding"), 110 * kSecond);  // 2 s before, 1 s after
  EXPECT_EQ(opened.fact, "finding - -2.000s +1.000s: why");
  EXPECT_THAT(Seconds(opened.chunks), ElementsAre(108, 109));
  EXPECT_THAT(Feed(recorder, 110, 120), ElementsAre(110, 111));
  EXPECT_GT(recorder.bytes(), 0u);
}

TEST(FlightRecorderTest, AChunkThatComesLateIsStillPartOfTheWindow) {
  FlightRecorder recorder;
  recorder.Open(Of("command"), 110 * kSecond);
  EXPECT_EQ(recorder.Take(ChunkAt(109), 115 * kSecond).size(), 1u);
  EXPECT_EQ(recorder.Take(ChunkAt(107), 115 * kSecond).size(), 0u);
  EXPECT_EQ(recorder.Take(ChunkAt(112), 115 * kSecond).size(), 0u);
}

TEST(FlightRecorderTest, KeepsHalfAMinuteAndSoManyBytes) {
  FlightRecorder by_time;
  Feed(by_time, 0, 100);
  EXPECT_EQ(by_time.expired(), 700u);  // of a hundred chunks, those that ended before 70 s
  EXPECT_EQ(by_time.not_kept(), 0u);
  FlightRecorder by_bytes(5'000);
  for (int64_t second = 0; second < 10; ++second) {
    by_bytes.Take(ChunkAt(second, 1'000), (second + 1) * kSecond);
    EXPECT_LE(by_bytes.bytes(), 5'000u);
  }
  EXPECT_EQ(by_bytes.not_kept(), 60u);
  Trigger trigger = Of("command");
  trigger.before_ns = 8 * kSecond;
  const auto opened = by_bytes.Open(trigger, 10 * kSecond);
  EXPECT_EQ(opened.chunks.size(), 4u);
  EXPECT_THAT(opened.fact, HasSubstr("kept only from 4.000 s before it"));
}

TEST(FlightRecorderTest, ATriggerWithinAWindowExtendsItUpToABound) {
  FlightRecorder recorder;
  Feed(recorder, 0, 10);
  recorder.Open(Of("log"), 10 * kSecond);
  EXPECT_FALSE(recorder.Open(Of("log"), 11 * kSecond).fact.empty());
  EXPECT_THAT(Feed(recorder, 10, 20), ElementsAre(10, 11, 12));
  FlightRecorder endless;
  int64_t now = 100 * kSecond;
  for (; now < 300 * kSecond && !endless.Open(Of("log"), now).fact.empty(); now += kSecond) {
  }
  EXPECT_EQ(now, (98 + 60) * kSecond);  // a minute from where it began, with the second after it
}

TEST(FlightRecorderTest, RestsAfterAWindowButNotForACommand) {
  FlightRecorder recorder;
  recorder.Open(Of("log"), 10 * kSecond);
  EXPECT_TRUE(recorder.Open(Of("log"), 15 * kSecond).fact.empty());
  EXPECT_TRUE(recorder.Open(Of("finding"), 20 * kSecond).fact.empty());
  EXPECT_EQ(recorder.refused(), 2u);
  EXPECT_THAT(recorder.Open(Of("command"), 20 * kSecond).fact,
              HasSubstr("2 triggers before it were not taken"));
  const auto later = recorder.Open(Of("log"), 40 * kSecond);
  EXPECT_FALSE(later.fact.empty());
  EXPECT_THAT(later.fact, ::testing::Not(HasSubstr("not taken")));
}

TEST(FlightRecorderTest, NothingIsLeftOnceNobodyWantsIt) {
  FlightRecorder recorder;
  Feed(recorder, 0, 10);
  recorder.Clear();
  EXPECT_EQ(recorder.bytes(), 0u);
  const auto opened = recorder.Open(Of("command"), 10 * kSecond);
  EXPECT_THAT(opened.chunks, IsEmpty());
  EXPECT_THAT(opened.fact, HasSubstr("no event before it"));
}

}  // namespace
}  // namespace ringside
