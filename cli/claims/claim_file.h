// SPDX-License-Identifier: Apache-2.0
// Claims read from what other tools print. What a file is, is recognised by its content; one reader
// per format. Called by `ringside verify`; any thread.
//
// A reader never gives up on a file: what it cannot read is a problem with its line, and the rest
// is read. Every reader keeps to the limits below.
#ifndef RINGSIDE_CLI_CLAIMS_CLAIM_FILE_H_
#define RINGSIDE_CLI_CLAIMS_CLAIM_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "correlate/claims.h"

namespace ringside {

struct ClaimProblem {
  std::string file;
  int line = 0;  // 0: the file as a whole
  std::string text;
};

struct ClaimFile {
  std::vector<Claim> claims;
  std::vector<ClaimProblem> problems;
  std::string format;  // "ringside JSON", "bpftrace maps", ...; empty: not recognised
};

struct ClaimContext {
  std::string file;     // as shown
  int64_t zero_ns = 0;  // the incident's first snapshot, for "+3.2s" and times without a day
};

// A trace of an hour may be large; what people mail is not. Beyond these a file is cut, with a
// problem that says so.
inline constexpr size_t kClaimTextMax = size_t{256} << 20;
inline constexpr size_t kClaimsMax = 100'000;
inline constexpr size_t kProblemsMax = 1'000;

// Reads the file's bytes (at most kClaimTextMax). NOT_FOUND and the like name the path.
absl::StatusOr<std::string> ReadClaimText(const std::string& path);

// Never fails: an unknown format is a problem of the whole file.
ClaimFile ParseClaims(const std::string& text, const ClaimContext& context);

// Two /proc/interrupts snapshots in two files: what the second counted more.
ClaimFile ParseInterruptPair(const std::string& before, const ClaimContext& before_context,
                             const std::string& after, const ClaimContext& after_context);
// How many snapshots of /proc/interrupts a text holds.
int CountInterruptSnapshots(const std::string& text);

}  // namespace ringside

#endif  // RINGSIDE_CLI_CLAIMS_CLAIM_FILE_H_
