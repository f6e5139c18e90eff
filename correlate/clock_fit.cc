// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_fit.h"

#include <algorithm>

namespace ringside {
namespace {

// Steps of a clock are rare: a source that contradicts itself more often is no clock's fault.
constexpr uint64_t kStepsOfAClock = 2;

// Agents send what they saw with the next snapshot, which reads the clocks; one that is cut off has
// sent for less than this since its last reading. What claims to be later is from no such clock.
constexpr int64_t kUnreadNs = 10'000'000'000;

struct Span {
  int64_t from_ns;
  int64_t to_ns;
};

bool Strange(const SteadyScale& scale, int64_t mono_ns) {
  return scale.readings() > 0 && (mono_ns > scale.last_mono_ns() + kUnreadNs ||
                                  mono_ns < scale.first_mono_ns() - kUnreadNs);
}

// Statements by steady clocks, by local time.
std::vector<ClockStatement> Steady(const SteadyScale& local, const SteadyScale& reference,
                                   const std::vector<ClockEvidence>& evidence, uint64_t* strange) {
  std::vector<ClockStatement> statements;
  statements.reserve(evidence.size());
  for (const ClockEvidence& e : evidence) {
    if ((!e.local_is_raw && Strange(local, e.local_mono_ns)) ||
        (!e.reference_is_raw && Strange(reference, e.reference_mono_ns))) {
      ++*strange;
      continue;
    }
    const ClockRange x =
        e.local_is_raw ? ClockRange{e.local_mono_ns, e.local_mono_ns} : local.At(e.local_mono_ns);
    const ClockRange r = e.reference_is_raw ? ClockRange{e.reference_mono_ns, e.reference_mono_ns}
                                            : reference.At(e.reference_mono_ns);
    if (!x.known() || !r.known()) continue;
    statements.push_back(e.upper ? LocalFirst(x.lo_ns, r.hi_ns, e.source)
                                 : ReferenceFirst(r.lo_ns, x.hi_ns, e.source));
  }
  std::stable_sort(
      statements.begin(), statements.end(),
      [](const ClockStatement& a, const ClockStatement& b) { return a.local_ns < b.local_ns; });
  return statements;
}

// Where a step of the reference lies in local time: after the last local reading that certainly
// came before it, before the first that certainly came after it.
Span InLocalTime(const ClockStep& step, const std::vector<ClockStatement>& statements) {
  Span span{INT64_MIN, INT64_MAX};
  for (const ClockStatement& s : statements) {
    if (s.upper && s.reference_ns <= step.from_raw_ns) {
      span.from_ns = std::max(span.from_ns, s.local_ns);
    }
    if (!s.upper && s.reference_ns >= step.to_raw_ns) {
      span.to_ns = std::min(span.to_ns, s.local_ns);
    }
  }
  // Only what is wrong puts them the other way round.
  if (span.from_ns > span.to_ns) std::swap(span.from_ns, span.to_ns);
  return span;
}

// Cuts by local time, apart from each other.
std::vector<Span> Cuts(const SteadyScale& local, const SteadyScale& reference,
                       const std::vector<ClockStatement>& statements) {
  std::vector<Span> cuts;
  for (const ClockStep& step : local.steps()) cuts.push_back({step.from_raw_ns, step.to_raw_ns});
  for (const ClockStep& step : reference.steps()) cuts.push_back(InLocalTime(step, statements));
  std::sort(cuts.begin(), cuts.end(),
            [](const Span& a, const Span& b) { return a.from_ns < b.from_ns; });
  std::vector<Span> apart;
  for (const Span& cut : cuts) {
    if (!apart.empty() && cut.from_ns <= apart.back().to_ns) {
      apart.back().to_ns = std::max(apart.back().to_ns, cut.to_ns);
    } else {
      apart.push_back(cut);
    }
  }
  return apart;
}

// A statement holds for a piece only if both its readings are on the same side of every step of the
// reference; a local step is told by the local reading alone.
void DropAcross(const std::vector<ClockStep>& steps, std::vector<ClockStatement>* statements) {
  for (const ClockStep& step : steps) {
    const Span span = InLocalTime(step, *statements);
    std::erase_if(*statements, [&](const ClockStatement& s) {
      if (s.local_ns <= span.from_ns) return s.reference_ns > step.from_raw_ns;
      return s.local_ns < span.to_ns || s.reference_ns < step.to_raw_ns;
    });
  }
}

class Fitter {
 public:
  Fitter(const ClockOptions& options, const SteadyScale& local, const SteadyScale& reference,
         const std::vector<ClockEvidence>& evidence)
      : options_(options), statements_(Steady(local, reference, evidence, &strange_)) {
    cuts_ = Cuts(local, reference, statements_);
    DropAcross(reference.steps(), &statements_);
    for (const ClockStatement& s : statements_) sources_.push_back(s.source);
    std::sort(sources_.begin(), sources_.end());
    sources_.erase(std::unique(sources_.begin(), sources_.end()), sources_.end());
  }

