// SPDX-License-Identifier: Apache-2.0
#include "agent/event_packer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/proto/random.h"

namespace ringside {
namespace {

constexpr int64_t kMs = 1'000'000;

class EventPackerTest : public ::testing::Test {
 protected:
  void Arrive(int64_t mono_ns, uint16_t cpu = 0) {
    packer_.arrivals()->push_back({mono_ns, 0, QueueId{1}, 1, cpu, number_++});
  }
  void Pack(int64_t now_ns, bool all = false) {
    const absl::Status status = packer_.Pack(now_ns, all, [this](EventChunk chunk) {
      EXPECT_EQ(chunk.first_number, next_number_) << "numbered without holes";
      next_number_ += chunk.count;
      chunks_.push_back(DecodeChunk(chunk).value());
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  EventPacker packer_;
  uint64_t number_ = 0;
  uint64_t next_number_ = 1;
  std::vector<std::vector<Event>> chunks_;
};

TEST_F(EventPackerTest, WaitsForTheWatermarkAndForCompany) {
  Arrive(1000 * kMs);
  Pack(1010 * kMs);
  EXPECT_TRUE(chunks_.empty()) << "younger than the slack";
  Arrive(1100 * kMs);
  Pack(1250 * kMs);
  EXPECT_TRUE(chunks_.empty()) << "due, but alone";
  Pack(2260 * kMs);
  ASSERT_EQ(chunks_.size(), 1u);
  EXPECT_EQ(chunks_[0].size(), 2u);
  EXPECT_EQ(packer_.packed(), 2u);
  EXPECT_EQ(packer_.late(), 0u);
}

TEST_F(EventPackerTest, LateEventsAreCountedAndKept) {
  Arrive(1000 * kMs);
  Pack(2000 * kMs);  // watermark: 1800 ms
  Arrive(1799 * kMs, 1);
  Arrive(1801 * kMs);
  Pack(2050 * kMs);
  EXPECT_EQ(packer_.late(), 1u);
  Pack(2050 * kMs, true);
  ASSERT_EQ(chunks_.size(), 1u);
  EXPECT_EQ(chunks_[0].size(), 3u);
}

TEST_F(EventPackerTest, TooManyDoNotWait) {
  const size_t count = EventPacker::kWaitingMax + 1;
  for (size_t i = 0; i < count; ++i) Arrive(1000 * kMs + static_cast<int64_t>(i));
  Pack(1001 * kMs);
  size_t packed = 0;
  for (const auto& chunk : chunks_) packed += chunk.size();
  EXPECT_EQ(packed, count);
  EXPECT_TRUE(packer_.arrivals()->empty());
}

// Rings give events of several CPUs mixed and each a random while after its time, one CPU's own in
// order: chunks must hold each exactly once, each CPU's in order, and follow each other in time but
// for those counted as late.
TEST_F(EventPackerTest, EveryEventOnceWhateverTheDelay) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  struct Due {
    int64_t at_ns;
    int64_t mono_ns;
    uint16_t cpu;
  };
  std::vector<Due> due;
  std::map<uint16_t, int64_t> out_ns;
  for (int64_t t = 0; t < 5000 * kMs; t += static_cast<int64_t>(random.UpTo(200'000))) {
    const auto cpu = static_cast<uint16_t>(random.UpTo(3));
    const bool taken_away = random.OneIn(2000);
    const auto delay = static_cast<int64_t>(random.UpTo(taken_away ? 500 * kMs : kMs));
    out_ns[cpu] = std::max(out_ns[cpu], t + delay);
    due.push_back({out_ns[cpu], t, cpu});
  }
  std::stable_sort(due.begin(), due.end(), [](auto& a, auto& b) { return a.at_ns < b.at_ns; });
  size_t next = 0;
  for (int64_t now = 0; now < 6000 * kMs; now += 50 * kMs) {
    for (; next < due.size() && due[next].at_ns <= now; ++next) {
      Arrive(due[next].mono_ns, due[next].cpu);
    }
    Pack(now);
  }
  Pack(6000 * kMs, true);
  size_t events = 0, disordered = 0;
  int64_t end_ns = -1;
  std::map<uint16_t, int64_t> last_ns;
  for (const auto& chunk : chunks_) {
    for (const Event& event : chunk) {
      EXPECT_GE(event.mono_ns, last_ns[event.cpu]) << "of one CPU in order";
      last_ns[event.cpu] = event.mono_ns;
      disordered += event.mono_ns < end_ns;
    }
    events += chunk.size();
    end_ns = std::max(end_ns, chunk.back().mono_ns);
  }
  EXPECT_EQ(events, due.size());
  EXPECT_LE(disordered, packer_.late());
}

}  // namespace
}  // namespace ringside
