// SPDX-License-Identifier: Apache-2.0
#include "cli/store_sink.h"

#include <utility>

namespace ringside {
namespace {

constexpr int64_t kCommitEveryNs = 200'000'000;

}  // namespace

StoreSink::StoreSink(std::unique_ptr<IncidentWriter> writer, Clock clock)
    : writer_(std::move(writer)), clock_(std::move(clock)) {}

absl::StatusOr<std::unique_ptr<StoreSink>> StoreSink::Create(const std::string& path,
                                                             const std::string& recorder,
                                                             Clock clock) {
  auto writer = IncidentWriter::Create(path, recorder);
  if (!writer.ok()) return writer.status();
  return std::unique_ptr<StoreSink>(new StoreSink(*std::move(writer), std::move(clock)));
}

absl::Status StoreSink::Put(const NumberedRecord& record) {
  const auto* hello = std::get_if<Hello>(&record.record);
  if (hello != nullptr) key_ = hello->key;
  absl::Status status = writer_->Append(key_, record);
  if (absl::IsResourceExhausted(status)) {
    // Too much at once: write what is there, then there is room.
    if (status = Commit(); !status.ok()) return status;
    status = writer_->Append(key_, record);
  }
  if (!status.ok()) return status;
  if (clock_().mono_ns - committed_mono_ns_ < kCommitEveryNs) return absl::OkStatus();
  return Commit();
}

absl::Status StoreSink::Flush(int) { return Commit(); }

absl::Status StoreSink::Commit() {
  ClockReading now = clock_();
  committed_mono_ns_ = now.mono_ns;
  return writer_->Commit(now);
}

absl::Status StoreSink::Close() {
  if (absl::Status status = Commit(); !status.ok()) return status;
  return writer_->Close();
}

}  // namespace ringside
