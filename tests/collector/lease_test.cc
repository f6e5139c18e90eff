// SPDX-License-Identifier: Apache-2.0
// What a killed agent leaves for the next one.
#include "agent/lease.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/collector/scratch.h"

namespace ringside {
namespace {

constexpr char kCollector[] = "unix:/c";

// A process that has come this far and holds its lease; killed at the end.
class Owner {
 public:
  Owner(const std::string& folder, const StreamKey& key) {
    int ready[2] = {-1, -1};
    EXPECT_EQ(pipe(ready), 0);
    child_ = fork();
    if (child_ == 0) {
      auto lease = Lease::Take(folder, key, kCollector);
      if (lease.ok()) (*lease)->Note({17, 400, 5});
      if (lease.ok()) (*lease)->Note({18, 500, 6});
      if (write(ready[1], "x", 1) != 1) _exit(1);
      pause();
      _exit(0);
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
  }
  ~Owner() { Kill(); }
  void Kill() {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  pid_t child_ = -1;
};

StreamKey KeyOf(const std::string& instance) { return {"machine-1", "boot-1", instance}; }

TEST(LeaseTest, TellsHowFarAKilledAgentCame) {
  const Scratch scratch;
  const std::string folder = scratch / "lease";
  Owner owner(folder, KeyOf("old"));
  EXPECT_TRUE(FindOrphans(folder, KeyOf("new"), kCollector).empty());  // it lives
  owner.Kill();
  {
    const auto orphans = FindOrphans(folder, KeyOf("new"), kCollector);
    ASSERT_EQ(orphans.size(), 1u);
    const Gap gap = GapOf(*orphans[0], 9);
    EXPECT_EQ(gap.from_mono_ns, 6);
    EXPECT_EQ(gap.to_mono_ns, 9);
    EXPECT_EQ(orphans[0]->instance(), "old");
    EXPECT_EQ(orphans[0]->state().number, 18u);
    EXPECT_EQ(orphans[0]->state().event, 500u);
  }
  // Nobody was told of it: the next one finds it again, and once it has been told, nobody does.
  EXPECT_TRUE(FindOrphans(folder, KeyOf("new"), "unix:/another").empty());
  auto orphans = FindOrphans(folder, KeyOf("new"), kCollector);
  ASSERT_EQ(orphans.size(), 1u);
  orphans[0]->Remove();
  orphans.clear();
  EXPECT_TRUE(FindOrphans(folder, KeyOf("new"), kCollector).empty());
}

TEST(LeaseTest, WhatIsNoLeaseOfThisMachineIsRemoved) {
  const Scratch scratch;
  const std::string folder = scratch / "lease";
  Owner(folder, {"machine-2", "boot-1", "other-machine"}).Kill();
  Owner(folder, {"machine-1", "boot-0", "other-boot"}).Kill();
  std::ofstream(folder + "/cut.lease") << "RSlease1";
  std::ofstream(folder + "/zeros.lease") << std::string(4096, '\0');
  std::ofstream(folder + "/notes.txt") << "not ours";
  EXPECT_TRUE(FindOrphans(folder, KeyOf("new"), kCollector).empty());
  size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_EQ(entry.path().filename(), "notes.txt");
    ++left;
  }
  EXPECT_EQ(left, 1u);
}

TEST(LeaseTest, FarTooManyAreForgotten) {
  const Scratch scratch;
  const std::string folder = scratch / "lease";
  for (size_t i = 0; i < kLeasesMax + 3; ++i) {
    auto lease = Lease::Take(folder, KeyOf("old" + std::to_string(i)), kCollector);
    ASSERT_TRUE(lease.ok()) << lease.status();
  }
  EXPECT_EQ(FindOrphans(folder, KeyOf("new"), kCollector).size(), kLeasesMax);
}

TEST(LeaseTest, AnOrderlyEndLeavesNothing) {
  const Scratch scratch;
  Estate estate(scratch / "lease", kCollector);
  estate.Begin(KeyOf("old"));
  EXPECT_TRUE(estate.status().ok());
  EXPECT_FALSE(std::filesystem::is_empty(scratch / "lease"));
  estate.End();
  EXPECT_TRUE(std::filesystem::is_empty(scratch / "lease"));
  Estate nowhere("/proc/nowhere", kCollector);
  nowhere.Begin(KeyOf("old"));
  EXPECT_FALSE(nowhere.status().ok());
  nowhere.Note({1, LogLine{}});  // goes on without
}

}  // namespace
}  // namespace ringside
