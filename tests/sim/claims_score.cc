// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/claims_score.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "correlate/claims.h"
#include "correlate/ledger.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include "tests/sim/judge.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace ringside::sim {
namespace {

// The bars.
constexpr double kRandomBar = 0.95;
constexpr double kNamedBar = 0.95;
// No kind hides behind the others: a geometric number of repeats on two small queues cannot always
// be told from chance.
constexpr double kEachBar = 0.9;
constexpr uint64_t kRandomCases = 1000;
// Numbers this small say little about anything: any of a dozen mistakes would give them.
constexpr uint64_t kWorthClaiming = 200;
constexpr int kWrongPerQueue = 8;

using Numbers = std::map<std::pair<std::string, Count>, uint64_t>;

constexpr Count kClaimed[] = {Count::kVhostBatches, Count::kVhostSignalled, Count::kIrqfdWoken,
                              Count::kKvmInjected,  Count::kGuestIrq,       Count::kGuestHandled,
                              Count::kGuestProcIrq};

// What the source of a run's claims saw: the truth of the model, not the engine's.
class RunJudge {
 public:
  RunJudge(uint64_t seed, const World& world, const Recording& recording, ClaimScore* score)
      : random_(seed), recording_(recording), score_(*score) {
    Ledger ledger = MakeLedger(recording, {});
    window_ = ledger.window;
    // Other tools do not cut by position.
    for (QueueLedger& queue : ledger.queues) {
      for (CountCell& cell : queue.counts) cell.at_position = false;
      if (!queue.queue.empty() && !queue.host_queue.empty()) queues_.push_back(queue.queue);
    }
    for (const CellTruth& cell : TruthOf(world, ledger, recording)) {
      truth_[{cell.queue, cell.count}] = cell.value;
    }
  }

  void Judge() {
    for (const std::string& queue : queues_) {
      RightNumbers(queue);
      for (int i = 0; i < kWrongPerQueue; ++i) RandomNumbers(queue);
      OtherWindow(queue);
      OtherQueues(queue);
      CallsForSignals(queue);
    }
    LostShare("read-and-clear", "bcc maps, read and cleared");
    LostShare("hook-misses", "kprobe");
    Repeats();
  }

 private:
  std::optional<uint64_t> Truth(const std::string& queue, Count count) const {
    const auto at = truth_.find({queue, count});
    if (at == truth_.end() || at->second < kWorthClaiming) return std::nullopt;
    return at->second;
  }

  static Claim Of(const std::string& queue, Count count, uint64_t value) {
    Claim claim{.source = "other", .queue = queue, .name = std::string(CountName(count))};
    claim.subject = {{count}, {}};
    claim.value = static_cast<int64_t>(value);
    return claim;
  }

  // Chooses without leaning to small numbers.
  uint64_t Below(uint64_t limit) {
    return std::uniform_int_distribution<uint64_t>(0, limit - 1)(random_);
  }
  double Between(double lo, double hi) { return std::uniform_real_distribution<>(lo, hi)(random_); }

  // Of the first claim: whether it is refuted and how it is explained.
  JudgedClaim First(std::vector<Claim> claims) const {
    return JudgeClaims(recording_, std::move(claims)).claims.front();
  }

  void RightNumbers(const std::string& queue) {
    for (const Count count : kClaimed) {
      const auto truth = Truth(queue, count);
      if (!truth) continue;
      ++score_.right.cases;
      const JudgedClaim judged = First({Of(queue, count, *truth)});
      if (judged.verdict != ClaimVerdict::kRefuted) ++score_.right.good;
    }
  }

  // One number wrong by up to 30%; its source's others are right, or as wrong.
  void RandomNumbers(const std::string& queue) {
    std::vector<Claim> claims;
    const bool all_wrong = Below(2) == 0;
    for (int i = 0; i < 4; ++i) {
      const Count count = kClaimed[Below(std::size(kClaimed))];
      const auto truth = Truth(queue, count);
      if (!truth) continue;
      double wrong = Between(-0.3, 0.3);
      if (!claims.empty() && !all_wrong) wrong = 0;
      claims.push_back(
          Of(queue, count, static_cast<uint64_t>(static_cast<double>(*truth) * (1 + wrong))));
    }
    if (claims.empty()) return;
    const JudgedClaim judged = First(std::move(claims));
    if (judged.verdict != ClaimVerdict::kRefuted) return;  // by chance not wrong enough
    ++score_.random.cases;
    if (judged.explanations.empty()) ++score_.random.good;
  }

  void Mistake(const std::string& kind, std::vector<Claim> claims) {
    const JudgedClaim judged = First(std::move(claims));
    // The mistake makes no difference here: nothing to be found.
    if (judged.verdict != ClaimVerdict::kRefuted) return;
    const bool named =
        std::any_of(judged.explanations.begin(), judged.explanations.end(),
                    [&](const Explanation& explanation) { return explanation.id == kind; });
    for (ClaimScore::Part* part : {&score_.mistakes[kind], &score_.named}) {
      ++part->cases;
      part->good += named ? 1 : 0;
    }
  }

  // Counted over the incident, said to be of its first half; elsewhere the source says the former.
  void OtherWindow(const std::string& queue) {
    const auto truth = Truth(queue, Count::kGuestIrq);
    const auto elsewhere = Truth(queue, Count::kVhostSignalled);
    if (!truth || !elsewhere) return;
    std::vector<Claim> claims = {Of(queue, Count::kGuestIrq, *truth),
                                 Of(queue, Count::kVhostSignalled, *elsewhere)};
    claims[0].window = {.from_ns = window_.from_ns, .to_ns = (window_.from_ns + window_.to_ns) / 2};
    claims[1].window = {.from_ns = window_.from_ns, .to_ns = window_.to_ns};
    Mistake("other-window", std::move(claims));
  }

