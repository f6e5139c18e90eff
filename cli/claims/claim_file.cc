// SPDX-License-Identifier: Apache-2.0
#include "cli/claims/claim_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <utility>

#include "cli/claims/reader.h"
#include "cli/claims/readers.h"
#include "cli/terminal.h"

namespace ringside {
namespace {

struct Format {
  bool (*looks)(const ClaimText&);
  ClaimFile (*read)(const ClaimText&);
};

// The first that recognises the text reads it: the more particular ones come first.
constexpr std::array kFormats = {
    Format{LooksLikeClaimJson, ReadClaimJson},
    Format{LooksLikeIrqfdStats, ReadIrqfdStats},
    Format{LooksLikeEventfdCount, ReadEventfdCount},
    Format{LooksLikeQueueCorrelation, ReadQueueCorrelation},
    Format{LooksLikeIrqMonitor, ReadIrqMonitor},
    Format{LooksLikePollMonitor, ReadPollMonitor},
    Format{LooksLikeInterrupts, ReadInterrupts},
    Format{LooksLikePerfStat, ReadPerfStat},
    Format{LooksLikeBpftrace, ReadBpftrace},
    Format{LooksLikeTrace, ReadTrace},
};

}  // namespace

absl::StatusOr<std::string> ReadClaimText(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(ErrnoText("cannot open " + path, errno));
  std::string text;
  std::array<char, 65536> buffer;
  while (text.size() < kClaimTextMax) {
    const size_t wanted = std::min(buffer.size(), kClaimTextMax - text.size());
    file.read(buffer.data(), static_cast<std::streamsize>(wanted));
    text.append(buffer.data(), static_cast<size_t>(file.gcount()));
    if (!file) break;
  }
  if (file.bad()) return absl::DataLossError(ErrnoText("cannot read " + path, errno));
  return text;
}

ClaimFile ParseClaims(const std::string& text, const ClaimContext& context) {
  const ClaimText lines(text, context);
  for (const Format& format : kFormats) {
    if (format.looks(lines)) return format.read(lines);
  }
  ClaimSink sink(context, "", "");
  sink.Problem(
      0, TrimText(lines.text()).empty() ? "empty: no claims" : "no format that ringside knows");
  return sink.Take();
}

}  // namespace ringside
