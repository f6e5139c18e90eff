// SPDX-License-Identifier: Apache-2.0
#include "correlate/claim_explain.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "correlate/claim_hypotheses.h"
#include "correlate/claim_parameters.h"

namespace ringside {
namespace {

using Span = std::pair<int64_t, int64_t>;  // both ends included

void AddSpan(const std::optional<Interval>& interval, std::vector<Span>* spans) {
  if (interval && interval->hi) spans->push_back({interval->lo, *interval->hi});
}

// How many whole numbers of `range` lie in `spans` and in none of `without`: those in either, less
// those in the latter.
int64_t Covered(const Span& range, std::vector<Span> spans, const std::vector<Span>& without) {
  const auto total = [&range](std::vector<Span> all) {
    std::sort(all.begin(), all.end());
    int64_t covered = 0;
    int64_t next = range.first;
    for (const auto& [lo, hi] : all) {
      const int64_t from = std::max(lo, next);
      const int64_t to = std::min(hi, range.second);
      if (from > to) continue;
      covered += to - from + 1;
      next = to + 1;
    }
    return covered;
  };
  spans.insert(spans.end(), without.begin(), without.end());
  return total(std::move(spans)) - total(without);
}

// Takes the hypotheses in their order for as long as a random wrong number, as far off as this one
// or up to 30%, would fit one of them in at most one of twenty cases.
class Trial {
 public:
  explicit Trial(const MeasuredClaim& entry) : judged_(*entry.judged) {
    AddSpan(entry.measured.by_time, &truth_);
    AddSpan(entry.measured.by_cut, &truth_);
    const Interval& measured = *judged_.measured;
    const int64_t hi = measured.hi.value_or(measured.lo);
    const double off = std::max(kRandomWrong, std::abs(judged_.off_percent) / 100);
    range_.first = std::max<int64_t>(0, measured.lo - Share(measured.lo, off));
    range_.second = hi + Share(hi, off);
    numbers_ = range_.second - range_.first + 1 - Covered(range_, truth_, {});
  }

  void Try(const Hypothesis& hypothesis) {
    std::vector<Span> spans = taken_;
    AddSpan(hypothesis.value.by_time, &spans);
    AddSpan(hypothesis.value.by_cut, &spans);
    const double chance = static_cast<double>(Covered(range_, spans, truth_)) /
                          static_cast<double>(std::max<int64_t>(1, numbers_));
    if (chance > kChanceMax) {
      ++judged_.undecided;
      return;
    }
    taken_ = std::move(spans);
    judged_.chance = chance;
    ++judged_.tried;
    if (hypothesis.value.Contains(judged_.claim.value)) {
      const auto& way = hypothesis.value.by_time;
      const bool by_time = way && way->Contains(judged_.claim.value);
      judged_.explanations.push_back(
          {hypothesis.id, hypothesis.text, by_time ? *way : *hypothesis.value.by_cut});
    }
  }

 private:
  static int64_t Share(int64_t of, double share) {
    return static_cast<int64_t>(std::min(static_cast<double>(of) * share, 1e18));
  }

  JudgedClaim& judged_;
  std::vector<Span> truth_;
  std::vector<Span> taken_;
  Span range_;
  int64_t numbers_ = 0;
};

// The claims of the same source and window, the refuted one included.
std::vector<const MeasuredClaim*> GroupOf(const MeasuredClaim& entry,
                                          const std::vector<MeasuredClaim>& claims) {
  std::vector<const MeasuredClaim*> group;
  for (const MeasuredClaim& other : claims) {
    const Claim& claim = other.judged->claim;
    if (claim.source != entry.judged->claim.source) continue;
    if (claim.window != entry.judged->claim.window) continue;
    group.push_back(&other);
  }
  return group;
}

}  // namespace

void ExplainRefuted(const std::vector<MeasuredClaim>& claims, ClaimMeasure* measure) {
  for (const MeasuredClaim& entry : claims) {
    JudgedClaim& judged = *entry.judged;
    if (judged.verdict != ClaimVerdict::kRefuted) continue;
    Trial trial(entry);
    for (const Hypothesis& hypothesis : KnownMistakes(entry, claims, measure)) {
      trial.Try(hypothesis);
    }
    for (ParameterTrial& tried : TryParameters(entry, GroupOf(entry, claims), measure)) {
      ++judged.tried;
      judged.chance = std::min(1.0, judged.chance + tried.chance);
      if (tried.explanation) judged.explanations.push_back(*std::move(tried.explanation));
    }
  }
}

}  // namespace ringside
