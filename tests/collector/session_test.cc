// SPDX-License-Identifier: Apache-2.0
// One agent's session on a connection and a clock made of values; behind it a real writer.
#include "collector/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "proto/chunk.h"
#include "tests/collector/eventually.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

// Ends writes at once when it is asked to; the test plays the agent.
class FakeStream : public AgentStream {
 public:
  void StartRead() override { ++reads_; }
  void StartWrite(const v1::ToAgent* message) override {
    MutexLock lock(mutex_);
    EXPECT_FALSE(writing_);
    writing_ = true;
    written_.push_back(*message);
  }
  void Finish(const absl::Status& status) override {
    MutexLock lock(mutex_);
    EXPECT_FALSE(finish_.has_value());
    finish_ = status;
  }

  // Lets the session write all it has.
  void Drain(Session& session) {
    for (;;) {
      {
        MutexLock lock(mutex_);
        if (!writing_) return;
        writing_ = false;
      }
      session.OnWritten(true);
    }
  }
  int reads() const { return reads_; }
  std::optional<absl::Status> finish() {
    MutexLock lock(mutex_);
    return finish_;
  }
  std::vector<v1::ToAgent> written() {
    MutexLock lock(mutex_);
    return written_;
  }

 private:
  std::atomic<int> reads_ = 0;
  Mutex mutex_;
  bool writing_ = false;
  std::vector<v1::ToAgent> written_;
  std::optional<absl::Status> finish_;
};

class SessionTest : public testing::Test {
 protected:
  SessionTest() {
    context_.clock = [this] { return ClockAt(now_ns_); };
    context_.log = [](const std::string&) {};
    context_.name = "collector1";
    // The writer keeps time by itself: it must go on while the test's clock stands still.
    const auto started = std::chrono::steady_clock::now();
    const auto clock = [started] {
      const std::chrono::nanoseconds passed = std::chrono::steady_clock::now() - started;
      return ClockAt(kSecond_ns + passed.count());
    };
    ingest_ = std::make_unique<Ingest>(NewWriter(scratch_ / "a.rsi"),
                                       std::map<StreamKey, CommittedStream>(), clock, context_.log);
    context_.ingest = ingest_.get();
    session_ = Session::Start(context_, &stream_, [](Session*) {});
  }
  void TearDown() override {
    ingest_->Stop().IgnoreError();
    session_->Close();
    stream_.Drain(*session_);
    session_->OnDone();
  }

  void Say(const NumberedRecord& record) {
    v1::FromAgent message;
    ASSERT_TRUE(EncodeRecord(record, &message).ok());
    session_->OnRead(&message);
  }
  void Greet() {
    Say({1, MakeHello("vm1")});
    ASSERT_TRUE(Eventually([&] {
      stream_.Drain(*session_);
      return !stream_.written().empty();
    }));
    ASSERT_TRUE(stream_.written()[0].has_welcome());
  }
  // The next probe's id; 0 if none was sent.
  uint64_t Probe() {
    const size_t before = stream_.written().size();
    session_->Tick(now_ns_);
    const std::vector<v1::ToAgent> written = stream_.written();
    stream_.Drain(*session_);
    return written.size() > before ? written.back().probe().id() : 0;
  }

  Scratch scratch_;
  std::atomic<int64_t> now_ns_ = 100 * kSecond_ns;
  SessionContext context_;
  std::unique_ptr<Ingest> ingest_;
  FakeStream stream_;
  std::shared_ptr<Session> session_;
};

TEST_F(SessionTest, ProbesTenTimesASecondAtFirstThenEverySecond) {
  EXPECT_EQ(Probe(), 0u);  // not before the Welcome
  Greet();
  std::vector<int64_t> sent_at_ms;
  for (int64_t ms = 0; ms < 5000; ms += 20) {
    now_ns_ = 100 * kSecond_ns + ms * 1'000'000;
    const uint64_t id = Probe();
    if (id == 0) continue;
    sent_at_ms.push_back(ms);
    v1::FromAgent answer;
    answer.mutable_clock()->set_id(id);
    EncodeClock(ClockAt(now_ns_), answer.mutable_clock()->mutable_clock());
    session_->OnRead(&answer);
  }
  const std::vector<int64_t> expected = {0,   100, 200, 300,  400,  500,  600,
                                         700, 800, 900, 1900, 2900, 3900, 4900};
  EXPECT_EQ(sent_at_ms, expected);
  ASSERT_TRUE(ingest_->Stop().ok());
  EXPECT_EQ(ReadIncident(scratch_ / "a.rsi")->streams[0].clocks.size(), expected.size());
}

