// SPDX-License-Identifier: Apache-2.0
#include "correlate/queue_ledger.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>

#include "correlate/cuts.h"
#include "correlate/identities.h"
#include "correlate/quiet_cuts.h"
#include "correlate/window.h"

namespace ringside {
namespace {

constexpr int64_t kCountsMany = int64_t{1} << 40;  // of which no end is known

bool IsGuestCount(Count count) {
  return count >= Count::kGuestIrq && count <= Count::kGuestWindows;
}

// Further on by position and yet less counted: the two are of different lives of the queue.
bool Behind(const CommonCut& cut, const CommonCut& last) {
  return std::any_of(last.counts.begin(), last.counts.end(), [&](const auto& counted) {
    const auto now = cut.counts.find(counted.first);
    return now != cut.counts.end() && now->second < counted.second;
  });
}

class Maker {
 public:
  Maker(const QueuePair& pair, int64_t from_ns, int64_t to_ns);
  QueueLedger Make();

 private:
  // Cuts between which the interrupt's message stayed the same: counts of two messages are not
  // compared (signals sent while it was masked went elsewhere).
  struct Piece {
    const CommonCut* first = nullptr;
    const CommonCut* last = nullptr;
  };
  const LocalQueue* Side(Count count) const {
    return IsGuestCount(count) ? pair_.guest : pair_.host;
  }
  const std::optional<SnapshotRange>& Range(Count count) const {
    return IsGuestCount(count) ? guest_ : host_;
  }
  const std::optional<ChosenHook>& Hook(Count count) const {
    return hooks_[static_cast<size_t>(count)];
  }
  std::optional<Interval> ByTime(Count count) const;
  std::optional<Interval> ByPosition(Count count) const;
  std::optional<int64_t> ValueAt(const CommonCut& cut, Count count) const;
  void SplitPieces();
  void FindMergeDoubt();
  void FindUnseen();
  int64_t MergeDoubt(int64_t seen) const { return std::min(seen, merge_doubt_); }
  std::string WhyNotByPosition() const;
  void DescribeCut();
  void AddCell(Count count, Interval interval, bool at_position);
  void FillCounts();
  void BoundWokenByNeighbour();
  void CompareMarks();
  IdentityContext Context() const;

