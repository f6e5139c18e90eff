// SPDX-License-Identifier: Apache-2.0
// The ledger: all counts of each queue over a window, host and guest side by side, each an
// interval, with the identities between them and a verdict for each.
//
// Where both sides have positions, the counts of both are taken at the same two positions of the
// queue (a cut), so that they are about the same entries whatever the clocks say:
//
//   host   ----m0=====batches, signals, injections====m1----> used index
//   guest  ----m0=====interrupts, handled, none=======m1----> used index
//
// At each common mark the counts before it are exact on both sides, and for every position P
//   irq(seen < P) <= delivered(p < P) <= irq(seen < P) + F
// where F is what may be under way: one interrupt pending and one entered. Elsewhere counts are cut
// by time and every end is an interval.
#ifndef RINGSIDE_CORRELATE_LEDGER_H_
#define RINGSIDE_CORRELATE_LEDGER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "correlate/axis.h"
#include "correlate/recording.h"

namespace ringside {

enum class Verdict { kHolds, kViolated, kInconclusive };
std::string_view VerdictName(Verdict verdict);  // "holds", "violated", "inconclusive"

// A count over the window. `hi` absent: unknown, because a hook lost hits it cannot number.
struct CountCell {
  Count count{};
  uint64_t lo = 0;
  std::optional<uint64_t> hi;
  std::string hook;  // rung it came by: "tp_btf", "fentry", "kprobe", "tracepoint", "procfs"
  bool at_position = false;  // between the cuts of Cut; else over the whole window, by time
};

// The named rest of an identity: [lo, hi], or what makes up one of its sides.
struct Residual {
  std::string name;
  int64_t lo = 0;
  int64_t hi = 0;
};

struct Identity {
  std::string id;  // e.g. "batches = signalled + suppressed + unwired"
  Verdict verdict = Verdict::kInconclusive;
  bool by_definition = false;  // one side is derived from the other: shown, never judged
  std::vector<Residual> residuals;
  std::string why;  // one sentence, numbers included
};

// Why the guest's queue and the host's objects are taken to be one queue.
struct Binding {
  bool bound = false;
  bool provisional = true;            // fewer than two independent keys agree: never `violated`
  std::vector<std::string> evidence;  // e.g. "used ring address 0x1fe8c000"
};

// How host and guest were cut to the same entries.
struct Cut {
  bool by_position = false;
  uint64_t from_pos = 0;
  uint64_t to_pos = 0;
  uint64_t common_marks = 0;    // marks that both sides recorded in the window
  uint64_t marks_agreeing = 0;  // of those, with delivered - irq inside [-F, F] of the first
  int64_t difference_min = 0;   // delivered - merged - irq relative to the first common mark
  int64_t difference_max = 0;
  uint32_t in_flight = 0;  // F
  uint32_t epochs = 1;     // pieces between changes of the interrupt's message
  // The stretches [from, to) of positions that the counts cover, one per epoch.
  std::vector<std::pair<uint64_t, uint64_t>> pieces;
  // Interrupts that may have been pending, not handled yet, at quiet first and last edges: the
  // guest's counts allow for them.
  uint32_t pending_first = 0;
  uint32_t pending_last = 0;
  // Each stretch begins where nothing of the queue moved: no interrupt was under way there.
  bool from_quiet = false;
  std::optional<int64_t> disagree_since_ns;  // axis; of the first mark that does not agree
  std::string why_not;                       // why not by position, where it is not
  // Cut at moments at which neither side moved (quiet_cuts.h); `common_marks` are these moments.
  bool by_quiet = false;
  int64_t from_ns = 0;  // axis; of the first and of the last of them
  int64_t to_ns = 0;
  // Whether both sides' counts are about the same signals.
  bool common() const { return by_position || by_quiet; }
};

struct QueueLedger {
  std::string queue;       // guest's name: vm1/eth0/rx0; empty if only the host's is known
  std::string host_queue;  // host1/tap0/rx0; empty if only the guest's is known
  std::string irq_name;
  Binding binding;
  Cut cut;
  std::vector<CountCell> counts;  // in the order of the table of counts; never observed: absent
  std::vector<Identity> identities;
  // Interrupts that the kernel counted and its hook was not run for, nor reported as missed (some
  // kernels keep tracing programs away from some tasks). Intervals allow for them.
  uint64_t unseen = 0;
  Verdict verdict = Verdict::kInconclusive;  // the worst of the judged identities
  std::string finding;  // id of the first finding about it (correlate/analysis.h), empty: none
  const CountCell* Find(Count count) const;
};

// A window on the recorder's axis; nanoseconds since 1970.
struct Window {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  int64_t bound_ns = 0;  // largest error of any node's clock against the axis
  std::string clock;     // "host1 realtime"
};

struct NodeView {
  std::string name;   // shown name, unique: host1, vm1, vm1~2
  std::string alias;  // the host's name for a guest (QEMU -name), once bound
  std::string kernel;
  std::string roles;  // "host", "guest", "host+guest"
  std::string rungs;  // best rung in use: "fentry", "tp_btf"
  uint64_t lost = 0;  // records this tool itself lost
  std::optional<StreamAxis> axis;
};

struct Ledger {
  Window window;
  std::vector<NodeView> nodes;
  std::vector<QueueLedger> queues;    // bound pairs first, then one-sided ones, each by name
  std::vector<std::string> warnings;  // what is missing, in plain words
};

struct LedgerOptions {
  std::optional<int64_t> from_ns;  // axis time; default: everything
  std::optional<int64_t> to_ns;
  std::string queue;  // only this one (either side's name); empty: all
};

class Joined;

// Never fails: what cannot be known is said in the ledger.
Ledger MakeLedger(const Recording& recording, const LedgerOptions& options);
Ledger MakeLedger(const Joined& joined, const LedgerOptions& options);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_LEDGER_H_
