// SPDX-License-Identifier: Apache-2.0
#include "correlate/claim_parameters.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>

#include "correlate/words.h"

namespace ringside {
namespace {

// What is lost at random varies by its standard deviation; three of them leave out one in 370.
constexpr double kDeviations = 3;

constexpr double kMostLost = 0.5;
// A share or an edge can be fitted to any two numbers that are wrong in the same direction: less is
// left to chance than where the method itself is the known mistake.
constexpr double kFittedChanceMax = 0.01;

struct Range {
  double lo = 0;
  double hi = 0;
};

// A claim of the group: what was measured, what is claimed, and the numbers that one value of the
// parameter would allow.
struct Member {
  double lo = 0;
  double hi = 0;
  double value = 0;
  double width = 0;
};

std::string Digits(double value, const char* format) {
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

const Interval* MeasuredOf(const MeasuredClaim& claim) {
  const auto& measured = claim.measured.by_time ? claim.measured.by_time : claim.measured.by_cut;
  return measured && measured->hi ? &*measured : nullptr;
}

// That all claims but the one that fixes the parameter are met by chance, if each were wrong by up
// to 30%.
double ChanceOf(std::vector<Member> members) {
  if (members.size() < 2) return 1;
  const auto fixing = std::min_element(
      members.begin(), members.end(),
      [](const Member& a, const Member& b) { return a.width / a.hi < b.width / b.hi; });
  members.erase(fixing);
  double chance = 1;
  for (const Member& member : members) {
    const double numbers = 2 * kRandomWrong * member.hi;
    chance *= std::min(1.0, (member.width + 1) / std::max(1.0, numbers));
  }
  return chance;
}

bool Meet(Range* common, const Range& other) {
  common->lo = std::max(common->lo, other.lo);
  common->hi = std::min(common->hi, other.hi);
  return common->lo <= common->hi;
}

bool Says(const Claim& claim, std::string_view word) {
  return claim.method.find(word) != std::string::npos || claim.name.find(word) != std::string::npos;
}

std::string Others(size_t members) {
  return std::to_string(members - 1) + (members == 2 ? " other number" : " other numbers");
}

// The same share of everything is missing: a map that is read and then cleared loses what comes
// between, a kprobe the hits that come while one is being served.
std::optional<ParameterTrial> LostShare(const MeasuredClaim& entry,
                                        const std::vector<const MeasuredClaim*>& group) {
  std::vector<Member> members;
  Range lost{0, 1};
  bool common = true;
  for (const MeasuredClaim* other : group) {
    const Interval* measured = MeasuredOf(*other);
    if (measured == nullptr) return std::nullopt;
    Member member{static_cast<double>(measured->lo), static_cast<double>(*measured->hi)};
    member.value = static_cast<double>(other->judged->claim.value);
    if (member.hi == 0 && member.value == 0) continue;
    if (member.value >= member.lo) common = false;
    const double share = std::clamp(1 - member.value / std::max(1.0, member.hi), 0.0, 1.0);
    const double noise = kDeviations * std::sqrt(member.hi * share * (1 - share)) + 1;
    common = common && Meet(&lost, {1 - (member.value + noise) / std::max(1.0, member.lo),
                                    1 - (member.value - noise) / std::max(1.0, member.hi)});
    member.width = 2 * noise + member.hi - member.lo;
    members.push_back(member);
  }
  if (members.size() < 2) return std::nullopt;
  ParameterTrial trial;
  // What loses more than half is another mistake.
  if (!common || lost.hi <= 0 || lost.lo > kMostLost) return trial;
  trial.chance = ChanceOf(members);
  if (trial.chance > kFittedChanceMax) return trial;
  const Claim& claim = entry.judged->claim;
  const bool cleared = Says(claim, "clear");
  const bool probe = Says(claim, "probe");
  const char* what = cleared ? "a map that is read and then cleared loses what comes between"
                     : probe ? "a kprobe misses what comes while a hit is being served"
                             : "read-and-clear, or a hook that misses hits";
  trial.explanation =
      Explanation{cleared ? "read-and-clear"
                  : probe ? "hook-misses"
                          : "share-lost",
                  Digits(std::max(0.0, lost.lo) * 100, "%.1f") + ".." +
                      Digits(lost.hi * 100, "%.1f%%") + " of what came is missing (" + what +
                      "); the same share gives its " + Others(members.size()),
                  {entry.judged->claim.value, entry.judged->claim.value}};
  return trial;
}

// The window was another one: it ended, or began, at another time.
class OtherEdge {
 public:
  OtherEdge(bool end, const MeasuredClaim& entry, const std::vector<const MeasuredClaim*>& group,
            ClaimMeasure* measure)
      : end_(end), entry_(entry), group_(group), measure_(*measure) {}

  std::optional<ParameterTrial> Try() {
    if (group_.size() < 2 || entry_.judged->claim.window.length_ns) return std::nullopt;
    TimeSpan common{INT64_MIN, INT64_MAX};
    for (const MeasuredClaim* other : group_) {
      const auto edges = EdgesOf(*other);
      if (!edges) return ParameterTrial{};
      common.lo_ns = std::max(common.lo_ns, edges->lo_ns);
      common.hi_ns = std::min(common.hi_ns, edges->hi_ns);
    }
    ParameterTrial trial;
    if (common.lo_ns > common.hi_ns) return trial;
    std::vector<Member> members;
    for (const MeasuredClaim* other : group_) {
      const auto member = MemberAt(*other, common);
      if (!member) continue;
      if (other->judged->verdict == ClaimVerdict::kRefuted) {
        members.push_back(*member);
      } else if (member->width > 0) {
        return trial;  // right where the window was said to be, and changing: it was there
      }
    }
    trial.chance = ChanceOf(members);
    if (members.size() < 2) trial.chance = 0;
    if (members.size() < 2 || trial.chance > kFittedChanceMax) return trial;
    const Window& incident = measure_.incident();
    trial.explanation =
        Explanation{"window-parameter",
                    std::string("the window ") + (end_ ? "ended " : "began ") +
                        Seconds(common.lo_ns - incident.from_ns) + " to " +
                        Seconds(common.hi_ns - incident.from_ns) +
                        " after the incident began; this also gives its " + Others(members.size()),
                    {entry_.judged->claim.value, entry_.judged->claim.value}};
    return trial;
  }

 private:
  std::optional<TimeSpan> EdgesOf(const MeasuredClaim& claim) const {
    const Claim& said = claim.judged->claim;
    if (claim.queues.pairs.size() != 1 || said.subject.counts.size() != 1) return std::nullopt;
    const size_t pair = claim.queues.pairs.front();
    const Count count = said.subject.counts.front();
    return end_ ? measure_.EndsGiving(pair, count, said.window, said.value)
                : measure_.StartsGiving(pair, count, said.window, said.value);
  }

  // What the claim would be with the edge anywhere in `edges`; nothing if that is no number to go
  // by.
  std::optional<Member> MemberAt(const MeasuredClaim& claim, const TimeSpan& edges) {
    const Claim& said = claim.judged->claim;
    ClaimWindow shorter = said.window, longer = said.window;
    (end_ ? shorter.to_ns : shorter.from_ns) = end_ ? edges.lo_ns : edges.hi_ns;
    (end_ ? longer.to_ns : longer.from_ns) = end_ ? edges.hi_ns : edges.lo_ns;
    const Measured least = measure_.Of(claim.queues, said.subject.counts, shorter);
    const Measured most = measure_.Of(claim.queues, said.subject.counts, longer);
    if (!least.by_time || !most.by_time || !most.by_time->hi || *most.by_time->hi == 0) {
      return std::nullopt;
    }
    Member member{static_cast<double>(least.by_time->lo), static_cast<double>(*most.by_time->hi)};
    member.value = static_cast<double>(said.value);
    member.width = member.hi - member.lo;
    return member;
  }

  bool end_;
  const MeasuredClaim& entry_;
  const std::vector<const MeasuredClaim*>& group_;
  ClaimMeasure& measure_;
};

// vgic_v3_populate_lr runs again at every entry into the guest while the interrupt is not taken.
std::optional<ParameterTrial> RepeatedEntries(const MeasuredClaim& entry,
                                              const std::vector<const MeasuredClaim*>& group,
                                              ClaimMeasure* measure) {
  if (!Says(entry.judged->claim, "populate_lr")) return std::nullopt;
  std::vector<Member> members;
  Range repeats{1, 1e9};
  bool common = true;
  for (const MeasuredClaim* other : group) {
    const Claim& claim = other->judged->claim;
    if (!Says(claim, "populate_lr")) {
      common = common && other->measured.Contains(claim.value);
      continue;
    }
    const Measured delivered =
        Sum(other->measured, measure->Of(other->queues, {Count::kKvmMerged}, claim.window), -1);
    const auto& range = delivered.by_time ? delivered.by_time : other->measured.by_time;
    if (!range || !range->hi) return std::nullopt;
    Member member{static_cast<double>(range->lo), static_cast<double>(*range->hi)};
    member.value = static_cast<double>(claim.value);
    if (member.hi == 0 && member.value == 0) continue;
    const double noise = kDeviations * std::sqrt(member.value) + 1;
    common = common && Meet(&repeats, {(member.value - noise) / std::max(1.0, member.hi),
                                       (member.value + noise) / std::max(1.0, member.lo)});
    member.width = 2 * noise + member.hi - member.lo;
    members.push_back(member);
  }
  if (members.size() < 2) return std::nullopt;
  ParameterTrial trial;
  if (!common || repeats.hi <= 1) return trial;
  trial.chance = ChanceOf(members);
  if (trial.chance > kChanceMax) return trial;
  trial.explanation = Explanation{
      "populate-lr",
      "populate_lr is no injection: it runs again at every entry into the guest, here " +
          Digits(repeats.lo, "%.2f") + ".." + Digits(repeats.hi, "%.2f") +
          " times per interrupt; the same gives its " + Others(members.size()),
      {entry.judged->claim.value, entry.judged->claim.value}};
  return trial;
}

}  // namespace

std::vector<ParameterTrial> TryParameters(const MeasuredClaim& entry,
                                          const std::vector<const MeasuredClaim*>& group,
                                          ClaimMeasure* measure) {
  std::vector<ParameterTrial> trials;
  if (auto trial = LostShare(entry, group)) trials.push_back(*std::move(trial));
  for (const bool end : {true, false}) {
    if (auto trial = OtherEdge(end, entry, group, measure).Try()) {
      trials.push_back(*std::move(trial));
    }
  }
  if (auto trial = RepeatedEntries(entry, group, measure)) trials.push_back(*std::move(trial));
  return trials;
}

}  // namespace ringside
