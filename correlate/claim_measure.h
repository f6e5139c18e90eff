// SPDX-License-Identifier: Apache-2.0
// What was measured where a claim says something: its queues found by any of their names, and their
// counts over the claim's window with honest ends. Part of correlate/claims.h.
#ifndef RINGSIDE_CORRELATE_CLAIM_MEASURE_H_
#define RINGSIDE_CORRELATE_CLAIM_MEASURE_H_

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "correlate/claims.h"
#include "correlate/joined.h"
#include "correlate/ledger.h"

namespace ringside {

// Queues that a claim is about, as places in Joined::pairs().
struct QueueSet {
  std::vector<size_t> pairs;
  bool open = false;  // the source may have seen more than these
  std::string why;    // why there are none
};

// A count over a window, in the two ways of taking its ends: at the claim's times (with what may
// have happened between a time and the next snapshot), and as the ledger cuts it.
struct Measured {
  std::optional<Interval> by_time;
  std::optional<Interval> by_cut;
  std::string hook;
  bool Contains(int64_t value) const {
    return (by_time && by_time->Contains(value)) || (by_cut && by_cut->Contains(value));
  }
  bool known() const { return by_time.has_value() || by_cut.has_value(); }
};

// a + sign * b, each way by itself; a way that one of them lacks is taken from its other.
Measured Sum(const Measured& a, const Measured& b, int sign = 1);
Measured Scaled(const Measured& a, int64_t times, int64_t divided_by = 1);

struct TimeSpan {
  int64_t lo_ns = 0;
  int64_t hi_ns = 0;
};

// Lives for one report; refers to `joined`. Not for several threads: it keeps what it computed.
class ClaimMeasure {
 public:
  explicit ClaimMeasure(const Joined& joined);

  const Joined& joined() const { return *joined_; }
  const Window& incident() const { return incident_; }
  QueueSet FindQueues(const Claim& claim) const;
  // The guest's name of a pair, else the host's.
  std::string NameOf(size_t pair) const;
  // Like a pair's name, with another queue: "vm1/eth0/" + "tx1"; nothing if there is none.
  std::optional<size_t> Sibling(size_t pair, const std::string& queue) const;
  // All pairs of the same device as `pair`, itself included.
  std::vector<size_t> SameDevice(size_t pair) const;
  // "rx0": the queue's own name.
  std::string ShortName(size_t pair) const;

  // Nothing known if no side counted it.
  Measured Of(size_t pair, Count count, const ClaimWindow& window);
  Measured Of(const QueueSet& queues, const std::vector<Count>& counts, const ClaimWindow& window);
  // As other hooks of the same count saw it, misses not allowed for: rung and growth.
  std::vector<std::pair<std::string, Interval>> ByOtherHooks(size_t pair, Count count,
                                                             const ClaimWindow& window) const;
  // The counter itself, not its growth, when the window ends.
  std::optional<Interval> AtEnd(size_t pair, Count count, const ClaimWindow& window) const;
  int64_t LengthMs(const ClaimWindow& window) const;
  // The ends that the window may have had if the count then grew by `value`; likewise its starts.
  std::optional<TimeSpan> EndsGiving(size_t pair, Count count, const ClaimWindow& window,
                                     int64_t value) const;
  std::optional<TimeSpan> StartsGiving(size_t pair, Count count, const ClaimWindow& window,
                                       int64_t value) const;
  // What is wrong with a window: "begins 3.2 s before the incident"; empty if nothing.
  std::string WindowTrouble(const ClaimWindow& window) const;

 private:
  enum class Kind { kInner, kOuter, kCut };
  using Key = std::tuple<size_t, Kind, bool, int64_t, int64_t>;
  ClaimWindow Placed(const ClaimWindow& window) const;
  const QueueLedger& LedgerOf(size_t pair, Kind kind, bool guest, int64_t from_ns, int64_t to_ns);
  std::optional<Interval> Between(size_t pair, Count count, const ClaimWindow& window,
                                  std::string* hook);
  void KeepOneNode(const Claim& claim, QueueSet* set) const;
  const LocalQueue* SideOf(size_t pair, Count count) const;
  Measured Anywhere(size_t pair, Count count, int64_t length_ns);

  const Joined* joined_;
  Window incident_;
  std::map<Key, QueueLedger> ledgers_;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLAIM_MEASURE_H_
