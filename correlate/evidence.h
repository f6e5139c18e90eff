// SPDX-License-Identifier: Apache-2.0
// What the causes look at: the two sides of one queue over a window, from snapshot to snapshot.
//
//   snapshots of a side   s0 ---- s1 ---- s2 ---- s3     growth of every count in every step,
//                                                        gauges at every snapshot
//
// The sides have clocks of their own; what compares both uses the ledger (cut at positions) or the
// axis, with its bound. Refers to the Joined recording and to the ledger; any thread.
#ifndef RINGSIDE_CORRELATE_EVIDENCE_H_
#define RINGSIDE_CORRELATE_EVIDENCE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "correlate/finding.h"
#include "correlate/interval.h"
#include "correlate/joined.h"
#include "correlate/ledger.h"
#include "correlate/window.h"

namespace ringside {

// Shares of fewer events than this say nothing: of 100, what is 15% by nature shows as more than
// half less than once in 10^15.
inline constexpr int64_t kMaterialEvents = 100;

// One side of a queue (or a pseudo-queue of a node) over the window.
class Side {
 public:
  Side() = default;
  Side(const LocalQueue* queue, int64_t from_ns, int64_t to_ns);

  // False: no agent on that side, or no snapshot within the window.
  explicit operator bool() const { return queue_ != nullptr; }
  const LocalQueue& queue() const { return *queue_; }
  const NodeStream& node() const { return *queue_->node; }
  const Stream& stream() const { return *queue_->node->stream; }
  const SnapshotRange& range() const { return range_; }
  // Text taken in the guest, no agent (correlate/witness.h).
  bool witness() const;

  bool Observes(Count count) const;
  // Growth over the range, or between two of its snapshots; nothing if not observed.
  std::optional<Interval> Growth(Count count) const { return Growth(count, range_); }
  std::optional<Interval> Growth(Count count, const SnapshotRange& part) const;
  std::optional<uint64_t> At(Gauge gauge, size_t snapshot) const;
  // "guest.none (tp_btf)"
  std::string HookOf(Count count) const;
  AxisTime Begin(size_t snapshot) const;
  AxisTime End(size_t snapshot) const;
  // When something that was so over a run ended; 0: still so at the end of the window.
  int64_t UntilNs(const SnapshotRange& run) const;
  // The snapshots that certainly lie within two axis times.
  std::optional<SnapshotRange> Within(int64_t from_ns, int64_t to_ns) const;
  // Labels of a count's parts by growth over the range, largest first.
  std::vector<std::pair<std::string, int64_t>> Parts(Count count, const SnapshotRange& part) const;

 private:
  const LocalQueue* queue_ = nullptr;
  SnapshotRange range_;
  bool ended_ = false;  // the queue was gone before the window ended
  std::array<std::optional<ChosenHook>, kCounts> hooks_;
};

// The longest stretch of snapshots over which `is_so` holds. Steps are joined until each block has
// at least kMaterialEvents of `base`, so that chance does not decide; what is left of fewer at an
// edge goes with its neighbour. Nothing if no block is so.
std::optional<SnapshotRange> LongestRun(const Side& side, Count base,
                                        const std::function<bool(const SnapshotRange&)>& is_so);

// The longest stretch of at least `steps` single steps (snapshot i to i + 1) for which `holds(i)`;
// of equally long ones the first.
std::optional<SnapshotRange> LongestStretch(const SnapshotRange& range, size_t steps,
                                            const std::function<bool(size_t)>& holds);

// What every cause is given.
struct QueueEvidence {
  const Joined* joined = nullptr;
  const QueuePair* pair = nullptr;
  const QueueLedger* ledger = nullptr;
  Side host;
  Side guest;
  Window window;

  bool tx() const;
  std::string Name() const;  // the guest's, else the host's
  std::string GuestNode() const;
  std::string HostNode() const { return host ? host.node().name : "the host"; }
  // Of the ledger: an interval over the cut; nothing if never observed.
  std::optional<Interval> Cell(Count count) const;
  const Identity* FindIdentity(std::string_view id) const;
  // A statement on counts of this queue, with the hooks they came by.
  Statement Say(std::string text, std::initializer_list<Count> counts) const;
  // A finding about this queue over a stretch of a side's snapshots, or since a time.
  Finding Found(Cause cause, Certainty certainty, const Side& side, const SnapshotRange& run) const;
  Finding Found(Cause cause, Certainty certainty, int64_t since_ns) const;
  // Taking the guest's device down and up: its driver polls every queue once.
  NextStep DownAndUp() const;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_EVIDENCE_H_
