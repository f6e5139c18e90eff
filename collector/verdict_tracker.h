// SPDX-License-Identifier: Apache-2.0
// From what each evaluation says to what is news: which verdicts and findings came, changed and
// went.
//
// The window slides, agents' records arrive when they do, and at either edge of it an evaluation
// may see half of something. Hence:
//   * What is said is believed when the next evaluation, of newer data, says it too. All that is
//     real is in the window for a minute, so nothing is missed, and a second or two are lost.
//   * A violation or finding has ended when every evaluation for as long as the window is has said
//     otherwise: then the window began after it was seen last. One lost interrupt a minute is one
//     violation, not one a minute.
//   * Another certainty, cause or rank of a finding must stand for five seconds.
//   * `holds` and `inconclusive` come and go with traffic and agents, and are no news. That a queue
//     holds for the first time is stored, but not told.
// Numbers in a title are no change.
//
// Pure but for what it holds; one thread at a time.
#ifndef RINGSIDE_COLLECTOR_VERDICT_TRACKER_H_
#define RINGSIDE_COLLECTOR_VERDICT_TRACKER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "collector/store/evaluation.h"
#include "correlate/analysis.h"

namespace ringside {

// Beyond so many at once it is no longer findings that somebody reads; the rest is counted.
inline constexpr size_t kFindingsMax = 1024;

// A change, and whether anybody is told.
struct Change {
  EvaluationChange what;
  bool news = false;
};

// "vm1/eth0/rx0: violated (held before): injected = interrupts: 2 are missing"
std::string LineOf(const EvaluationChange& change);

class VerdictTracker {
 public:
  // One evaluation. Times of the changes are `now.real_ns`; waiting goes by `now.mono_ns`.
  std::vector<Change> Update(const Analysis& analysis, const ClockReading& now);

  // Something is violated, found, or not yet believed: evaluate sooner.
  bool restless() const { return restless_; }
  // Findings that were not taken up because there are too many.
  size_t left_out() const { return left_out_; }

  // How things stand: each queue's verdict (identity empty, before = verdict), each open finding
  // (as appeared).
  std::vector<EvaluationChange> Present() const;
  // Grows whenever Present() may be another.
  uint64_t version() const { return version_; }

 private:
  struct Identity {
    Verdict reported = Verdict::kInconclusive;
    int said = 0;  // evaluations in a row that said violated
    int64_t violated_mono_ns = 0;
  };
  struct Queue {
    VerdictChange last;  // of the queue as a whole
    std::map<std::string, Identity> identities;
    bool seen = false;  // by this evaluation
    int64_t seen_mono_ns = 0;
    bool held = false;  // once
  };
  struct Rank {
    Certainty certainty{};
    bool root = false;
    std::vector<std::string> caused_by;
    friend bool operator==(const Rank&, const Rank&) = default;
  };
  struct Open {
    Finding finding;
    uint64_t episode = 0;  // 0: not yet believed
    int said = 0;
    int64_t said_mono_ns = 0;
    int64_t changed_real_ns = 0;
    Rank reported;
    Rank candidate;
    int64_t candidate_mono_ns = 0;
    bool seen = false;
  };

  Queue& FindQueue(const QueueLedger& ledger);
  static std::vector<ringside::Identity> SaidOf(const QueueLedger& ledger, const Queue& queue);
  void Judge(const QueueLedger& ledger, const Window& window, const ClockReading& now,
             std::vector<Change>& changes);
  bool UpdateIdentity(const ringside::Identity& said, Identity& identity, const ClockReading& now);
  void EndUnseen(const ClockReading& now, std::vector<Change>& changes);
  void Find(const Finding& finding, const ClockReading& now, std::vector<Change>& changes);
  void EndFindings(const ClockReading& now, std::vector<Change>& changes);

  std::map<std::string, Queue> queues_;  // by the guest's name, else the host's
  std::map<std::pair<Cause, std::string>, Open> findings_;
  uint64_t episodes_ = 0;
  uint64_t version_ = 1;
  size_t left_out_ = 0;
  bool restless_ = false;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_VERDICT_TRACKER_H_
