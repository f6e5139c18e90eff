// SPDX-License-Identifier: Apache-2.0
#include "cli/tee_sink.h"
#include "proto/chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using testing::ElementsAre;

class ListSink : public Sink {
 public:
  absl::Status Put(const NumberedRecord& record) override {
    if (status.ok()) records.push_back(record);
    return status;
  }
  std::optional<std::vector<std::string>> TakeDetailRequest() override {
    return std::exchange(wish, std::nullopt);
  }
  absl::Status Flush(int) override { return status; }

  std::vector<NumberedRecord> records;
  std::optional<std::vector<std::string>> wish;
  absl::Status status;
};

TEST(TeeSinkTest, BothGetEverything) {
  ListSink file;
  ListSink wire;
  TeeSink tee(file, wire, [](const absl::Status&) { FAIL(); });
  ASSERT_TRUE(tee.Put({1, Hello{}}).ok());
  ASSERT_TRUE(tee.Put({2, Fact{}}).ok());
  EXPECT_EQ(file.records.size(), 2u);
  EXPECT_EQ(wire.records.size(), 2u);
  wire.wish = {"eth0/rx1"};
  EXPECT_THAT(*tee.TakeDetailRequest(), ElementsAre("eth0/rx1"));
  EXPECT_FALSE(tee.TakeDetailRequest().has_value());
}

TEST(TeeSinkTest, ARefusingCollectorDoesNotEndTheRecording) {
  ListSink file;
  ListSink wire;
  int lost = 0;
  TeeSink tee(file, wire, [&](const absl::Status&) { ++lost; });
  wire.status = absl::FailedPreconditionError("too old");
  EXPECT_TRUE(tee.Put({1, Hello{}}).ok());
  EXPECT_TRUE(tee.Put({2, Fact{}}).ok());
  EXPECT_TRUE(tee.Flush(1).ok());
  EXPECT_EQ(lost, 1) << "said once";
  EXPECT_EQ(file.records.size(), 2u);
}

TEST(TeeSinkTest, TheFilesFailureIsTheRecordings) {
  ListSink file;
  ListSink wire;
  TeeSink tee(file, wire, [](const absl::Status&) { FAIL(); });
  file.status = absl::ResourceExhaustedError("disk full");
  EXPECT_TRUE(absl::IsResourceExhausted(tee.Put({1, Hello{}})));
}

QueueInfo HostQueue(uint32_t id, const std::string& vm, const std::string& tap, int pid) {
  QueueInfo info{.id = QueueId{id}, .kind = QueueKind::kHost, .device = tap, .queue = "rx0"};
  info.vm_name = vm;
  info.owner_pid = pid;
  return info;
}

Snapshot SnapshotOf(std::initializer_list<uint32_t> queues) {
  Snapshot snapshot;
  for (uint32_t queue : queues) {
    snapshot.samples.push_back({.queue = QueueId{queue}, .count = Count::kVhostBatches});
    snapshot.gauges.push_back({.queue = QueueId{queue}, .gauge = Gauge::kUsed});
  }
  return snapshot;
}

// Puts two VMs' queues and a snapshot of both through a filter for `vm`.
std::vector<NumberedRecord> Filtered(const std::string& vm, bool* matched) {
  ListSink end;
  VmFilterSink filter({vm}, end);
  EXPECT_TRUE(filter.Put({1, Hello{}}).ok());
  EXPECT_TRUE(filter.Put({2, HostQueue(1, "web", "vnet1", 100)}).ok());
  EXPECT_TRUE(filter.Put({3, HostQueue(2, "db", "vnet2", 200)}).ok());
  EXPECT_TRUE(filter.Put({4, SnapshotOf({1, 2})}).ok());
  EXPECT_TRUE(filter.Put({5, Marks{{Mark{.queue = QueueId{1}}}}}).ok());
  const std::vector<Event> events = {{10, 1, QueueId{1}, 15, 0, 5}, {11, 1, QueueId{2}, 15, 0, 7}};
  EXPECT_TRUE(filter.Put({6, EncodeChunk(events, 1).value()}).ok());
  EXPECT_TRUE(filter.Put({7, Bye{}}).ok());
  *matched = filter.any_matched();
  EXPECT_THAT(filter.seen_vms(), ElementsAre("db", "web"));
  return end.records;
}

TEST(VmFilterSinkTest, OneVmByNameTapOrPid) {
  for (const char* vm : {"db", "vnet2", "200"}) {
    bool matched = false;
    const auto records = Filtered(vm, &matched);
    EXPECT_TRUE(matched);
    ASSERT_EQ(records.size(), 5u) << vm;
    for (size_t i = 0; i < records.size(); ++i) {
      EXPECT_EQ(records[i].number, i + 1) << "no holes: what is left out was never recorded";
    }
    const auto& snapshot = std::get<Snapshot>(records[2].record);
    ASSERT_EQ(snapshot.samples.size(), 1u);
    EXPECT_EQ(snapshot.samples[0].queue, QueueId{2});
    EXPECT_EQ(snapshot.gauges.size(), 1u);
    const auto& chunk = std::get<EventChunk>(records[3].record);
    EXPECT_EQ(chunk.first_number, 1u);
    EXPECT_EQ(DecodeChunk(chunk)->at(0).number, 7u) << "the other VM's event is left out";
  }
}

TEST(VmFilterSinkTest, AnUnknownVmMatchesNothing) {
  bool matched = true;
  const auto records = Filtered("mail", &matched);
  EXPECT_FALSE(matched);
  EXPECT_EQ(records.size(), 3u) << "Hello, an empty snapshot, Bye";
}

}  // namespace
}  // namespace ringside
