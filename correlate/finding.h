// SPDX-License-Identifier: Apache-2.0
// Findings: causes with their evidence for and against, and what caused what (design D10). Plain
// values; no thread rule, no lifetime beyond their own.
#ifndef RINGSIDE_CORRELATE_FINDING_H_
#define RINGSIDE_CORRELATE_FINDING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringside {

// X(identifier, id). The ids are stable: stored, printed and judged by the simulator.
#define RINGSIDE_CAUSES(X)                       \
  X(kBusyPollSpurious, "busy-poll-spurious")     \
  X(kIrqStormRisk, "irq-storm-risk")             \
  X(kIrqDisabled, "irq-disabled")                \
  X(kIrqDisabledDrained, "irq-disabled-drained") \
  X(kDeadQueue, "dead-queue")                    \
  X(kTunRingFull, "tun-ring-full")               \
  X(kSuppressedStall, "suppressed-stall")        \
  X(kEmptySignal, "empty-signal")                \
  X(kDuplicateInjection, "duplicate-injection")  \
  X(kLostInterrupt, "lost-interrupt")            \
  X(kExternalInjector, "external-injector")      \
  X(kStaleRoute, "stale-route")                  \
  X(kNoTxSignal, "no-tx-signal")                 \
  X(kLostAcrossPause, "lost-across-pause")       \
  X(kInterruptMerging, "interrupt-merging")      \
  X(kLateVcpu, "late-vcpu")                      \
  X(kSlowPathInjection, "slow-path-injection")   \
  X(kSoftirqSqueeze, "softirq-squeeze")          \
  X(kVectorMasked, "vector-masked")              \
  X(kDataLoss, "data-loss")

enum class Cause : uint16_t {
#define X(id, name) id,
  RINGSIDE_CAUSES(X)
#undef X
};

inline constexpr int kCauses = 0
#define X(id, name) +1
    RINGSIDE_CAUSES(X)
#undef X
    ;

std::string_view CauseId(Cause cause);

enum class Certainty : uint16_t { kHigh, kMedium, kLow };
std::string_view CertaintyName(Certainty certainty);  // "high", "medium", "low"

// A sentence with the numbers in it, and the hooks they come from ("guest.none (tp_btf)").
struct Statement {
  std::string text;
  std::vector<std::string> hooks;
  friend bool operator==(const Statement&, const Statement&) = default;
};

// What somebody can type, where ("vm1", "host1"; empty: where ringside runs), and what it does or
// interrupts.
struct NextStep {
  std::string where;
  std::string command;
  std::string effect;
  friend bool operator==(const NextStep&, const NextStep&) = default;
};

struct Finding {
  Cause cause{};
  std::string queue;       // the guest's name of it, else the host's; a node's name for data-loss
  std::string host_queue;  // empty if not known
  bool root = false;       // nothing found here causes it, and it suffices by the counts
  // "id" of the same queue, else "id@queue": what it is an effect of, or what contributes to it.
  std::vector<std::string> caused_by;
  std::vector<std::string> contributors;  // likewise: not proved sufficient
  Certainty certainty = Certainty::kLow;
  int64_t since_ns = 0;  // axis; the first snapshot at which it shows
  int64_t until_ns = 0;  // likewise the last; 0: still so at the end of the window
  std::string title;     // one line, numbers included: what is wrong
  std::string because;   // how it comes about
  std::vector<Statement> evidence;
  std::vector<Statement> against;
  std::vector<Statement> ruled_out;
  std::vector<std::string> missing;  // evidence that would decide, and is not there
  std::string danger;                // what it may lead to; empty: nothing further
  std::string would_refute;
  std::vector<NextStep> next;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_FINDING_H_
