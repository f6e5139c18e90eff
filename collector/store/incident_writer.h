// SPDX-License-Identifier: Apache-2.0
// Writes one incident file: the records of any number of streams, exactly once each.
//
// Called by the collector's writer thread and by `ringside record`. Append keeps a record in
// memory, Commit writes all of them in one transaction; after it they survive kill -9 and loss of
// power, and may be acknowledged. The file can be read by others all the while.
//
//   Append ... Append, Commit -> acknowledge CommittedNumber(), Append ... , Close
//
// Exactly once: a number that the file already has is dropped if its content is equal and refused
// if it differs; numbers left out are kept as a gap. If the disk is full or fails, Commit says so
// and keeps the records; a later Commit tries again and records the gap in between.
//
// No locks: one thread at a time. A writer that is destroyed without Close leaves a file that says
// it was cut off.
#ifndef RINGSIDE_COLLECTOR_STORE_INCIDENT_WRITER_H_
#define RINGSIDE_COLLECTOR_STORE_INCIDENT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/evaluation.h"
#include "correlate/recording.h"
#include "correlate/records.h"

namespace ringside {

// Records kept while they cannot be written: 200 ms at full speed, or a while of a full disk.
inline constexpr size_t kPendingBytesMax = size_t{64} << 20;

struct NumberedChange;

class IncidentWriter {
 public:
  // Makes a new file. `recorder` is the shown name of whoever records. ALREADY_EXISTS if there is
  // anything at `path`.
  static absl::StatusOr<std::unique_ptr<IncidentWriter>> Create(const std::string& path,
                                                                const std::string& recorder);
  ~IncidentWriter();
  IncidentWriter(const IncidentWriter&) = delete;
  IncidentWriter& operator=(const IncidentWriter&) = delete;

  // Takes one record of a stream. Number 0 is for what the recorder itself adds to it (clock
  // exchanges, gaps). A stream's first numbered record must be its Hello.
  //   ALREADY_EXISTS      the number is there with other content: the stream is not to be trusted
  //   INVALID_ARGUMENT    no Hello, a chunk that cannot be decoded
  //   RESOURCE_EXHAUSTED  too much is waiting to be written: Commit first; the record is not taken
  absl::Status Append(const StreamKey& key, NumberedRecord record);
  // Something that concerns every stream.
  absl::Status Append(RecorderGap gap);

  // A change of a verdict or finding. They do not wait for the streams they are about, and nobody
  // acknowledges them.
  //   RESOURCE_EXHAUSTED  too many are waiting to be written: not taken
  //   OUT_OF_RANGE        the file has as many as it takes (kChangesMax)
  absl::Status Append(EvaluationChange change);

  // The stream's records up to `last_number` are in an earlier file of the same store: numbers up
  // to it are taken as context only (Hello, queues), and are no holes.
  absl::Status Continue(const StreamKey& key, uint64_t last_number);

  // Writes everything appended so far. `now` is the recorder's clock; a REALTIME that was set
  // between two commits is recorded as a gap.
  //   RESOURCE_EXHAUSTED  the disk is full; UNAVAILABLE: it failed. Nothing appended is lost.
  absl::Status Commit(const ClockReading& now);

  // Commits the rest and makes the file a single one, without anything beside it. UNAVAILABLE if a
  // reader holds the file, RESOURCE_EXHAUSTED if there is no room for that: if the commit was not
  // what failed, all is written, but the -wal file stays.
  absl::Status Close();

  // Newest number of the stream that is committed, here or in an earlier file; 0 if none.
  uint64_t CommittedNumber(const StreamKey& key) const;
  // Newest number that was appended, committed or not.
  uint64_t AcceptedNumber(const StreamKey& key) const;
  // Fingerprint of the newest that is committed; 0 if it is not in this file.
  uint64_t CommittedHash(const StreamKey& key) const;
  // Whether the file has anything of this stream.
  bool Knows(const StreamKey& key) const;
  // CommittedNumber of every stream that it has heard of.
  std::map<StreamKey, uint64_t> CommittedNumbers() const;
  const std::string& path() const;
  // What it takes on the disk, as of the last commit.
  int64_t file_bytes() const;

  // The file is a copy of other files' records: it is closed, merged and dated as `about` says, and
  // from now on Commit takes no notice of the clock. Used by incident_copy.h.
  void SetCopied(const Recording& about);
  // Another file's change, with the number it has there; RESOURCE_EXHAUSTED as above.
  absl::Status AppendMerged(NumberedChange change);
  // Bounds the file to so many pages of 4 KiB; for tests of a full disk.
  absl::Status SetPagesMax(int64_t pages);

 private:
  class Impl;
  explicit IncidentWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_INCIDENT_WRITER_H_