  const QueuePair& pair_;
  std::optional<SnapshotRange> host_;
  std::optional<SnapshotRange> guest_;
  std::array<std::optional<ChosenHook>, kCounts> hooks_;
  std::vector<CommonCut> cuts_;
  std::vector<Piece> pieces_;
  int64_t irq_allowance_ = 0;
  int64_t merged_unseen_ = 0;
  int64_t merge_doubt_ = std::numeric_limits<int64_t>::max();
  QueueLedger ledger_;
};

Maker::Maker(const QueuePair& pair, int64_t from_ns, int64_t to_ns) : pair_(pair) {
  if (pair.host != nullptr) {
    host_ = RangeOf(*pair.host->node, from_ns, to_ns);
    ledger_.host_queue = pair.host->Name();
  }
  if (pair.guest != nullptr) {
    guest_ = RangeOf(*pair.guest->node, from_ns, to_ns);
    ledger_.queue = pair.guest->Name();
    ledger_.irq_name = pair.guest->info.irq_name;
  }
  ledger_.binding = pair.binding;
  for (int i = 0; i < kCounts; ++i) {
    const Count count = static_cast<Count>(i);
    if (Side(count) != nullptr && Range(count)) {
      hooks_[i] = ChooseHook(*Side(count), count, *Range(count));
    }
  }
  if (host_ && guest_) cuts_ = FindCuts(pair, from_ns, to_ns);
  // No positions on the host's side: moments at which both sides were quiet, in their place.
  if (host_ && guest_ && pair.host->info.ring_size == 0) {
    cuts_ = FindQuietMoments(*pair.host, *pair.guest, from_ns, to_ns);
  }
  SplitPieces();
  FindMergeDoubt();
  FindUnseen();
}

std::optional<Interval> Maker::ByTime(Count count) const {
  if (!Hook(count)) return std::nullopt;
  return GrowthByTime(*Side(count), count, Hook(count)->id, *Range(count));
}

// Growth over all pieces; nothing if some edge does not have the count.
std::optional<Interval> Maker::ByPosition(Count count) const {
  if (pieces_.empty() || !Hook(count)) return std::nullopt;
  int64_t growth = 0;
  for (const Piece& piece : pieces_) {
    if (count == Count::kVhostUsed) {
      growth += static_cast<int64_t>(piece.last->pos - piece.first->pos);
      continue;
    }
    const auto first = ValueAt(*piece.first, count);
    const auto last = ValueAt(*piece.last, count);
    if (!first || !last) return std::nullopt;
    growth += *last - *first;
  }
  Interval interval{growth, std::nullopt};
  // Nothing was missed while the queue was not there; but see that its hook was, right before.
  const StreamSeries& series = Side(count)->node->series;
  const auto from = series.FirstSnapshotOf(Side(count)->info.id, count, Hook(count)->id);
  SnapshotRange own = *Range(count);
  if (from && *from > own.first) own.first = std::min(*from - 1, own.last);
  const auto misses = MissesIn(*Side(count)->node, Hook(count)->id, own);
  if (misses) interval.hi = growth + static_cast<int64_t>(*misses);
  return interval;
}

std::optional<int64_t> Maker::ValueAt(const CommonCut& cut, Count count) const {
  if (!Hook(count)) return std::nullopt;
  const auto value = cut.counts.find({count, Hook(count)->id});
  if (value == cut.counts.end()) return std::nullopt;
  return static_cast<int64_t>(value->second);
}

void Maker::SplitPieces() {
  for (const CommonCut& cut : cuts_) {
    if (!pieces_.empty() && Behind(cut, *pieces_.back().last)) continue;
    if (pieces_.empty() || pieces_.back().last->epoch != cut.epoch) pieces_.push_back({&cut, &cut});
    pieces_.back().last = &cut;
  }
  std::erase_if(pieces_, [](const Piece& piece) { return piece.first == piece.last; });
}

// How many of the merges seen may not have been: the pending bit seen set was delivered before it
// was set again. KVM's own count of interrupts taken bounds it: injected - merged = taken, give or
// take one pending at each edge. Without that second count, all of them; so, too, where it shows
// that injections were lost. The kworker of the slow path injects beside the waker: both may find
// nothing pending, and one of the two merges unseen.
void Maker::FindMergeDoubt() {
  const auto injected = ByTime(Count::kKvmInjected);
  const auto taken = ByTime(Count::kKvmTaken);
  const auto merged = ByTime(Count::kKvmMerged);
  const auto doubt = ByTime(Count::kKvmMergeDoubt);
  const auto slow = ByTime(Count::kKvmSlowpath);
  // All of them doubtful: the CPU itself delivers, and KVM takes none (APICv, AVIC).
  if (merged && doubt && doubt->lo > 0 && doubt->lo >= merged->lo) {
    if (slow) merged_unseen_ = slow->hi.value_or(kCountsMany);
    return;
  }
  if (!injected || !taken || !merged || !taken->hi || !merged->hi) return;
  const int64_t merged_for_sure = injected->lo - *taken->hi - 1;
  if (merged_for_sure <= *merged->hi) {
    merge_doubt_ = std::max<int64_t>(0, *merged->hi - std::max<int64_t>(0, merged_for_sure));
  }
  // Followed injection by injection, it is known better; but the word that an interrupt was taken
  // may come after the next injection has looked. Each such needs a race of its own: two are
  // allowed for, within what the sums above leave possible.
  constexpr int64_t kLateTakes = 2;
  if (doubt && doubt->hi && taken->lo > 0) {
    merge_doubt_ = std::min(merge_doubt_, *doubt->hi + kLateTakes);
  }
  if (!slow || !injected->hi) return;
  merged_unseen_ = std::clamp<int64_t>(*injected->hi - taken->lo + 1 - merged->lo, 0,
                                       slow->hi.value_or(kCountsMany));
}

// /proc/interrupts is counted by the flow handler, whatever becomes of tracing programs: growth
// that the hook did not see was lost to it, or (one at an edge) is between the two counts: allowed
// for either way, and said if it cannot be the latter.
void Maker::FindUnseen() {
  const auto irq = ByTime(Count::kGuestIrq);
  const auto proc = ByTime(Count::kGuestProcIrq);
  if (!irq || !irq->hi || !proc || !proc->exact()) return;
  irq_allowance_ = std::max<int64_t>(0, proc->lo - *irq->hi);
  if (irq_allowance_ > 1) ledger_.unseen = static_cast<uint64_t>(irq_allowance_);
}

std::string Maker::WhyNotByPosition() const {
  if (pair_.host == nullptr || pair_.guest == nullptr) return "only one side is known";
  if (pair_.host->info.ring_size == 0 || pair_.guest->info.packed) {
    return "the ring has no positions";
  }
  if (pair_.turn.contradiction) return "the two sides' positions contradict each other";
  if (!pair_.turn.turn) return "the turn of the 16-bit index is not known";
  return "fewer than two common positions";
}

void Maker::DescribeCut() {
  Cut& cut = ledger_.cut;
  const auto slow = ByTime(Count::kKvmSlowpath);
  cut.in_flight = InFlight(slow && slow->hi.value_or(1) > 0);
  if (pieces_.empty() || pair_.host->info.ring_size == 0) cut.why_not = WhyNotByPosition();
  if (pieces_.empty()) return;
  cut.epochs = static_cast<uint32_t>(pieces_.size());
  if (pair_.host->info.ring_size == 0) {
    cut.by_quiet = true;
    cut.from_ns = pieces_.front().first->time_ns;
    cut.to_ns = pieces_.back().last->time_ns;
    return;
  }
  cut.by_position = true;
  cut.from_pos = pieces_.front().first->pos;
  cut.to_pos = pieces_.back().last->pos;
  cut.from_quiet = true;
  for (const Piece& piece : pieces_) {
    cut.pieces.push_back({piece.first->pos, piece.last->pos});
    cut.from_quiet = cut.from_quiet && piece.first->settled;
    if (!piece.first->mark && !piece.first->settled) ++cut.pending_first;
    if (!piece.last->mark && !piece.last->settled) ++cut.pending_last;
  }
}

void Maker::AddCell(Count count, Interval interval, bool at_position) {
  const bool by_irq_hook =
      count == Count::kGuestIrq || count == Count::kGuestHandled || count == Count::kGuestNone;
  if (by_irq_hook && irq_allowance_ > 0 && interval.hi) {
    *interval.hi += irq_allowance_;
    // The kernel's own count is a lower end, too, but only for the same edges.
    const auto proc = ByTime(Count::kGuestProcIrq);
    if (count == Count::kGuestIrq && !at_position)
      interval.lo = std::max(interval.lo, proc->lo - 1);
  }
  if (by_irq_hook && at_position) {
    interval.lo -= ledger_.cut.pending_first;
    if (interval.hi) *interval.hi += ledger_.cut.pending_last;
  }
  if (count == Count::kKvmMerged) {
    interval.lo -= MergeDoubt(interval.lo);
    if (interval.hi) *interval.hi += merged_unseen_;
    // Where the pending bit could not be read, any injection may have merged.
    const auto blind = ByTime(Count::kKvmBlind);
    if (blind && !blind->hi) interval.hi = std::nullopt;
    if (blind && interval.hi) *interval.hi += *blind->hi;
  }
  CountCell cell{.count = count, .lo = static_cast<uint64_t>(std::max<int64_t>(0, interval.lo))};
  if (interval.hi) cell.hi = static_cast<uint64_t>(*interval.hi);
  cell.hook = Hook(count)->info == nullptr ? "" : RungName(Hook(count)->info->rung);
  cell.at_position = at_position;
  ledger_.counts.push_back(std::move(cell));
}

void Maker::FillCounts() {
  for (int i = 0; i < kCounts; ++i) {
    const Count count = static_cast<Count>(i);
    if (const auto growth = ByPosition(count)) {
      AddCell(count, *growth, true);
    } else if (const auto by_time = ByTime(count)) {
      AddCell(count, *by_time, false);
    }
  }
  BoundWokenByNeighbour();
}

// A kprobe's losses cannot be seen; but every wake-up ends in the injection hooks, whose losses
// can: they bound it from above.
void Maker::BoundWokenByNeighbour() {
  const auto woken = std::find_if(
      ledger_.counts.begin(), ledger_.counts.end(),
      [](const CountCell& cell) { return cell.count == Count::kIrqfdWoken && !cell.hi; });
  const CountCell* injected = ledger_.Find(Count::kKvmInjected);
  const CountCell* rejected = ledger_.Find(Count::kKvmRejected);
  const CountCell* slow = ledger_.Find(Count::kKvmSlowpath);
  if (woken == ledger_.counts.end() || injected == nullptr || rejected == nullptr) return;
  if (!injected->hi || !rejected->hi || (slow != nullptr && slow->hi.value_or(1) != 0)) return;
  woken->hi = std::max(woken->lo, *injected->hi + *rejected->hi);
}

// delivered - irq at every common mark, relative to the first cut of its piece. With doubt about
// merges the difference is an interval; it agrees if that meets [-F, F].
void Maker::CompareMarks() {
  Cut& cut = ledger_.cut;
  const CommonCut* base = nullptr;
  for (const CommonCut& at : cuts_) {
    const auto injected = ValueAt(at, Count::kKvmInjected);
    const auto irq = ValueAt(at, Count::kGuestIrq);
    if (!injected || !irq) continue;
    if (base == nullptr || base->epoch != at.epoch) base = &at;
    if (!at.mark) continue;
    const int64_t merged =
        ValueAt(at, Count::kKvmMerged).value_or(0) - ValueAt(*base, Count::kKvmMerged).value_or(0);
    const int64_t sent = *injected - *ValueAt(*base, Count::kKvmInjected);
    const int64_t difference = sent - merged - (*irq - *ValueAt(*base, Count::kGuestIrq));
    const int64_t allowed = cut.in_flight;
    if (difference <= allowed && difference + MergeDoubt(merged) >= -allowed) {
      ++cut.marks_agreeing;
    } else if (!cut.disagree_since_ns) {
      cut.disagree_since_ns = at.time_ns;
    }
    if (cut.common_marks == 0) cut.difference_min = cut.difference_max = difference;
    cut.difference_min = std::min(cut.difference_min, difference);
    cut.difference_max = std::max(cut.difference_max, difference);
    ++cut.common_marks;
  }
}

IdentityContext Maker::Context() const {
  IdentityContext context;
  if (pair_.host == nullptr) return context;
  context.ring_size = pair_.host->info.ring_size;
  for (const Fact& fact : pair_.host->node->stream->facts) {
    if (fact.name != "cpus") continue;
    std::from_chars(fact.value.data(), fact.value.data() + fact.value.size(), context.host_cpus);
  }
  if (host_) context.untaken = [this] { return MeasureUntaken(*pair_.host, *host_); };
  return context;
}

QueueLedger Maker::Make() {
  DescribeCut();
  FillCounts();
  if (ledger_.cut.common()) CompareMarks();
  JudgeIdentities(Context(), &ledger_);
  return std::move(ledger_);
}

}  // namespace

QueueLedger MakeQueueLedger(const QueuePair& pair, int64_t from_ns, int64_t to_ns) {
  return Maker(pair, from_ns, to_ns).Make();
}

}  // namespace ringside
