// SPDX-License-Identifier: Apache-2.0
// Sinks between the agent and where its records end: two ends at once, and one VM's queues only.
// Agent's thread only; the sinks behind must outlive the ones before.
#ifndef RINGSIDE_CLI_TEE_SINK_H_
#define RINGSIDE_CLI_TEE_SINK_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/sink.h"

namespace ringside {

// Puts into both. The first one's failure is the recording's; when the second fails, `on_lost` is
// told once and it gets nothing more: a collector that refuses must not end a local recording.
class TeeSink : public Sink {
 public:
  TeeSink(Sink& first, Sink& second, std::function<void(const absl::Status&)> on_lost);
  absl::Status Put(const NumberedRecord& record) override;
  std::optional<std::vector<std::string>> TakeDetailRequest() override;
  RecorderRequest TakeRecorderRequest() override;
  absl::Status Flush(int timeout_ms) override;

 private:
  void Lose(const absl::Status& status);

  Sink& first_;
  Sink& second_;
  const std::function<void(const absl::Status&)> on_lost_;
  bool lost_ = false;
};

// Lets only the queues of some VMs through (name, UUID, tap device or VMM's pid), and what concerns
// no queue. Records that are left out leave no hole: numbers are given out anew.
class VmFilterSink : public Sink {
 public:
  VmFilterSink(std::vector<std::string> vms, Sink& next);
  absl::Status Put(const NumberedRecord& record) override;
  std::optional<std::vector<std::string>> TakeDetailRequest() override;
  RecorderRequest TakeRecorderRequest() override { return next_.TakeRecorderRequest(); }
  absl::Status Flush(int timeout_ms) override;

  // The VMs ("name or pid") whose queues were seen, let through or not.
  const std::set<std::string>& seen_vms() const { return seen_vms_; }
  bool any_matched() const { return !kept_.empty(); }

 private:
  bool Matches(const QueueInfo& info) const;
  // False: nothing of the record is left.
  bool Keep(Record& record);
  bool KeepEvents(EventChunk& chunk);
  bool Has(QueueId queue) const { return kept_.contains(queue); }

  const std::vector<std::string> vms_;
  Sink& next_;
  std::set<QueueId> kept_;
  std::set<std::string> seen_vms_;
  uint64_t last_number_ = 0;
  uint64_t last_event_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_CLI_TEE_SINK_H_
