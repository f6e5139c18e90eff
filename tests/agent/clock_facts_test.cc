// SPDX-License-Identifier: Apache-2.0
#include "agent/clock_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ringside {
namespace {

namespace fs = std::filesystem;
using testing::Pair;
using testing::UnorderedElementsAre;

void Write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

// Laid out as KVM's debugfs is: one folder per VM, named after process and descriptor.
TEST(ClockFactsTest, OffsetsOfAllVcpus) {
  const fs::path kvm = fs::path(testing::TempDir()) / ("kvm" + std::to_string(getpid()));
  Write(kvm / "4711-12/vcpu0/tsc-offset", "-77000000123\n");
  Write(kvm / "4711-12/vcpu0/tsc-scaling-ratio", "4294967296\n");
  Write(kvm / "4711-12/vcpu0/tsc-scaling-ratio-frac-bits", "32\n");
  Write(kvm / "4711-12/vcpu1/tsc-offset", "-5\n");  // no scaling on this CPU
  Write(kvm / "4711-12/vcpu2/pid", "4713\n");       // another architecture: no offset
  Write(kvm / "4711-12/mmu_cache_miss", "7\n");
  Write(kvm / "exits", "1\n");
  EXPECT_THAT(TscFactsUnder(kvm.string()),
              UnorderedElementsAre(
                  Pair("kvm.4711.vcpu0.tsc", "offset=-77000000123 ratio=4294967296 bits=32"),
                  Pair("kvm.4711.vcpu1.tsc", "offset=-5")));
  EXPECT_TRUE(TscFactsUnder((kvm / "none").string()).empty());
  fs::remove_all(kvm);
}

// This machine has no host that it could ask, or has one: both are said.
TEST(ClockFactsTest, EverySourceIsNamed) {
  ClockFacts facts;
  const std::string cross = facts.CrossTime(1);
  const NamedFacts read = facts.Read();
  const auto value = [&](const std::string& name) {
    for (const auto& [known, text] : read) {
      if (known == name) return text;
    }
    return std::string("missing");
  };
  EXPECT_EQ(cross.empty(),
            value("clock.ptp_kvm") != "precise" && value("clock.ptp_kvm") != "sampled");
  EXPECT_THAT(value("clock.ntp"), testing::EndsWith("synchronised"));
  EXPECT_NE(value("clock.source"), "missing");
  // At most once a second.
  EXPECT_EQ(facts.CrossTime(2), "");
}

}  // namespace
}  // namespace ringside
