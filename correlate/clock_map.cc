// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_map.h"

#include <algorithm>

namespace ringside {
namespace {

using Wide = __int128;

// 4 s pieces of two machines' clocks: four hours and a half. Older ones are forgotten.
constexpr size_t kPiecesMax = 4096;
// A conflict is searched in so many parts of a piece; twice as long ones once these are used up.
constexpr size_t kBlocksMax = 128;
constexpr int64_t kFirstBlockNs = 10'000'000;
// Where clocks wander, evidence older than this is too loose to contradict.
constexpr int64_t kSearchedPieces = 8;
// More conflicts than this are no steps of a clock; they are counted on.
constexpr size_t kConflictsMax = 64;

int64_t Ahead(const ClockStatement& statement) {
  return statement.reference_ns - statement.local_ns;
}

bool Believable(const ClockStatement& statement) {
  const auto in_range = [](int64_t ns) { return ns < kClockMax / 2 && ns > -kClockMax / 2; };
  return in_range(statement.local_ns) && in_range(statement.reference_ns);
}

int64_t Clamp(Wide value) {
  return value > INT64_MAX   ? INT64_MAX
         : value < INT64_MIN ? INT64_MIN
                             : static_cast<int64_t>(value);
}

}  // namespace

ClockSlopes ClockMap::Slopes() const {
  return {ClockSlope::Ppb(-options_.drift_ppb), ClockSlope::Ppb(options_.drift_ppb)};
}

// How far a relation can be off its tangent at this distance: half the change of rate times the
// distance squared.
int64_t ClockMap::Slack(int64_t distance_ns) const {
  if (options_.wander_ppb_per_s == 0) return 0;
  const double d = static_cast<double>(distance_ns);
  const double ns = d * d * static_cast<double>(options_.wander_ppb_per_s) * 0.5e-18;
  return ns >= static_cast<double>(kClockMax) ? kClockMax : static_cast<int64_t>(ns) + 1;
}

bool ClockMap::AddTo(Piece* piece, bool upper, int64_t x, int64_t ahead) const {
  const int64_t slack = Slack(x - piece->center_ns);
  return piece->hull.Add(upper, x, upper ? ahead + slack : ahead - slack);
}

bool ClockMap::AddBlock(Piece* piece, const Block& block) const {
  block.hull.ForEach([&](bool upper, int64_t x, int64_t ahead) { AddTo(piece, upper, x, ahead); });
  return !piece->hull.empty();
}

ClockRange ClockMap::AheadAt(const Piece& piece, int64_t local_ns) const {
  ClockRange range = piece.hull.At(local_ns);
  const int64_t slack = Slack(local_ns - piece.center_ns);
  if (range.lo_ns != INT64_MIN) range.lo_ns = Clamp(static_cast<Wide>(range.lo_ns) - slack);
  if (range.hi_ns != INT64_MAX) range.hi_ns = Clamp(static_cast<Wide>(range.hi_ns) + slack);
  return range;
}

// A piece that takes over from the last: where that one ends this one begins, and the rate is the
// same but for what it may have wandered from one centre to the other.
ClockMap::Piece ClockMap::Continued(int64_t from_ns) const {
  const Piece& last = pieces_.back();
  const int64_t center_ns = from_ns + options_.piece_ns / 2;
  const Wide change = static_cast<Wide>(center_ns - last.center_ns) * options_.wander_ppb_per_s;
  const int64_t widen_ppb = Clamp(change / 1'000'000'000) + 1;
  const ClockSlopes limits = Slopes();
  const ClockSlopes& had = last.hull.slopes();
  ClockSlopes slopes = {ClockSlope::Ppb(had.lo.PpbLo() - widen_ppb),
                        ClockSlope::Ppb(had.hi.PpbHi() + widen_ppb)};
  if (CompareSlopes(slopes.lo, limits.lo) < 0) slopes.lo = limits.lo;
  if (CompareSlopes(slopes.hi, limits.hi) > 0) slopes.hi = limits.hi;
  Piece piece{from_ns, from_ns, center_ns, ClockBreak::kNone, ClockHull(slopes)};
  const ClockRange ahead = AheadAt(last, from_ns);
  if (ahead.hi_ns != INT64_MAX) AddTo(&piece, true, from_ns, ahead.hi_ns);
  if (ahead.lo_ns != INT64_MIN) AddTo(&piece, false, from_ns, ahead.lo_ns);
  return piece;
}

ClockMap::Piece ClockMap::Blank(int64_t from_ns, ClockBreak why) const {
  return {from_ns, from_ns, from_ns + options_.piece_ns / 2, why, ClockHull(Slopes())};
}

void ClockMap::Open(int64_t from_ns, ClockBreak why) {
  if (pieces_.size() >= kPiecesMax) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + kPiecesMax / 4);
  }
  const bool goes_on = why == ClockBreak::kNone && !pieces_.empty();
  pieces_.push_back(goes_on ? Continued(from_ns) : Blank(from_ns, why));
  if (why != ClockBreak::kNone) {
    blocks_.clear();
    block_ns_ = kFirstBlockNs;
    return;
  }
  const int64_t oldest_ns = from_ns - kSearchedPieces * options_.piece_ns;
  std::erase_if(blocks_, [&](const Block& block) { return block.to_ns < oldest_ns; });
}

