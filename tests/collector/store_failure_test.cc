// SPDX-License-Identifier: Apache-2.0
// A disk that is full, and what is left of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;

LogLine LongLine(uint64_t number) {
  return LogLine{static_cast<int64_t>(number), 6, std::string(4000, 'a' + number % 26)};
}

TEST(StoreFailureTest, FullDiskKeepsWhatWasCommittedAndGoesOnWhenThereIsRoom) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  const StreamKey key = Key("vm1");
  ASSERT_TRUE(writer->Append(key, {1, MakeHello("vm1")}).ok());
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  ASSERT_TRUE(writer->SetPagesMax(200).ok());
  uint64_t number = 1;
  absl::Status status;
  while (status.ok() && number < 1000) {
    ++number;
    ASSERT_TRUE(writer->Append(key, {number, LongLine(number)}).ok());
    status = writer->Commit(ClockAt(2 * kSecond_ns));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Message(status), HasSubstr("a.rsi: no room left on the disk"));
  EXPECT_EQ(writer->CommittedNumber(key), number - 1);
  EXPECT_EQ(ReadIncident(scratch / "a.rsi")->streams[0].log.size(), number - 2);
  // Still full: more is taken, and nothing is forgotten.
  ++number;
  ASSERT_TRUE(writer->Append(key, {number, LongLine(number)}).ok());
  EXPECT_FALSE(writer->Commit(ClockAt(3 * kSecond_ns)).ok());
  ASSERT_TRUE(writer->SetPagesMax(100000).ok());
  ASSERT_TRUE(writer->Commit(ClockAt(9 * kSecond_ns)).ok());
  EXPECT_EQ(writer->CommittedNumber(key), number);
  ASSERT_TRUE(writer->Close().ok());
  const absl::StatusOr<Recording> recording = ReadIncident(scratch / "a.rsi");
  ASSERT_TRUE(recording.ok());
  EXPECT_EQ(recording->streams[0].log.size(), number - 1);
  EXPECT_EQ(recording->streams[0].missing_numbers, 0u);
  ASSERT_EQ(recording->gaps.size(), 1u);
  EXPECT_THAT(recording->gaps[0].what, HasSubstr("nothing could be written"));
  EXPECT_EQ(recording->gaps[0].from_real_ns, kEpoch_ns + 2 * kSecond_ns);
  EXPECT_EQ(recording->gaps[0].to_real_ns, kEpoch_ns + 9 * kSecond_ns);
}

TEST(StoreFailureTest, WhatWaitsIsBounded) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  const StreamKey key = Key("vm1");
  ASSERT_TRUE(writer->Append(key, {1, MakeHello("vm1")}).ok());
  uint64_t number = 1;
  absl::Status status;
  while (status.ok() && number < 100'000) {
    ++number;
    status = writer->Append(key, {number, LongLine(number)});
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  EXPECT_EQ(writer->CommittedNumber(key), number - 1);
  EXPECT_TRUE(writer->Append(key, {number, LongLine(number)}).ok());
}

TEST(StoreFailureTest, PlacesWhereNoFileCanBeMade) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  const absl::Status again = IncidentWriter::Create(scratch / "a.rsi", "x").status();
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(again), HasSubstr("is not overwritten"));
  const absl::Status nowhere = IncidentWriter::Create(scratch / "no/b.rsi", "x").status();
  EXPECT_FALSE(nowhere.ok());
  EXPECT_THAT(Message(nowhere), HasSubstr("no/b.rsi"));
}

}  // namespace
}  // namespace ringside
