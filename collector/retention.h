// SPDX-License-Identifier: Apache-2.0
// How long a store keeps what it has. The store goes on in a new file from time to time, so that
// the oldest file can go whole; what goes is said in the file that is being written, and in the
// log.
//
// Never removed: the file being written, and files that no collector named. Called by the one who
// writes (ingest.h), one thread.
#ifndef RINGSIDE_COLLECTOR_RETENTION_H_
#define RINGSIDE_COLLECTOR_RETENTION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "correlate/recording.h"

namespace ringside {

// A new file takes over when one has an eighth of what may be kept.
inline constexpr int64_t kKeptFiles = 8;
// An empty incident takes a fifth of a megabyte: below this, files would hold little else.
inline constexpr int64_t kKeepBytesMin = 16'000'000;
inline constexpr int64_t kKeepAgeMin_ns = 60'000'000'000;

struct Retention {
  std::string directory;
  int64_t keep_bytes = 0;   // 0: no limit
  int64_t keep_age_ns = 0;  // 0: no limit

  bool limited() const { return keep_bytes > 0 || keep_age_ns > 0; }
  // Whether the file being written, begun then and of that size, is due to be followed by another.
  bool Due(int64_t file_bytes, int64_t begun_real_ns, int64_t now_real_ns) const;
  // Removes what is too much or too old. What could not be removed is a line of `failures`.
  std::vector<RecorderGap> Trim(const std::string& current, int64_t now_real_ns,
                                std::vector<std::string>& failures) const;
};

// "DIR/20260131T140211Z.rsi", and with _2, _3, ... what else begins in the same second.
std::string StoreFileName(const std::string& directory, int64_t real_ns);
// When the file was begun, by its name; 0 if no collector named it.
int64_t BegunOf(const std::string& path);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_RETENTION_H_