  void OtherQueues(const std::string& queue) {
    const size_t at = queue.rfind('/') + 1;
    std::string other = queue;
    other[at] = queue[at] == 'r' ? 't' : 'r';
    for (const Count count : {Count::kGuestIrq, Count::kVhostSignalled}) {
      const auto own = Truth(queue, count);
      const auto wrong = Truth(other, count);
      if (!own || !wrong) continue;
      Mistake("tx-for-rx", {Of(queue, count, *wrong)});
      Mistake("queues-summed", {Of(queue, count, *own + *wrong)});
    }
  }

  void CallsForSignals(const std::string& queue) {
    const auto signals = Truth(queue, Count::kVhostSignalled);
    const auto calls = Truth(queue, Count::kVhostBatches);
    if (signals && calls) {
      Mistake("calls-for-signals", {Of(queue, Count::kVhostSignalled, *calls)});
    }
  }

  // Every hit has the same chance to be lost.
  void LostShare(const std::string& kind, const std::string& method) {
    const double lost = Between(0.02, 0.25);
    std::vector<Claim> claims;
    for (const std::string& queue : queues_) {
      for (const Count count : {Count::kGuestIrq, Count::kVhostSignalled, Count::kVhostBatches}) {
        const auto truth = Truth(queue, count);
        if (!truth) continue;
        std::binomial_distribution<int64_t> kept(static_cast<int64_t>(*truth), 1 - lost);
        claims.push_back(Of(queue, count, static_cast<uint64_t>(kept(random_))));
        claims.back().method = method;
      }
    }
    if (claims.size() >= 3) Mistake(kind, std::move(claims));
  }

  // populate_lr again at some entries into the guest: a geometric number of times.
  void Repeats() {
    const double again = Between(0.05, 0.5);
    std::vector<Claim> claims;
    for (const std::string& queue : queues_) {
      const auto injected = Truth(queue, Count::kKvmInjected);
      const auto merged = truth_.find({queue, Count::kKvmMerged});
      if (!injected || merged == truth_.end()) continue;
      const auto delivered = static_cast<int64_t>(*injected - merged->second);
      std::negative_binomial_distribution<int64_t> repeats(std::max<int64_t>(1, delivered),
                                                           1 - again);
      claims.push_back(
          Of(queue, Count::kKvmInjected, static_cast<uint64_t>(delivered + repeats(random_))));
      claims.back().method = "kprobe:vgic_v3_populate_lr";
    }
    if (claims.size() >= 2) Mistake("populate-lr", std::move(claims));
  }

  std::mt19937_64 random_;
  const Recording& recording_;
  ClaimScore& score_;
  Window window_;
  std::vector<std::string> queues_;
  Numbers truth_;
};

nlohmann::ordered_json PartJson(const ClaimScore::Part& part) {
  return {{"cases", part.cases}, {"good", part.good}};
}

std::string PartText(const std::string& name, const ClaimScore::Part& part) {
  return fmt::format("  {:<20} {:>6} of {:>6}  {:.1f}%\n", name, part.good, part.cases,
                     part.share() * 100);
}

}  // namespace

ClaimScore MakeClaimScore(uint64_t from_seed, uint64_t to_seed) {
  ClaimScore score;
  for (uint64_t seed = from_seed; seed <= to_seed; ++seed) {
    const auto spec = MakeRun("many-queues", seed, Mutation::kNone);
    if (!spec) break;
    World world(*spec, nullptr);
    Recording recording;
    if (!world.Play(&recording).ok()) {
      ++score.failures;
      continue;
    }
    ++score.runs;
    RunJudge(seed, world, recording, &score).Judge();
  }
  const bool enough = score.random.cases >= kRandomCases && score.named.cases > 0;
  bool each = true;
  for (const auto& [kind, part] : score.mistakes) each = each && part.share() >= kEachBar;
  score.passed = score.failures == 0 && enough && score.right.good == score.right.cases &&
                 score.random.share() >= kRandomBar && score.named.share() >= kNamedBar && each;
  return score;
}

std::string ClaimScoreText(const ClaimScore& score) {
  std::string text = fmt::format("claims over {} runs\n", score.runs);
  text += PartText("true: not refuted", score.right);
  text += PartText("random: unexplained", score.random);
  text += "mistakes that were named:\n";
  for (const auto& [kind, part] : score.mistakes) text += PartText(kind, part);
  return text +
         fmt::format(
             "{}: random {:.1f}% unexplained (bar {:.0f}%, {} cases), mistakes {:.1f}% named "
             "(bar {:.0f}%, each kind 90%), true numbers refuted {}, model failures {}\n",
             score.passed ? "PASS" : "FAIL", score.random.share() * 100, kRandomBar * 100,
             score.random.cases, score.named.share() * 100, kNamedBar * 100,
             score.right.cases - score.right.good, score.failures);
}

std::string ClaimScoreJson(const ClaimScore& score) {
  nlohmann::ordered_json json = {{"schema", 1},
                                 {"runs", score.runs},
                                 {"right", PartJson(score.right)},
                                 {"random", PartJson(score.random)},
                                 {"named", PartJson(score.named)}};
  for (const auto& [kind, part] : score.mistakes) json["mistakes"][kind] = PartJson(part);
  json["failures"] = score.failures;
  json["passed"] = score.passed;
  return json.dump(2) + "\n";
}

}  // namespace ringside::sim
