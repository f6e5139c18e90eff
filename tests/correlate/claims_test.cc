// SPDX-License-Identifier: Apache-2.0
#include "correlate/claims.h"

#include <gtest/gtest.h>

#include "correlate/ledger.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

Claim Of(const char* count, int64_t value) {
  Claim claim{.source = "vendor", .queue = "eth0/rx0", .name = count, .value = value};
  claim.subject = SubjectByName(count);
  return claim;
}

class ClaimsTest : public testing::Test {
 protected:
  ClaimsTest() : recording_(ModelPath({.seed = 3}, &truth_)) {
    window_ = MakeLedger(recording_, {}).window;
  }
  JudgedClaim Judge(const Claim& claim) const {
    return JudgeClaims(recording_, {claim}).claims.front();
  }

  PathTruth truth_;
  Recording recording_;
  Window window_;
};

TEST_F(ClaimsTest, TrueNumbersAreConfirmedAndWrongOnesRefuted) {
  const std::pair<const char*, uint64_t> kTruths[] = {{"vhost.batches", truth_.batches},
                                                      {"vhost.signalled", truth_.signalled},
                                                      {"vhost.used", truth_.entries},
                                                      {"kvm.injected", truth_.injected},
                                                      {"guest.irq", truth_.irq},
                                                      {"guest.handled", truth_.handled},
                                                      {"guest.none", truth_.none},
                                                      {"vring_interrupt", truth_.irq},
                                                      {"kprobe:irqfd_wakeup", truth_.injected},
                                                      {"guest.handled + guest.none", truth_.irq}};
  for (const auto& [name, value] : kTruths) {
    SCOPED_TRACE(name);
    const auto number = static_cast<int64_t>(value);
    const JudgedClaim right = Judge(Of(name, number));
    EXPECT_EQ(right.verdict, ClaimVerdict::kConfirmed) << right.why;
    EXPECT_EQ(right.queue, "vm1/eth0/rx0");
    const JudgedClaim wrong = Judge(Of(name, number * 5 / 4));
    EXPECT_EQ(wrong.verdict, ClaimVerdict::kRefuted);
    EXPECT_NEAR(wrong.off_percent, 25, 0.5);
    EXPECT_NEAR(Judge(Of(name, number * 3 / 4)).off_percent, -25, 0.5);
  }
}

TEST_F(ClaimsTest, WindowsAreTheClaimsOwn) {
  const int64_t half_ns = (window_.from_ns + window_.to_ns) / 2;
  Claim claim = Of("guest.irq", static_cast<int64_t>(truth_.irq) / 2);
  claim.window.from_ns = half_ns;
  const JudgedClaim second = Judge(claim);
  claim.window = {.to_ns = half_ns};
  const JudgedClaim first = Judge(claim);
  ASSERT_TRUE(first.measured && second.measured);
  // Whatever the middle fell between is in one of them; no interrupt is in none.
  EXPECT_LE(first.measured->lo + second.measured->lo, static_cast<int64_t>(truth_.irq));
  EXPECT_GE(*first.measured->hi + *second.measured->hi, static_cast<int64_t>(truth_.irq));
  EXPECT_LT(*first.measured->hi, static_cast<int64_t>(truth_.irq) * 6 / 10);
  claim.window = {.from_ns = window_.from_ns, .to_ns = window_.to_ns};
  claim.value = static_cast<int64_t>(truth_.irq);
  EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kConfirmed);
}

TEST_F(ClaimsTest, WindowsOutsideOfTheIncidentConfirmNothing) {
  constexpr int64_t kSecond = 1'000'000'000;
  Claim claim = Of("guest.irq", static_cast<int64_t>(truth_.irq));
  claim.window.from_ns = window_.from_ns - 5 * kSecond;
  claim.window.to_ns = window_.to_ns;
  JudgedClaim judged = Judge(claim);
  EXPECT_EQ(judged.verdict, ClaimVerdict::kInconclusive);
  EXPECT_EQ(judged.why, "the window begins 5.0 s before the incident");
  // Fewer than in the part that was seen cannot be right.
  claim.value /= 2;
  EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kRefuted);
  claim.window.from_ns = window_.to_ns + kSecond;
  claim.window.to_ns = window_.to_ns + 2 * kSecond;
  judged = Judge(claim);
  EXPECT_EQ(judged.verdict, ClaimVerdict::kInconclusive);
  EXPECT_EQ(judged.why, "the window is outside of the incident");
  claim.window = {.length_ns = 3600 * kSecond};
  EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kInconclusive);
}

