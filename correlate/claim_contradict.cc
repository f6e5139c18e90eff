// SPDX-License-Identifier: Apache-2.0
// What claims say against each other and against the kernel's own rules, whatever was measured.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <tuple>

#include "correlate/claim_rules.h"
#include "correlate/claims.h"
#include "correlate/words.h"

namespace ringside {
namespace {

using enum Count;

// Claims that are compared with each other one by one; a source that reports every second has
// thousands.
constexpr size_t kComparedMax = 64;
constexpr size_t kFoundMax = 500;
// Two counts of a thousand are equal by chance in fewer than one of a hundred cases: their
// difference varies by 45.
constexpr int64_t kNoChance = 1000;
// A handler, a signal and what is pending may be under way when two counts are read.
constexpr int64_t kUnderWay = 5;
// kernel/irq/spurious.c: counted up to 100,000, of which more than 99,900 must be unhandled.
constexpr int64_t kSpuriousWindow = 100'000;
constexpr int64_t kSpuriousLimit = 99'900;

// Downstream there cannot be more than upstream sent.
constexpr std::pair<Count, Count> kSent[] = {{kIrqfdWoken, kVhostSignalled},
                                             {kKvmInjected, kIrqfdWoken},
                                             {kGuestIrq, kKvmInjected},
                                             {kGuestProcIrq, kKvmInjected}};

std::string InText(const ClaimWindow& window) {
  const auto length = LengthOf(window);
  return length ? " in " + Seconds(*length) : "";
}

std::string Written(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

class Finder {
 public:
  Finder(const std::vector<Claim>& claims, const std::vector<std::string>& queues)
      : claims_(claims), queues_(queues) {}

  std::vector<Contradiction> Find() {
    for (size_t i = 0; i < claims_.size(); ++i) {
      const Claim& claim = claims_[i];
      if (!claim.subject.known()) continue;
      by_scope_[{claim.source, queues_[i], claim.window}].push_back(i);
      by_subject_[{queues_[i], claim.subject, claim.part}].push_back(i);
      by_queue_[queues_[i]].push_back(i);
    }
    for (const auto& [key, group] : by_subject_) CompareValues(Some(group));
    for (const auto& [scope, group] : by_scope_) {
      CheckSums(group);
      CheckParts(group);
      CheckShares(group);
      CheckInjections(Some(group));
    }
    for (const auto& [queue, group] : by_queue_) {
      CheckSent(Some(group));
      CheckSpuriousRule(Some(group));
    }
    return std::move(found_);
  }

 private:
  using Group = std::vector<size_t>;
  using Said =
      std::pair<std::string,
                std::vector<std::tuple<std::string, std::string, std::string, int64_t, double>>>;

  static Group Some(const Group& group) {
    return {group.begin(), group.begin() + static_cast<long>(std::min(group.size(), kComparedMax))};
  }

  void Found(const char* id, std::string text, Group claims) {
    // The same numbers of the same sources, said under another name or of another window, are no
    // news.
    Said said{id, {}};
    for (const size_t at : claims) {
      const Claim& claim = claims_[at];
      said.second.push_back(
          {claim.source, queues_[at], claim.part, claim.value, claim.percent.value_or(0)});
    }
    if (found_.size() >= kFoundMax || !said_.insert(std::move(said)).second) return;
    found_.push_back({id, std::move(text), std::move(claims)});
  }

  std::string On(size_t at) const { return queues_[at].empty() ? "" : " on " + queues_[at]; }
  std::string What(size_t at) const {
    const Claim& claim = claims_[at];
    return claim.source + ": " + claim.name + (claim.part.empty() ? "" : " [" + claim.part + "]");
  }
  bool IsNumber(size_t at) const { return !claims_[at].percent; }

  // The same count of the same queue, said more than once.
  void CompareValues(const Group& group) {
    for (size_t a = 0; a < group.size(); ++a) {
      for (size_t b = a + 1; b < group.size(); ++b) {
        if (IsNumber(group[a]) && IsNumber(group[b])) Compare(group[a], group[b], group.size());
      }
    }
  }

  void Compare(size_t a, size_t b, size_t said) {
    const Claim& first = claims_[a];
    const Claim& second = claims_[b];
    // Of nobody knows which queues; or counted at two places that need not agree.
    if (queues_[a].empty()) return;
    if (first.source == second.source && first.name != second.name) return;
    const std::string values = Number(first.value) + InText(first.window) + " and " +
                               Number(second.value) + InText(second.window);
    const bool same_source = first.source == second.source;
    const std::string who = same_source ? What(a) + On(a)
                                        : first.source + " and " + second.source + ": " +
                                              SubjectName(first.subject) + On(a);
    if (first.window == second.window) {
      if (first.value == second.value) return;
      Found(same_source ? "two-values" : "sources-disagree",
            who + " is both " + values + " over one window", {a, b});
      return;
    }
    const auto length = LengthOf(first.window);
    const auto other = LengthOf(second.window);
    // A source that reports over and over may well see the same number twice.
    constexpr size_t kSaidOften = 4;
    if (same_source && first.value == second.value && first.value >= kNoChance &&
        said <= kSaidOften) {
      Found("same-number",
            who + " is " + Number(first.value) + " for two windows" + InText(first.window) +
                (length == other ? "" : " and" + InText(second.window)) +
                ": one of them is not where it was counted",
            {a, b});
      return;
    }
    if (!length || !other || *length == *other) return;
    const bool more = *length < *other ? first.value > second.value : second.value > first.value;
    if (!more || !MayOverlap(first.window, second.window)) return;
    Found("shorter-more",
          who + " is " + values + ": the shorter window has more, unless it lay elsewhere", {a, b});
  }

  // A number of a single count within one scope, the first that was said.
  std::optional<size_t> Of(const Group& group, Count count) const {
    for (const size_t at : group) {
      const Claim& claim = claims_[at];
      if (IsNumber(at) && claim.part.empty() && claim.subject.counts == std::vector{count}) {
        return at;
      }
    }
    return std::nullopt;
  }

  void CheckSums(const Group& group) {
    for (const Whole& rule : Wholes()) {
      const auto whole = Of(group, rule.whole);
      if (!whole) continue;
      Group said = {*whole};
      int64_t sum = 0;
      std::string text;
      for (const Count part : rule.parts) {
        const auto at = Of(group, part);
        if (!at) continue;
        said.push_back(*at);
        sum += std::min(claims_[*at].value, kClaimMax / 8);
        text += (text.empty() ? "" : " + ") + std::string(CountName(part)) + " " +
                Number(claims_[*at].value);
      }
      if (said.size() < 2) continue;
      const bool all = rule.complete && said.size() == rule.parts.size() + 1;
      const int64_t value = claims_[*whole].value;
      const std::string head = claims_[*whole].source + ": " + text;
      const std::string of = std::string(CountName(rule.whole)) + " " + Number(value);
      // One may be counted in the part and not yet in the whole, or the other way round.
      if (sum > value + 1) {
        Found(said.size() > 2 ? "sum" : "part",
              head + " is more than " + of + On(*whole) + " by " + Number(sum - value), said);
      } else if (all && sum < value - 1) {
        Found(
            "sum",
            head + " leaves " + Number(value - sum) + " of " + of + On(*whole) + " unaccounted for",
            said);
      }
    }
  }

  void CheckParts(const Group& group) {
    std::map<std::pair<ClaimSubject, std::string>, Group> kinds;
    for (const size_t at : group) {
      const std::string& part = claims_[at].part;
      if (part.empty() || !IsNumber(at)) continue;
      kinds[{claims_[at].subject, part.substr(0, part.find_first_of("=>"))}].push_back(at);
    }
    for (const auto& [kind, parts] : kinds) {
      int64_t sum = 0, moved = 0;
      for (const size_t at : parts) {
        const int64_t value = std::min(claims_[at].value, kClaimMax / 1'000'000);
        sum += value;
        moved += value * DeltaOf(claims_[at].part).value_or(0);
      }
      if (kind.first.counts.size() != 1) continue;
      const auto whole = Of(group, kind.first.counts.front());
      const auto with = [&parts = parts](size_t at) {
        Group all = parts;
        all.push_back(at);
        return all;
      };
      if (whole && sum > claims_[*whole].value) {
        Found("part",
              claims_[*whole].source + ": the parts of " + claims_[*whole].name + " by " +
                  kind.second + " are " + Number(sum) + " of " + Number(claims_[*whole].value) +
                  On(*whole),
              with(*whole));
      }
      const auto index = Of(group, kVhostUsed);
      if (kind.second != "delta" || !index || moved <= claims_[*index].value) continue;
      Found("index",
            claims_[*index].source + ": signals that moved the used index by at least " +
                Number(moved) + " in all cannot have advanced it by " +
                Number(claims_[*index].value) + On(*index),
            with(*index));
    }
  }

  void CheckShares(const Group& group) {
    for (const size_t at : group) {
      const Claim& claim = claims_[at];
      if (IsNumber(at) || claim.subject.counts.size() != 1 || claim.of.counts.size() != 1) continue;
      const auto whole = Of(group, claim.of.counts.front());
      if (!whole || claims_[*whole].value == 0) continue;
      double best = 1e9;
      Group said = {at, *whole};
      // Of several numbers, the one that the share fits best may be meant.
      for (const size_t other : group) {
        const Claim& part = claims_[other];
        if (!IsNumber(other) || part.subject != claim.subject || part.part != claim.part) continue;
        const double share =
            100.0 * static_cast<double>(part.value) / static_cast<double>(claims_[*whole].value);
        if (std::abs(share - *claim.percent) >= std::abs(best - *claim.percent)) continue;
        best = share;
        said = {at, other, *whole};
      }
      const double half = 0.5 / std::pow(10, claim.digits) + 1e-9;
      if (said.size() < 3 || std::abs(best - *claim.percent) <= half) continue;
      Found("percent",
            claim.source + ": " + Number(claims_[said[1]].value) + " of " +
                Number(claims_[*whole].value) + On(at) + " is " + Written("%.1f%%", best) +
                ", not " + Written("%g%%", *claim.percent),
            said);
    }
  }

  // populate_lr runs again whenever the guest is entered before it took the interrupt.
  void CheckInjections(const Group& group) {
    for (const size_t at : group) {
      if (claims_[at].name.find("populate_lr") == std::string::npos) continue;
      for (const size_t other : group) {
        const Claim& claim = claims_[other];
        if (other == at || claim.name.find("populate_lr") != std::string::npos) continue;
        const bool injections = claim.subject.counts == std::vector{kKvmInjected} ||
                                claim.subject.counts == std::vector{kIrqfdWoken};
        if (!injections || claim.value != claims_[at].value || claim.value < kNoChance) continue;
        Found("populate-lr",
              What(at) + " is exactly " + claim.name + ", " + Number(claim.value) + On(at) +
                  ": unusual, it repeats at entries into the guest",
              {at, other});
        return;
      }
    }
  }

  void CheckSent(const Group& group) {
    for (const auto& [received, sent] : kSent) {
      for (const size_t at : group) {
        for (const size_t from : group) {
          const Claim& more = claims_[at];
          const Claim& fewer = claims_[from];
          if (more.subject.counts != std::vector{received} || !more.part.empty()) continue;
          if (fewer.subject.counts != std::vector{sent} || !fewer.part.empty()) continue;
          if (!IsNumber(at) || !IsNumber(from) || more.window != fewer.window) continue;
          if (more.value <= fewer.value + kUnderWay) continue;
          Found("more-than-sent",
                What(at) + " " + Number(more.value) + " from " + What(from) + " " +
                    Number(fewer.value) + On(at) + ": " + Number(more.value - fewer.value) +
                    " more than were sent, unless something else sends or the windows differ",
                {at, from});
        }
      }
    }
  }

  void CheckSpuriousRule(const Group& group) {
    for (const size_t at : group) {
      const Claim& claim = claims_[at];
      if (claim.subject.gauge == Gauge::kIrqCount && claim.value > kSpuriousWindow) {
        Found("spurious-rule",
              What(at) + " " + Number(claim.value) + On(at) +
                  ": the kernel starts again at 100,000, so this is not its "
                  "counter",
              {at});
      }
      if (claim.subject.gauge != Gauge::kIrqUnhandled || claim.value <= kSpuriousLimit) continue;
      CheckUnhandled(at, group);
    }
  }

  // Even the largest share that anybody counted.
  void CheckUnhandled(size_t unhandled, const Group& group) {
    std::optional<std::pair<size_t, size_t>> most;
    double share = -1;
    for (const size_t none : group) {
      for (const size_t irq : group) {
        const Claim& part = claims_[none];
        const Claim& whole = claims_[irq];
        if (part.subject.counts != std::vector{kGuestNone} || !IsNumber(none)) continue;
        if (whole.subject.counts != std::vector{kGuestIrq} || !IsNumber(irq)) continue;
        if (part.source != whole.source || part.window != whole.window || whole.value <= 0)
          continue;
        const double of =
            100.0 * static_cast<double>(part.value) / static_cast<double>(whole.value);
        if (of <= share) continue;
        share = of;
        most = {none, irq};
      }
    }
    // More than 99,900 of 100,000 need a share of 99.9% without work.
    if (!most || share > 99.9) return;
    Found("spurious-rule",
          What(unhandled) + " " + Number(claims_[unhandled].value) + On(unhandled) + ", but " +
              claims_[most->first].source + " counted " + Number(claims_[most->first].value) +
              " of " + Number(claims_[most->second].value) + " without work, " +
              Written("%.1f%%", share) + ": that share cannot reach 99,900 of 100,000",
          {unhandled, most->first, most->second});
  }

  const std::vector<Claim>& claims_;
  const std::vector<std::string>& queues_;
  std::map<std::tuple<std::string, std::string, ClaimWindow>, Group> by_scope_;
  std::map<std::tuple<std::string, ClaimSubject, std::string>, Group> by_subject_;
  std::map<std::string, Group> by_queue_;
  std::vector<Contradiction> found_;
  std::set<Said> said_;
};

}  // namespace

std::vector<Contradiction> FindContradictions(const std::vector<Claim>& claims,
                                              const std::vector<std::string>& queues) {
  return Finder(claims, queues).Find();
}

std::vector<Contradiction> FindContradictions(const std::vector<Claim>& claims) {
  std::vector<std::string> queues;
  queues.reserve(claims.size());
  for (const Claim& claim : claims) {
    queues.push_back(claim.node.empty() || claim.queue.empty() ? claim.node + claim.queue
                                                               : claim.node + "/" + claim.queue);
  }
  return FindContradictions(claims, queues);
}

}  // namespace ringside