void ClockMap::Cut(int64_t from_ns, int64_t to_ns) {
  from_ns = std::clamp(from_ns, -kClockMax, kClockMax);
  to_ns = std::clamp(to_ns, from_ns, kClockMax);
  if (!pieces_.empty()) {
    if (to_ns <= pieces_.back().from_ns) return;
    pieces_.back().to_ns = from_ns;
  }
  Open(to_ns, ClockBreak::kCut);
}

void ClockMap::Remember(const ClockStatement& statement, int64_t ahead) {
  const int64_t x = statement.local_ns;
  if (blocks_.empty() || x - blocks_.back().from_ns >= block_ns_) {
    if (blocks_.size() >= kBlocksMax) {
      for (size_t i = 0; i < kBlocksMax / 2; ++i) {
        Block pair = std::move(blocks_[2 * i]);
        pair.to_ns = std::max(pair.to_ns, blocks_[2 * i + 1].to_ns);
        pair.hull.AddAll(blocks_[2 * i + 1].hull);
        blocks_[i] = std::move(pair);
      }
      blocks_.erase(blocks_.begin() + kBlocksMax / 2, blocks_.end());
      block_ns_ *= 2;
    }
    blocks_.push_back({x, x, ClockHull(Slopes())});
  }
  Block& block = blocks_.back();
  block.from_ns = std::min(block.from_ns, x);
  block.to_ns = std::max(block.to_ns, x);
  block.hull.Add(statement.upper, x, ahead);
}

void ClockMap::Add(const ClockStatement& statement) {
  if (!Believable(statement)) return;
  const int64_t x = statement.local_ns;
  if (pieces_.empty()) Open(x, ClockBreak::kNone);
  const bool wanders = options_.wander_ppb_per_s != 0;
  if (wanders && x >= pieces_.back().from_ns + options_.piece_ns) Open(x, ClockBreak::kNone);
  Piece& piece = pieces_.back();
  if (x < piece.from_ns) {
    if (pieces_.size() > 1 || piece.before != ClockBreak::kNone) return;
    piece.from_ns = x;  // nothing is before it
  }
  ++statements_;
  const int64_t ahead = Ahead(statement);
  if (!AddTo(&piece, statement.upper, x, ahead)) {
    Break(statement, ahead);
    return;
  }
  piece.to_ns = std::max(piece.to_ns, x);
  Remember(statement, ahead);
}