TEST_F(ClaimsTest, WhatIsNotKnownSaysWhy) {
  Claim claim = Of("guest.irq", 1);
  claim.queue = "eth7/rx0";
  EXPECT_EQ(Judge(claim).why, "unknown queue 'eth7/rx0'; known are vm1/eth0/rx0");
  claim.node = "vm9";
  EXPECT_EQ(Judge(claim).why, "unknown queue 'eth7/rx0' on node 'vm9'");
  EXPECT_EQ(Judge(Of("kvm_vcpu_kick", 1)).why, "'kvm_vcpu_kick' is no count that ringside knows");
  EXPECT_EQ(Judge(Of("tun.dropped", 1)).why, "tun.dropped was not observed on this queue");
  EXPECT_EQ(Judge(Of("irq.unhandled", 1)).verdict, ClaimVerdict::kInconclusive);
  for (const char* count : {"kvm_vcpu_kick", "tun.dropped", "irq.unhandled"}) {
    EXPECT_EQ(Judge(Of(count, 1)).verdict, ClaimVerdict::kInconclusive) << count;
  }
}

TEST_F(ClaimsTest, QueuesAreFoundByAnyOfTheirNames) {
  const auto irq = static_cast<int64_t>(truth_.irq);
  for (const char* queue : {"rx0", "vm1/eth0/rx0", "host1/tap0/rx0", "tap0/rx0", "virtio0-input.0",
                            "guest-one/eth0/rx0", "eth0/rx*", ""}) {
    Claim claim = Of("guest.irq", irq);
    claim.queue = queue;
    EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kConfirmed) << queue;
  }
  Claim claim = Of("guest.irq", irq);
  claim.queue = std::string(1, '*');  // what else the source saw, nobody knows
  EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kInconclusive);
  claim.value = irq / 2;
  EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kRefuted);
}

TEST_F(ClaimsTest, SharesAreJudgedToTheirDigits) {
  Claim claim = Of("guest.none", 0);
  claim.of = SubjectByName("guest.irq");
  const double share = 100.0 * static_cast<double>(truth_.none) / static_cast<double>(truth_.irq);
  claim.percent = static_cast<int>(share * 10 + 0.5) / 10.0;
  claim.digits = 1;
  EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kConfirmed);
  claim.percent = *claim.percent + 0.3;
  EXPECT_EQ(Judge(claim).verdict, ClaimVerdict::kRefuted);
}

// A wrong number and its explanations' ids.
std::vector<std::string> Ids(const JudgedClaim& judged) {
  std::vector<std::string> ids;
  for (const Explanation& explanation : judged.explanations) ids.push_back(explanation.id);
  return ids;
}