  template <typename Wanted>
  ClockMap Map(Wanted wanted) const {
    ClockMap map(options_);
    auto cut = cuts_.begin();
    for (const ClockStatement& s : statements_) {
      for (; cut != cuts_.end() && s.local_ns > cut->from_ns; ++cut) {
        map.Cut(cut->from_ns, cut->to_ns);
      }
      if (wanted(s.source)) map.Add(s);
    }
    // What was known before a step says nothing of what is after it, even if nothing else does.
    for (; cut != cuts_.end(); ++cut) map.Cut(cut->from_ns, cut->to_ns);
    return map;
  }

  ClockFit Fit() const {
    ClockFit fit{Map([](uint32_t) { return true; }), {}, ClockTrust::kGood, strange_};
    if (fit.map.conflict_count() == 0) return fit;
    std::vector<uint32_t> good, sound;  // sound: without any conflict of its own
    for (const uint32_t source : sources_) {
      const ClockMap alone = Map([&](uint32_t s) { return s == source; });
      (alone.conflict_count() > kStepsOfAClock ? fit.wrong : good).push_back(source);
      if (alone.conflict_count() == 0) sound.push_back(source);
    }
    const auto known_wrong = [&](uint32_t s) {
      return std::binary_search(fit.wrong.begin(), fit.wrong.end(), s);
    };
    if (!fit.wrong.empty()) fit.map = Map([&](uint32_t s) { return !known_wrong(s); });
    // With three or more, one that alone disagrees with all others is outvoted; not one that saw a
    // step by itself, which the others may be too coarse to see.
    if (fit.map.conflict_count() > 0 && good.size() > 2) {
      for (const uint32_t source : sound) {
        ClockMap rest = Map([&](uint32_t s) { return s != source && !known_wrong(s); });
        if (rest.conflict_count() > 0) continue;
        fit.map = std::move(rest);
        fit.wrong.push_back(source);
        std::sort(fit.wrong.begin(), fit.wrong.end());
        break;
      }
    }
    if (good.empty() || fit.map.conflict_count() > kStepsOfAClock) {
      fit.trust = ClockTrust::kContradicted;
    } else if (fit.map.conflict_count() > 0) {
      fit.trust = ClockTrust::kStepped;
    }
    return fit;
  }

 private:
  const ClockOptions options_;
  uint64_t strange_ = 0;
  std::vector<ClockStatement> statements_;
  std::vector<Span> cuts_;
  std::vector<uint32_t> sources_;
};

}  // namespace

ClockFit FitClocks(const ClockOptions& options, const SteadyScale& local,
                   const SteadyScale& reference, const std::vector<ClockEvidence>& evidence) {
  return Fitter(options, local, reference, evidence).Fit();
}

ClockRange ReferenceAt(const ClockFit& fit, const SteadyScale& local, int64_t local_mono_ns) {
  const ClockRange x = local.At(local_mono_ns);
  if (!x.known()) return {};
  const ClockRange a = fit.map.At(x.lo_ns);
  const ClockRange b = fit.map.At(x.hi_ns);
  return {std::min(a.lo_ns, b.lo_ns), std::max(a.hi_ns, b.hi_ns)};
}

}  // namespace ringside
