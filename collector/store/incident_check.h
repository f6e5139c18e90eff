// SPDX-License-Identifier: Apache-2.0
// Looks over an incident: is it what a recorder wrote, and does it say what it lacks?
//
// SQLite's own check; every record loads, and is the one whose hash was stored; numbers run
// without holes that nobody said; every event chunk decodes and holds what its row and its index
// say; no row refers to one that is not there. Reads everything, one record at a time. Called by
// the CLI; free of shared state, any thread.
#ifndef RINGSIDE_COLLECTOR_STORE_INCIDENT_CHECK_H_
#define RINGSIDE_COLLECTOR_STORE_INCIDENT_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ringside {

// Lines that are kept; what is more is only counted. A file that is bad is bad.
inline constexpr size_t kCheckLinesMax = 1000;

struct CheckLine {
  std::string file;
  std::string what;  // one line
};

struct CheckReport {
  std::vector<CheckLine> problems;
  std::vector<CheckLine> gaps;  // what is missing, and the incident says so: no problem
  uint64_t problem_count = 0;
  uint64_t files = 0;
  uint64_t streams = 0;
  uint64_t records = 0;
  uint64_t chunks = 0;
  uint64_t events = 0;
};

// `path`: a file or a store's directory. Fails only where there is nothing to look at: NOT_FOUND,
// PERMISSION_DENIED. What is no incident at all, or cannot be opened, is a problem.
absl::StatusOr<CheckReport> CheckIncident(const std::string& path);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_INCIDENT_CHECK_H_