// No line is left. What came last is true of now: it is held against ever older evidence until that
// leaves no line either. The step is between the start of what contradicts and now; what was said
// in between may be of either side and is given up.
void ClockMap::Break(const ClockStatement& statement, int64_t ahead) {
  const int64_t x = statement.local_ns;
  const int64_t now_ns = std::max(x, pieces_.back().to_ns);
  Piece later = Blank(pieces_.back().from_ns, ClockBreak::kConflict);
  AddTo(&later, statement.upper, x, ahead);
  size_t kept = blocks_.size();
  while (kept > 0 && AddBlock(&later, blocks_[kept - 1])) --kept;
  // None of the blocks, but what they began with: nothing since then is sure.
  int64_t since_ns = blocks_.empty() ? x : blocks_.front().from_ns;
  if (kept > 0) since_ns = blocks_[kept - 1].from_ns;
  since_ns = std::min(since_ns, x);
  Shorten(since_ns, kept > 0 ? kept - 1 : 0);
  ++conflict_count_;
  if (conflicts_.size() < kConflictsMax) {
    conflicts_.push_back({since_ns, now_ns, statement.source});
  }
  Open(now_ns, ClockBreak::kConflict);
  if (x < now_ns) return;
  AddTo(&pieces_.back(), statement.upper, x, ahead);
  Remember(statement, ahead);
}

// Makes the pieces anew from the first blocks only, up to a time.
void ClockMap::Shorten(int64_t to_ns, size_t blocks) {
  const auto continues = [](const Piece& piece) { return piece.before == ClockBreak::kNone; };
  while (pieces_.size() > 1 && continues(pieces_.back()) && pieces_.back().from_ns > to_ns) {
    pieces_.pop_back();
  }
  const Piece last = std::move(pieces_.back());
  pieces_.pop_back();
  const bool goes_on = continues(last) && !pieces_.empty();
  Piece piece = goes_on ? Continued(last.from_ns) : Blank(last.from_ns, last.before);
  for (size_t i = 0; i < blocks; ++i) {
    if (blocks_[i].to_ns >= piece.from_ns) AddBlock(&piece, blocks_[i]);
  }
  piece.to_ns = std::max(to_ns, piece.from_ns);
  pieces_.push_back(std::move(piece));
}

ClockRange ClockMap::At(int64_t local_ns) const {
  ClockRange ahead;
  const auto next = std::upper_bound(pieces_.begin(), pieces_.end(), local_ns,
                                     [](int64_t x, const Piece& p) { return x < p.from_ns; });
  if (next == pieces_.begin()) {
    if (pieces_.empty()) return ahead;
    ahead = AheadAt(pieces_.front(), local_ns);
  } else {
    const Piece& piece = *(next - 1);
    ahead = AheadAt(piece, local_ns);
    if (next != pieces_.end() && next->before != ClockBreak::kNone && local_ns > piece.to_ns) {
      const ClockRange other = AheadAt(*next, local_ns);
      ahead = {std::min(ahead.lo_ns, other.lo_ns), std::max(ahead.hi_ns, other.hi_ns)};
    } else if (next != pieces_.end() && local_ns > piece.to_ns) {
      // Between two pieces both hold; the next one may be much nearer.
      const ClockRange other = AheadAt(*next, local_ns);
      ahead = {std::max(ahead.lo_ns, other.lo_ns), std::min(ahead.hi_ns, other.hi_ns)};
    }
  }
  if (ahead.lo_ns != INT64_MIN) ahead.lo_ns = Clamp(static_cast<Wide>(ahead.lo_ns) + local_ns);
  if (ahead.hi_ns != INT64_MAX) ahead.hi_ns = Clamp(static_cast<Wide>(ahead.hi_ns) + local_ns);
  return ahead;
}

size_t ClockMap::points() const {
  size_t points = 0;
  for (const Piece& piece : pieces_) points += piece.hull.points();
  for (const Block& block : blocks_) points += block.hull.points();
  return points;
}

}  // namespace ringside
