// SPDX-License-Identifier: Apache-2.0
#include "correlate/claims.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "correlate/claim_explain.h"
#include "correlate/claim_measure.h"

namespace ringside {
namespace {

// An interval that is wider than this share of its value confirms nothing: too many other numbers
// would be confirmed as well. (Small counts: this many units.)
constexpr int64_t kWidestPercent = 5;
constexpr int64_t kWidestUnits = 4;

bool TooWide(const Interval& interval) {
  if (!interval.hi) return true;
  const int64_t width = *interval.hi - interval.lo;
  return width > std::max(kWidestUnits, *interval.hi / 100 * kWidestPercent);
}

// Percent by which `value` is off the nearest end. Against zero there is no percentage.
double OffPercent(double value, const Interval& measured) {
  const double lo = static_cast<double>(measured.lo);
  const double end = value < lo || !measured.hi ? lo : static_cast<double>(*measured.hi);
  return end == 0 ? 0 : (value - end) / end * 100;
}

// The way of taking the ends that the claim's number fits; else by time, as the claim was.
const Interval& Fitting(const Measured& measured, int64_t value) {
  if (measured.by_cut && measured.by_cut->Contains(value)) return *measured.by_cut;
  return measured.by_time ? *measured.by_time : *measured.by_cut;
}

void JudgeValue(const Measured& measured, const std::string& window_trouble, JudgedClaim* judged) {
  const int64_t value = judged->claim.value;
  const Interval& interval = Fitting(measured, value);
  judged->measured = interval;
  judged->hook = measured.hook;
  if (!measured.Contains(value)) {
    // Below what was certainly counted it is wrong whatever the window's other part held.
    judged->verdict = ClaimVerdict::kRefuted;
    judged->off_percent = OffPercent(static_cast<double>(value), interval);
    judged->why = window_trouble;
    return;
  }
  if (!window_trouble.empty()) {
    judged->why = window_trouble;
  } else if (!interval.hi) {
    judged->why = "no upper end was measured";
  } else if (TooWide(interval)) {
    judged->why = "the interval measured is too wide to confirm a number";
  } else {
    judged->verdict = ClaimVerdict::kConfirmed;
  }
}

// A share, in thousandths of a percent. The number was rounded to its digits.
void JudgeShare(const Measured& part, const Measured& whole, const std::string& window_trouble,
                JudgedClaim* judged) {
  const auto& a = part.by_time ? part.by_time : part.by_cut;
  const auto& b = whole.by_time ? whole.by_time : whole.by_cut;
  if (!a || !b || !a->hi || !b->hi || b->lo == 0) {
    judged->why = "the share was not measured with both ends";
    return;
  }
  const double lo = 100e3 * static_cast<double>(a->lo) / static_cast<double>(*b->hi);
  const double hi = 100e3 * static_cast<double>(*a->hi) / static_cast<double>(b->lo);
  judged->measured = Interval{std::llround(std::floor(lo)), std::llround(std::ceil(hi))};
  judged->hook = part.hook;
  const double half = 500 / std::pow(10, judged->claim.digits) + 1;
  const double share = *judged->claim.percent * 1000;
  if (share + half < lo || share - half > hi) {
    judged->verdict = ClaimVerdict::kRefuted;
    judged->off_percent = OffPercent(share, *judged->measured);
  } else if (!window_trouble.empty()) {
    judged->why = window_trouble;
  } else if (hi - lo > 2 * half + 1000) {
    judged->why = "the interval measured is too wide to confirm a share";
  } else {
    judged->verdict = ClaimVerdict::kConfirmed;
  }
}

std::string NotMeasured(const Claim& claim) {
  return SubjectName(claim.subject) + " was not observed on this queue";
}

// Judges all but the explanations; false if nothing was measured for it.
bool Judge(ClaimMeasure* measure, MeasuredClaim* entry) {
  JudgedClaim& judged = *entry->judged;
  const Claim& claim = judged.claim;
  if (!claim.subject.known()) {
    judged.why = "'" + claim.name + "' is no count that ringside knows";
    return false;
  }
  entry->queues = measure->FindQueues(claim);
  if (entry->queues.pairs.empty()) {
    judged.why = entry->queues.why;
    return false;
  }
  judged.queue =
      entry->queues.pairs.size() == 1 ? measure->NameOf(entry->queues.pairs.front()) : claim.queue;
  if (claim.subject.gauge) {
    judged.why = "a state at a moment, not a count over a window";
    return false;
  }
  if (!claim.part.empty()) {
    judged.why = "parts of a count are checked against each other only";
    return false;
  }
  const std::string trouble = measure->WindowTrouble(claim.window);
  entry->measured = measure->Of(entry->queues, claim.subject.counts, claim.window);
  if (!entry->measured.known()) {
    judged.why = trouble.empty() ? NotMeasured(claim) : trouble;
    return false;
  }
  if (claim.percent) {
    const Measured whole = measure->Of(entry->queues, claim.of.counts, claim.window);
    JudgeShare(entry->measured, whole, trouble, &judged);
    return false;
  }
  JudgeValue(entry->measured, trouble, &judged);
  return true;
}

// One name per claim, the same for claims about one queue by whichever of its names.
std::vector<std::string> QueuesOf(const ClaimMeasure& measure, const std::vector<Claim>& claims) {
  std::vector<std::string> queues;
  queues.reserve(claims.size());
  for (const Claim& claim : claims) {
    const QueueSet set = measure.FindQueues(claim);
    const std::string said =
        claim.node.empty() || claim.queue.empty() ? claim.queue : claim.node + "/" + claim.queue;
    const bool one = set.pairs.size() == 1 && !set.open;
    queues.push_back(one ? measure.NameOf(set.pairs.front()) : said);
  }
  return queues;
}

}  // namespace

ClaimReport JudgeClaims(const Recording& recording, std::vector<Claim> claims) {
  ClaimReport report;
  const Joined joined(recording);
  ClaimMeasure measure(joined);
  report.contradictions = FindContradictions(claims, QueuesOf(measure, claims));
  report.claims.reserve(claims.size());
  std::vector<MeasuredClaim> measured;
  for (Claim& claim : claims) {
    report.claims.push_back({.claim = std::move(claim)});
    MeasuredClaim entry{.judged = &report.claims.back()};
    if (Judge(&measure, &entry)) measured.push_back(std::move(entry));
  }
  ExplainRefuted(measured, &measure);
  return report;
}

}  // namespace ringside
