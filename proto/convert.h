// SPDX-License-Identifier: Apache-2.0
// Between records and wire messages: the only place where the two meet.
//
// Encoding needs no state: a stream's indices are this build's enum values, and its Hello carries
// the names they stand for. Decoding is per stream, because the other side's build may number
// counts differently, and treats the message as hostile: whatever it accepts is within the limits
// below and safe to store. Called by the agent's gRPC sink, the collector's sessions and the store
// (for fingerprints). No locks: one StreamDecoder belongs to one stream's reading thread.
#ifndef RINGSIDE_PROTO_CONVERT_H_
#define RINGSIDE_PROTO_CONVERT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "correlate/records.h"

namespace ringside {

namespace v1 {
class ClockReading;
class FromAgent;
}  // namespace v1

// Version of the wire protocol that this build speaks, in Hello and Welcome.
inline constexpr uint32_t kProtocol = 1;

// Limits of the wire. The encoder cuts texts to fit; the decoder refuses what does not.
inline constexpr size_t kMessageBytesMax = size_t{4} << 20;  // gRPC's own default limit
inline constexpr size_t kNameBytesMax = 256;  // identifiers, device and function names
inline constexpr size_t kTextBytesMax =
    4096;                                    // log lines (the kernel's own are below 1 KiB), facts
inline constexpr size_t kNamesMax = 1024;    // counts or gauges an agent may know
inline constexpr size_t kHooksMax = 1024;    // per agent; today's have 20
inline constexpr size_t kQueuesMax = 16384;  // per stream; an agent has 1,024 slots of each kind
inline constexpr size_t kSamplesMax = size_t{1} << 17;  // per snapshot: 2,048 queues x 64 counts
// Per snapshot; the ones beyond are left out, which parts allow for. With the longest labels they
// take a quarter of a message, and 64 labels each for 64 queues are more than anybody reads.
inline constexpr size_t kPartsMax = 4096;
inline constexpr size_t kMarksMax = 8192;     // per message; the kernel's ring holds 4,600
inline constexpr size_t kMarkCountsMax = 16;  // per mark; RS_MARK_COUNTS is 7
inline constexpr uint64_t kCountMax = (uint64_t{1} << 63) - 1;  // counts, numbers and positions

// Fills `message`. INVALID_ARGUMENT for a ClockExchange, which only a collector can make. Texts are
// made valid UTF-8 and cut to the limits above.
absl::Status EncodeRecord(const NumberedRecord& record, v1::FromAgent* message);
void EncodeClock(const ClockReading& clock, v1::ClockReading* message);

// A clock reading that is possible at all (no negative times, width below a minute).
absl::StatusOr<ClockReading> DecodeClock(const v1::ClockReading& message);

// A hash of a record's content that survives encoding and decoding; equal records have equal ones.
// Fields that later versions add do not change it while they are unset.
uint64_t Fingerprint(const NumberedRecord& record);

// Memory that a record takes, roughly and never much too low: what bounds of queues and spools
// count.
size_t ApproximateBytes(const Record& record);

class StreamDecoder {
 public:
  // The message must have a number, and be a Hello if it is the stream's first; numbers must grow.
  // INVALID_ARGUMENT with one line that says what is wrong; the stream cannot go on after that.
  // A Hello of another protocol is decoded; whether to accept it is the caller's to say.
  absl::StatusOr<NumberedRecord> Decode(const v1::FromAgent& message);

  // Rows left out so far because the sender's build knows a count or gauge that this one does not,
  // and the names concerned (sorted, each once).
  uint64_t skipped_rows() const { return skipped_rows_; }
  const std::set<std::string>& unknown_names() const { return unknown_names_; }

 private:
  friend class RecordReader;  // one message's decoding, in convert.cc

  uint64_t last_number_ = 0;
  std::vector<std::optional<Count>> counts_;  // sender's index -> ours
  std::vector<std::optional<Gauge>> gauges_;
  std::vector<std::string> count_names_;
  std::vector<std::string> gauge_names_;
  std::set<uint32_t> queues_;  // ids announced or used, to bound them
  uint64_t skipped_rows_ = 0;
  std::set<std::string> unknown_names_;
};

}  // namespace ringside

#endif  // RINGSIDE_PROTO_CONVERT_H_
