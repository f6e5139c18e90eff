// SPDX-License-Identifier: Apache-2.0
// Numbers, times and names as people read and type them. Called by every command.
//
// Pure but for the local time zone, which is the process's own (TZ). No state, safe from any
// thread.
#ifndef RINGSIDE_CLI_FORMAT_H_
#define RINGSIDE_CLI_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "correlate/ledger.h"

namespace ringside {

std::string Thousands(uint64_t value);       // 1,234,567
std::string SignedThousands(int64_t value);  // -1,234

// A count: "1,386", "1,386-1,388" where it is an interval, "1,386+" where the upper end is unknown,
// "-" where it was never observed (null).
std::string CountCellText(const CountCell* cell);
// Likewise for a residual, whose ends may be negative ("-1..2"). INT64_MIN and INT64_MAX are ends
// that are not known.
std::string RangeText(int64_t lo, int64_t hi);

std::string DurationText(int64_t ns);   // "2.0 s", "812 ms", "0.8 us", "1 h 02 min"
std::string BytesText(uint64_t bytes);  // "1.2 MiB"

// 2026-11-20T14:02:11.123456789Z, always UTC and always with nanoseconds: sorts as text, and every
// command takes it back.
std::string Rfc3339(int64_t real_ns);
// "2026-11-20 14:02:11 to 14:02:13 CET", in the local zone; the day again where it differs.
std::string LocalRange(int64_t from_ns, int64_t to_ns);
std::string LocalDateTime(int64_t real_ns);  // "2026-11-20 14:02:11"
std::string LocalClock(int64_t real_ns);     // "14:02:11.123"

// "10s", "250ms", "1m", "1.5s", "2h", "100us": a number and a unit. INVALID_ARGUMENT says what is
// accepted; so does ParseTime.
absl::StatusOr<int64_t> ParseDuration(std::string_view text);
// RFC 3339 ("2026-11-20T14:02:11Z", "...+01:00"), "+3.2s" from `zero_ns`, or a local time of the
// incident's day ("14:02:11.5").
absl::StatusOr<int64_t> ParseTime(std::string_view text, int64_t zero_ns);

// Text from a recording as it may safely reach a terminal: names and log lines come from guests,
// and control characters in them (also the C1 ones, and whatever is not UTF-8) become \xNN.
std::string Printable(std::string_view text);
// Columns that `text` takes, one per code point.
int DisplayWidth(std::string_view text);

// The two sides of a queue in one cell: "vm1/eth0/rx1 <- tap0/rx1". The host's node is left out
// where `one_host` says that there is no doubt which it is.
std::string QueuePairText(const QueueLedger& queue, bool one_host);

// Names in the order of the numbers in them: rx2 before rx10.
bool NaturalLess(const std::string& a, const std::string& b);

// "a, b and 3 more": at most `limit` of them.
std::string ListText(const std::vector<std::string>& items, size_t limit);

}  // namespace ringside

#endif  // RINGSIDE_CLI_FORMAT_H_