TEST_F(SessionTest, SilenceIsTheEnd) {
  Greet();
  now_ns_ += 9 * kSecond_ns;
  v1::FromAgent heartbeat;
  EncodeClock(ClockAt(now_ns_), heartbeat.mutable_heartbeat()->mutable_clock());
  session_->OnRead(&heartbeat);
  now_ns_ += 9 * kSecond_ns;
  Probe();
  EXPECT_FALSE(stream_.finish().has_value());
  now_ns_ += 2 * kSecond_ns;
  Probe();
  ASSERT_TRUE(stream_.finish().has_value());
  EXPECT_EQ(stream_.finish()->code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SessionTest, AConnectionWithoutAHelloIsEnded) {
  now_ns_ += 11 * kSecond_ns;
  Probe();
  ASSERT_TRUE(stream_.finish().has_value());
  EXPECT_THAT(Message(*stream_.finish()), HasSubstr("no Hello"));
}

TEST_F(SessionTest, StopsReadingWhileTooMuchWaitsAndReadsOn) {
  Greet();
  std::vector<Event> events(kChunkEventsMax);
  uint64_t noise = 1;
  for (Event& event : events) {
    noise = noise * 6364136223846793005u + 1442695040888963407u;
    event = {static_cast<int64_t>(noise >> 2), noise >> 1, QueueId{1}, 1, 0, noise >> 1};
  }
  const EventChunk chunk = EncodeChunk(events, 1).value();  // 1.5 MB: noise cannot be packed
  int reads = stream_.reads();
  uint64_t number = 1;
  while (stream_.reads() == reads && number < 500) {
    Say({++number, chunk});
    ++reads;
  }
  EXPECT_LT(number, 500u);
  EXPECT_TRUE(Eventually([&] { return stream_.reads() == reads; }));
  Say({++number, LogLine{1, 1, "after"}});
  session_->OnRead(nullptr);
  ASSERT_TRUE(Eventually([&] {
    stream_.Drain(*session_);
    return stream_.finish().has_value();
  }));
  ASSERT_TRUE(ingest_->Stop().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch_ / "a.rsi");
  ASSERT_TRUE(recording.ok());
  EXPECT_EQ(recording->streams[0].last_number, number);
  EXPECT_EQ(recording->streams[0].log.size(), 1u);
}

TEST_F(SessionTest, AcknowledgesWhatIsCommittedBeforeItEndsTheCall) {
  Greet();
  for (uint64_t number = 2; number <= 50; ++number) Say({number, LogLine{1, 1, "x"}});
  Say({51, Bye{ClockAt(5), "done"}});
  session_->OnRead(nullptr);
  ASSERT_TRUE(Eventually([&] {
    stream_.Drain(*session_);
    return stream_.finish().has_value();
  }));
  EXPECT_TRUE(stream_.finish()->ok());
  EXPECT_EQ(stream_.written().back().ack().number(), 51u);
}

TEST_F(SessionTest, NamesThatAreNotKnownAreNoted) {
  v1::FromAgent hello;
  ASSERT_TRUE(EncodeRecord({1, MakeHello("vm1")}, &hello).ok());
  hello.mutable_hello()->add_count_names("guest.invented");
  session_->OnRead(&hello);
  v1::FromAgent snapshot;
  ASSERT_TRUE(EncodeRecord({2, MakeSnapshot(1, true, {})}, &snapshot).ok());
  snapshot.mutable_snapshot()->add_samples()->set_count(kCounts);
  session_->OnRead(&snapshot);
  ASSERT_TRUE(ingest_->Stop().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch_ / "a.rsi");
  ASSERT_TRUE(recording.ok());
  ASSERT_FALSE(recording->streams[0].gaps.empty());
  EXPECT_THAT(recording->streams[0].gaps[0].what, HasSubstr("guest.invented"));
}

}  // namespace
}  // namespace ringside
