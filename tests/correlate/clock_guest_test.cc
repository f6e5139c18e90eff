// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_guest.h"

#include <gtest/gtest.h>

#include "correlate/clock_evidence.h"

namespace ringside {
namespace {

constexpr int64_t kS = 1'000'000'000;
constexpr int64_t kWallNs = 1'790'000'000 * kS;
constexpr int64_t kAheadNs = 5 * kS;             // host's RAW - guest's RAW
constexpr int64_t kTscOffset = -77'000'000'123;  // what KVM adds to the host's counter
constexpr int kPid = 4711;

// As ReadClocks reads: MONOTONIC, REALTIME, counter, RAW, one after the other.
ClockReading Read(int64_t t, int64_t mono_ns, int64_t raw_ns, int64_t counter) {
  return {.mono_ns = t + mono_ns,
          .raw_ns = t + 60 + raw_ns,
          .real_ns = t + 20 + kWallNs,
          .counter = static_cast<uint64_t>(3 * (t + 40) + counter),
          .width_ns = 90};
}

class ClockGuestTest : public testing::Test {
 protected:
  ClockGuestTest() {
    for (int64_t i = 0; i < 40; ++i) {
      Snapshot host, guest;
      host.begin = Read(i * kS / 10, 100 * kS, 100 * kS + kAheadNs, 1000 * kS);
      guest.begin = Read(i * kS / 10 + 33'333'333, 10 * kS, 100 * kS, 1000 * kS + kTscOffset);
      host_.snapshots.push_back(host);
      guest_.snapshots.push_back(guest);
    }
    host_.facts = {{0, "kvm.4711.vcpu0.tsc", "offset=-77000000123 ratio=4294967296 bits=32"},
                   {0, "kvm.4711.vcpu1.tsc", "offset=-77000000123 ratio=4294967296 bits=32"},
                   {0, "kvm.815.vcpu0.tsc", "offset=-1 ratio=1 bits=32"}};
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t t = i * kS + 500'000'007;
      guest_.facts.push_back({0, "clock.cross",
                              "ptp_kvm precise " + std::to_string(t + kWallNs) + " " +
                                  std::to_string(t + kWallNs) + " " +
                                  std::to_string(t + 100 * kS)});
    }
  }
  // The bound of what the evidence says, which has to hold the truth.
  int64_t HalfWithTruthInside() {
    const SteadyScale guest = ScaleOf(guest_), host = ScaleOf(host_);
    const ClockFit fit = FitClocks({}, guest, host, evidence_);
    EXPECT_EQ(fit.trust, ClockTrust::kGood);
    int64_t widest_ns = 0;
    for (int64_t t = 200'000'000; t < 3 * kS; t += 123'456'789) {
      const ClockRange at = fit.map.At(t + 100 * kS);
      EXPECT_TRUE(at.known());
      EXPECT_LE(at.lo_ns, t + 100 * kS + kAheadNs);
      EXPECT_GE(at.hi_ns, t + 100 * kS + kAheadNs);
      widest_ns = std::max(widest_ns, at.half_ns());
    }
    return widest_ns;
  }

  Stream host_, guest_;
  std::vector<ClockEvidence> evidence_;
};

TEST_F(ClockGuestTest, TscOffset) {
  EXPECT_EQ(AddTscOffset(host_, guest_, kPid, 0, &evidence_), "");
  EXPECT_GE(evidence_.size(), 60u);
  EXPECT_LE(HalfWithTruthInside(), 150);
}

TEST_F(ClockGuestTest, CrossTimes) {
  EXPECT_EQ(AddCrossTimes(host_, guest_, 0, &evidence_), "");
  EXPECT_EQ(evidence_.size(), 8u);
  EXPECT_LE(HalfWithTruthInside(), 150);
}

TEST_F(ClockGuestTest, BothMeet) {
  AddTscOffset(host_, guest_, kPid, 0, &evidence_);
  AddCrossTimes(host_, guest_, 1, &evidence_);
  EXPECT_LE(HalfWithTruthInside(), 150);
}

TEST_F(ClockGuestTest, AWrongOffsetDoesNotMeet) {
  host_.facts[0].value = host_.facts[1].value = "offset=-76990000123 ratio=4294967296 bits=32";
  AddTscOffset(host_, guest_, kPid, 0, &evidence_);
  AddCrossTimes(host_, guest_, 1, &evidence_);
  const ClockFit fit = FitClocks({}, ScaleOf(guest_), ScaleOf(host_), evidence_);
  EXPECT_NE(fit.trust, ClockTrust::kGood);
}

TEST_F(ClockGuestTest, WhatCannotBeUsedIsNamed) {
  host_.facts[1].value = "offset=-77000000124 ratio=4294967296 bits=32";
  EXPECT_NE(AddTscOffset(host_, guest_, kPid, 0, &evidence_).find("differ"), std::string::npos);
  host_.facts[0].value = "offset=-77000000123 ratio=4294967999 bits=32";
  EXPECT_NE(AddTscOffset(host_, guest_, kPid, 0, &evidence_).find("scaled"), std::string::npos);
  host_.facts = {{0, "kvm.4711.vcpu0.tsc", "offset=-77000000123"}};
  host_.snapshots[20].begin.counter = 7;
  EXPECT_NE(AddTscOffset(host_, guest_, kPid, 0, &evidence_).find("went back"), std::string::npos);
  host_.snapshots[20].begin.real_ns += kS;
  EXPECT_NE(AddCrossTimes(host_, guest_, 0, &evidence_).find("was set"), std::string::npos);
  EXPECT_TRUE(evidence_.empty());
}

// A guest's words are its own: whatever they are, they are no evidence or some.
TEST_F(ClockGuestTest, NonsenseIsNoEvidence) {
  guest_.facts = {{0, "clock.cross", "ptp_kvm precise"},
                  {0, "clock.cross", "ptp_kvm precise -1 -1 -1"},
                  {0, "clock.cross", "ptp_kvm sampled 5 9 4"},
                  {0, "clock.cross", "ptp_kvm other 1 2 3"},
                  {0, "clock.cross", ""}};
  host_.facts = {{0, "kvm.4711.vcpu0.tsc", "offset="}, {0, "kvm.4711.vcpu.tsc", "offset=1"}};
  EXPECT_EQ(AddCrossTimes(host_, guest_, 0, &evidence_), "");
  EXPECT_EQ(AddTscOffset(host_, guest_, kPid, 0, &evidence_), "");
  EXPECT_TRUE(evidence_.empty());
}

}  // namespace
}  // namespace ringside
