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
