// SPDX-License-Identifier: Apache-2.0
#include "cli/tee_sink.h"

#include <utility>

#include "proto/chunk.h"

namespace ringside {

TeeSink::TeeSink(Sink& first, Sink& second, std::function<void(const absl::Status&)> on_lost)
    : first_(first), second_(second), on_lost_(std::move(on_lost)) {}

void TeeSink::Lose(const absl::Status& status) {
  if (status.ok() || lost_) return;
  lost_ = true;
  on_lost_(status);
}

absl::Status TeeSink::Put(const NumberedRecord& record) {
  if (!lost_) Lose(second_.Put(record));
  return first_.Put(record);
}

std::optional<std::vector<std::string>> TeeSink::TakeDetailRequest() {
  if (auto wish = first_.TakeDetailRequest()) return wish;
  return lost_ ? std::nullopt : second_.TakeDetailRequest();
}

Sink::RecorderRequest TeeSink::TakeRecorderRequest() {
  return lost_ ? RecorderRequest{} : second_.TakeRecorderRequest();
}

absl::Status TeeSink::Flush(int timeout_ms) {
  absl::Status status = first_.Flush(timeout_ms);
  if (!lost_) Lose(second_.Flush(timeout_ms));
  return status;
}

VmFilterSink::VmFilterSink(std::vector<std::string> vms, Sink& next)
    : vms_(std::move(vms)), next_(next) {}

bool VmFilterSink::Matches(const QueueInfo& info) const {
  for (const std::string& vm : vms_) {
    if (vm == info.vm_name || vm == info.vm_uuid || vm == info.device) return true;
    if (info.owner_pid > 0 && vm == std::to_string(info.owner_pid)) return true;
  }
  return false;
}

bool VmFilterSink::KeepEvents(EventChunk& chunk) {
  auto events = DecodeChunk(chunk);
  if (!events.ok()) return false;  // no agent makes such
  std::erase_if(*events, [&](const Event& event) { return !Has(event.queue); });
  if (events->empty()) return false;
  auto mine = EncodeChunk(*events, last_event_ + 1);
  if (!mine.ok()) return false;
  last_event_ += events->size();
  chunk = *std::move(mine);
  return true;
}

bool VmFilterSink::Keep(Record& record) {
  if (const auto* info = std::get_if<QueueInfo>(&record)) {
    if (info->kind != QueueKind::kGuest) {
      seen_vms_.insert(!info->vm_name.empty() ? info->vm_name : info->device);
    }
    // Once let through, always: a queue whose VM leaves it says so in a later description.
    if (info->kind != QueueKind::kGuest && Matches(*info)) kept_.insert(info->id);
    return Has(info->id);
  }
  if (auto* snapshot = std::get_if<Snapshot>(&record)) {
    std::erase_if(snapshot->samples, [&](const Sample& sample) { return !Has(sample.queue); });
    std::erase_if(snapshot->gauges, [&](const GaugeSample& gauge) { return !Has(gauge.queue); });
    std::erase_if(snapshot->parts, [&](const Part& part) { return !Has(part.queue); });
  }
  if (auto* marks = std::get_if<Marks>(&record)) {
    std::erase_if(marks->marks, [&](const Mark& mark) { return !Has(mark.queue); });
    return !marks->marks.empty();
  }
  auto* chunk = std::get_if<EventChunk>(&record);
  return chunk == nullptr || KeepEvents(*chunk);
}

absl::Status VmFilterSink::Put(const NumberedRecord& record) {
  NumberedRecord mine = record;
  if (!Keep(mine.record)) return absl::OkStatus();
  mine.number = ++last_number_;
  return next_.Put(mine);
}

std::optional<std::vector<std::string>> VmFilterSink::TakeDetailRequest() {
  return next_.TakeDetailRequest();
}

absl::Status VmFilterSink::Flush(int timeout_ms) { return next_.Flush(timeout_ms); }

}  // namespace ringside