TEST_F(ClaimsTest, KnownMistakesAreNamed) {
  const auto number = [](uint64_t value) { return static_cast<int64_t>(value); };
  using Named = std::vector<std::string>;
  EXPECT_EQ(Ids(Judge(Of("vhost.signalled", number(truth_.batches)))), Named{"calls-for-signals"});
  EXPECT_EQ(Ids(Judge(Of("guest.irq", number(truth_.handled)))), Named{"handled-for-irq"});
  EXPECT_EQ(Ids(Judge(Of("guest.irq", number(2 * truth_.irq)))), Named{"twice"});
  EXPECT_EQ(Ids(Judge(Of("vhost.used", number(truth_.entries % 65'536)))), Named{"index-wrapped"});
  // One off is no mistake that anybody knows.
  EXPECT_EQ(Ids(Judge(Of("vhost.signalled", number(truth_.batches) + 1))), Named{});
  Claim third = Of("guest.irq", number(truth_.irq));
  third.window = {.from_ns = window_.from_ns};
  third.window.to_ns = window_.from_ns + (window_.to_ns - window_.from_ns) / 3;
  Claim whole = Of("vhost.signalled", number(truth_.signalled));
  whole.window = {.from_ns = window_.from_ns, .to_ns = window_.to_ns};
  EXPECT_EQ(Ids(JudgeClaims(recording_, {third, whole}).claims[0]), Named{"other-window"});
  whole.source = "somebody else";
  EXPECT_EQ(Ids(JudgeClaims(recording_, {third, whole}).claims[0]), Named{});
}

TEST_F(ClaimsTest, AShareIsLostOnlyIfAllNumbersLostIt) {
  const auto less = [](uint64_t value) { return static_cast<int64_t>(value) * 9 / 10; };
  std::vector<Claim> claims = {Of("guest.irq", less(truth_.irq)),
                               Of("vhost.batches", less(truth_.batches)),
                               Of("vhost.signalled", less(truth_.signalled))};
  for (Claim& claim : claims) claim.method = "maps, read and cleared";
  EXPECT_EQ(Ids(JudgeClaims(recording_, claims).claims[0]).front(), "read-and-clear");
  for (Claim& claim : claims) claim.method = "kprobe";
  EXPECT_EQ(Ids(JudgeClaims(recording_, claims).claims[0]).front(), "hook-misses");
  claims[1].value = static_cast<int64_t>(truth_.batches);
  EXPECT_TRUE(JudgeClaims(recording_, claims).claims[0].explanations.empty());
  // A parameter fits any one number.
  EXPECT_TRUE(JudgeClaims(recording_, {claims[0]}).claims[0].explanations.empty());
}

TEST_F(ClaimsTest, SmallNumbersExplainNothing) {
  // Any of a dozen mistakes would give a number of two digits.
  PathTruth truth;
  const Recording small = ModelPath({.seed = 5, .batches = 12}, &truth);
  const JudgedClaim judged =
      JudgeClaims(small, {Of("vhost.signalled", static_cast<int64_t>(truth.batches))}).claims[0];
  EXPECT_EQ(judged.verdict, ClaimVerdict::kRefuted);
  EXPECT_LE(judged.chance, 0.05);
  EXPECT_GT(judged.undecided, 0);
}

std::vector<std::string> Contradicted(const std::vector<Claim>& claims) {
  std::vector<std::string> ids;
  for (const Contradiction& contradiction : FindContradictions(claims)) {
    ids.push_back(contradiction.id);
  }
  return ids;
}

TEST(ContradictionTest, WhatCannotAllBeRight) {
  using Found = std::vector<std::string>;
  const Claim irq = Of("guest.irq", 8'567);
  EXPECT_EQ(Contradicted({irq, Of("guest.irq", 8'568)}), Found{"two-values"});
  EXPECT_EQ(Contradicted({irq, Of("guest.handled", 7'689), Of("guest.none", 878)}), Found{});
  EXPECT_EQ(Contradicted({irq, Of("guest.handled", 7'689), Of("guest.none", 888)}), Found{"sum"});
  EXPECT_EQ(Contradicted({irq, Of("guest.handled", 7'689), Of("guest.none", 800)}), Found{"sum"});
  EXPECT_EQ(Contradicted({irq, Of("guest.none", 9'000)}), Found{"part"});
  Claim share = Of("guest.none", 0);
  share.percent = 20.4;
  share.digits = 1;
  share.of = irq.subject;
  EXPECT_EQ(Contradicted({Of("guest.irq", 10'123), Of("guest.none", 2'145), share}),
            Found{"percent"});
  EXPECT_EQ(Contradicted({Of("guest.irq", 10'000), Of("guest.none", 2'041), share}), Found{});
  EXPECT_EQ(Contradicted({irq, Of("kvm.injected", 8'234)}), Found{"more-than-sent"});
  EXPECT_EQ(Contradicted({irq, Of("kvm.injected", 8'564)}), Found{});
  Claim longer = irq;
  longer.window.length_ns = 300'000'000'000;
  Claim shorter = longer;
  shorter.window.length_ns = 30'000'000'000;
  EXPECT_EQ(Contradicted({longer, shorter}), Found{"same-number"});
  shorter.value = 9'000;
  EXPECT_EQ(Contradicted({longer, shorter}), Found{"shorter-more"});
  shorter.value = 900;
  EXPECT_EQ(Contradicted({longer, shorter}), Found{});
}

TEST(ContradictionTest, PartsMoveTheIndexAndTheKernelsRule) {
  using Found = std::vector<std::string>;
  Claim one = Of("vhost.signalled", 7'891), two = Of("vhost.signalled", 312);
  one.part = "delta=1";
  two.part = "delta=2";
  EXPECT_EQ(Contradicted({one, two, Of("vhost.used", 8'234)}), Found{"index"});
  EXPECT_EQ(Contradicted({one, two, Of("vhost.used", 8'515)}), Found{});
  EXPECT_EQ(Contradicted({one, two, Of("vhost.signalled", 8'000)}), Found{"part"});
  EXPECT_EQ(Contradicted({Of("irq.count", 999'500)}), Found{"spurious-rule"});
  EXPECT_EQ(Contradicted({Of("irq.count", 99'999)}), Found{});
  EXPECT_EQ(
      Contradicted({Of("irq.unhandled", 99'950), Of("guest.irq", 1'000), Of("guest.none", 103)}),
      Found{"spurious-rule"});
  EXPECT_EQ(Contradicted(
                {Of("irq.unhandled", 99'950), Of("guest.irq", 100'000), Of("guest.none", 99'960)}),
            Found{});
}

TEST(ClaimNamesTest, SumsAndOtherToolsNames) {
  EXPECT_EQ(SubjectName(SubjectByName("guest.napi.busy+guest.napi.softirq")),
            "guest.napi.softirq + guest.napi.busy");
  EXPECT_EQ(SubjectName(SubjectByName("tracepoint:irq:irq_handler_entry")), "guest.irq");
  EXPECT_EQ(SubjectName(SubjectByName("irq.unhandled")), "irq.unhandled");
  for (const char* none : {"", "+", "guest.irq+", "guest.irq+guest.irq", "guest", "nonsense"}) {
    EXPECT_FALSE(SubjectByName(none).known()) << none;
  }
}

}  // namespace
}  // namespace ringside
