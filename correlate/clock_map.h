// SPDX-License-Identifier: Apache-2.0
// Where a reference clock stood when a local clock showed a time, with a bound that is proven by
// evidence: pieces of straight lines, each bounded by two hulls (clock_hull.h).
//
//   ahead of local            doubt
//      |    ====piece 1====>    :  <====piece 3====      A piece ends where a line cannot go on:
//      |                   \    :                        at a step that the clocks themselves show
//      |                    ====:piece 2=                (a cut), where evidence leaves no line (a
//      +---------------------------------> local time    conflict), or after a while if the two
//                          a cut                         clocks' rates wander.
//
// Both clocks are steady ones: a hardware counter or MONOTONIC_RAW, which nothing slews. A guest's
// and its host's counter are the same oscillator: their relation is one line until something steps.
// Those of two machines wander: over a piece, by at most a stated rate of change of their rates.
//
// Values are added as they become known, in order of local time; memory is bounded by pieces and
// blocks. Not for several threads at once; reading alone may be shared.
#ifndef RINGSIDE_CORRELATE_CLOCK_MAP_H_
#define RINGSIDE_CORRELATE_CLOCK_MAP_H_

#include <cstdint>
#include <vector>

#include "correlate/clock_hull.h"

namespace ringside {

// One thing that is known about two clocks: when the local one showed `local_ns`, the reference
// showed at most (upper) or at least `reference_ns`.
struct ClockStatement {
  int64_t local_ns = 0;
  int64_t reference_ns = 0;
  bool upper = false;
  uint32_t source = 0;  // whoever says so: an index into a list of the caller's
};

// Statements from two readings whose order in time is known. Clocks show whole nanoseconds, of
// instants up to one later: that is added here and nowhere else.
inline ClockStatement ReferenceFirst(int64_t reference_ns, int64_t local_ns, uint32_t source = 0) {
  return {local_ns + 1, reference_ns, false, source};
}
inline ClockStatement LocalFirst(int64_t local_ns, int64_t reference_ns, uint32_t source = 0) {
  return {local_ns, reference_ns + 1, true, source};
}

struct ClockOptions {
  // Rates differ by at most so much: oscillators by up to 100 ppm each, and the frequency that a
  // kernel assumes for a counter by up to 500 ppm (a calibration by timer ticks).
  int64_t drift_ppb = 1'000'000;
  // How fast that difference may change; 0 for two counters of one oscillator. Crystals move by up
  // to a ppm per minute while a machine warms up.
  int64_t wander_ppb_per_s = 0;
  // Length of a piece if they wander.
  int64_t piece_ns = 4'000'000'000;
};

enum class ClockBreak : uint8_t {
  kNone,      // goes on from the piece before: only the rates may have changed a little
  kCut,       // the caller knew of a step
  kConflict,  // no line fits what came before and what came after
};

// Evidence that leaves no line: a step of the local clock between the two times, unless what made
// the statement compares two things that do not belong together.
struct ClockConflict {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  uint32_t source = 0;  // of the statement that did not fit any more
};

class ClockMap {
 public:
  explicit ClockMap(const ClockOptions& options) : options_(options) {}

  // Local times may fall back a little, never behind the last cut or conflict: such statements are
  // left out, which is never wrong.
  void Add(const ClockStatement& statement);
  // Something happened between two local times after which the relation is another one. Not
  // before the cut before it.
  void Cut(int64_t from_ns, int64_t to_ns);

  // The reference's time when the local clock showed `local_ns`. In doubt, that is between the two
  // ends of a cut or conflict, both pieces' bounds together. Not known(): too little evidence.
  ClockRange At(int64_t local_ns) const;

  const std::vector<ClockConflict>& conflicts() const { return conflicts_; }
  // Every conflict counts here, also those that found no room in the list above.
  uint64_t conflict_count() const { return conflict_count_; }
  uint64_t statements() const { return statements_; }
  size_t pieces() const { return pieces_.size(); }
  // Points kept, in all pieces and blocks: what memory grows with.
  size_t points() const;

 private:
  struct Piece {
    int64_t from_ns;
    int64_t to_ns;  // of its last evidence, or where it was cut
    int64_t center_ns;
    ClockBreak before;  // why it is another piece than the one before
    ClockHull hull;
  };
  // The evidence of a part of the time since the last cut, without slack: what a conflict is
  // searched in.
  struct Block {
    int64_t from_ns;
    int64_t to_ns;
    ClockHull hull;
  };

  ClockSlopes Slopes() const;
  int64_t Slack(int64_t distance_ns) const;
  bool AddTo(Piece* piece, bool upper, int64_t x, int64_t ahead) const;
  bool AddBlock(Piece* piece, const Block& block) const;
  Piece Blank(int64_t from_ns, ClockBreak why) const;
  Piece Continued(int64_t from_ns) const;
  void Open(int64_t from_ns, ClockBreak why);
  void Remember(const ClockStatement& statement, int64_t ahead);
  void Break(const ClockStatement& statement, int64_t ahead);
  void Shorten(int64_t to_ns, size_t blocks);
  ClockRange AheadAt(const Piece& piece, int64_t local_ns) const;

  ClockOptions options_;
  std::vector<Piece> pieces_;  // by from_ns; the last is open
  std::vector<Block> blocks_;  // by time
  int64_t block_ns_ = 0;
  std::vector<ClockConflict> conflicts_;
  uint64_t conflict_count_ = 0;
  uint64_t statements_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_MAP_H_
