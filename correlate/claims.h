// SPDX-License-Identifier: Apache-2.0
// Claims: numbers that somebody else measured, judged against a recording.
//
// A claim is confirmed where its number lies in what was measured over the claim's own window,
// refuted where it cannot, inconclusive otherwise. A wrong number may be explained by a known
// mistake; an explanation counts only where it has no free parameter, or where one value of its
// parameter also reproduces the other claims of the same source and window, and only while the
// mistakes that were tried leave a random number at most one chance in twenty to fit one of them.
//
// Plain values; pure. What text a claim came from is the reader's business (cli/claims).
#ifndef RINGSIDE_CORRELATE_CLAIMS_H_
#define RINGSIDE_CORRELATE_CLAIMS_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "correlate/counts.h"
#include "correlate/interval.h"
#include "correlate/recording.h"

namespace ringside {

// When a claim's number was counted, on the recorder's axis. Nothing given: over the incident. Only
// a length: at a time that the source does not tell.
struct ClaimWindow {
  std::optional<int64_t> from_ns;
  std::optional<int64_t> to_ns;
  std::optional<int64_t> length_ns;
  int64_t slack_ns = 0;  // from and to may each have been up to this much later
  friend bool operator==(const ClaimWindow&, const ClaimWindow&) = default;
  friend auto operator<=>(const ClaimWindow&, const ClaimWindow&) = default;
};

// What a claim is about: the sum of counts, a state of the kernel, or nothing that we know.
struct ClaimSubject {
  std::vector<Count> counts;
  std::optional<Gauge> gauge;
  bool known() const { return !counts.empty() || gauge.has_value(); }
  friend bool operator==(const ClaimSubject&, const ClaimSubject&) = default;
  friend auto operator<=>(const ClaimSubject&, const ClaimSubject&) = default;
};

struct Claim {
  std::string source;  // who says so: a tool, a vendor
  std::string node;    // empty: whichever has such a queue
  // A queue's name or the end of one ("eth0/rx1"), an interrupt's name ("virtio0-input.1"),
  // "irq:33" or "gsi:25", "eth0/rx*" for the sum over several, "*" for all the source saw.
  std::string queue;
  std::string name;  // the count as the source wrote it: "guest.irq", "vring_interrupt"
  ClaimSubject subject;
  // A part of the count, `what=who` as in records.h: "delta=1" of the signals.
  std::string part;
  ClaimWindow window;
  int64_t value = 0;
  // A share instead of a number: percent of the count `of`, as written with `digits` decimals.
  std::optional<double> percent;
  int digits = 0;
  ClaimSubject of;
  std::string method;  // how it was counted, where the source tells: "kprobe:vring_interrupt"
  std::string file;
  int line = 0;
};

// The largest number a claim may have; larger ones are no counts.
inline constexpr int64_t kClaimMax = int64_t{1} << 62;

// What a name from another tool counts ("vring_interrupt", "irqfd_wakeup", "guest.irq", sums of
// names joined by '+'); an unknown subject if it is none of ours.
ClaimSubject SubjectByName(std::string_view name);
// "guest.napi.softirq + guest.napi.busy"; empty if unknown.
std::string SubjectName(const ClaimSubject& subject);

enum class ClaimVerdict { kConfirmed, kRefuted, kInconclusive };
std::string_view ClaimVerdictName(ClaimVerdict verdict);

struct Explanation {
  std::string id;    // stable: "other-window", "tx-for-rx", ...
  std::string text;  // with its numbers
  Interval value;    // what the source would have counted by this mistake
};

struct JudgedClaim {
  Claim claim;
  ClaimVerdict verdict = ClaimVerdict::kInconclusive;
  std::string queue;                 // ringside's name of it; empty if it has none
  std::optional<Interval> measured;  // over the claim's window; percent: in 1/1000 %
  std::string hook;                  // rung it was measured by
  double off_percent = 0;            // refuted: from the nearest end of what was measured
  std::string why;
  std::vector<Explanation> explanations;
  int tried = 0;      // explanations that were computed
  double chance = 0;  // that a random wrong number would have fitted one of them
  int undecided = 0;  // explanations left out because they would fit too many numbers
};

// Claims that cannot all be right, whatever was measured.
struct Contradiction {
  std::string id;  // stable: "two-values", "sum", "part", "percent", ...
  std::string text;
  std::vector<size_t> claims;  // places in ClaimReport::claims
};

struct ClaimReport {
  std::vector<JudgedClaim> claims;  // in the order given
  std::vector<Contradiction> contradictions;
};

// Total: what cannot be judged says why. Costs a pass over the claims' queues per window.
ClaimReport JudgeClaims(const Recording& recording, std::vector<Claim> claims);

// From the claims alone. `queues`: one name per claim, equal for claims about one queue; without
// it, node and queue as the claims write them.
std::vector<Contradiction> FindContradictions(const std::vector<Claim>& claims,
                                              const std::vector<std::string>& queues);
std::vector<Contradiction> FindContradictions(const std::vector<Claim>& claims);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLAIMS_H_
