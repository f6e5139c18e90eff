// SPDX-License-Identifier: Apache-2.0
#include "agent/parts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "agent/kernel_files.h"

namespace ringside {
namespace {

TEST(PartsTest, AProcessIsCalledByItsOwnNameWhileItLives) {
  ProcessNames names;
  rs_part part{.kind = RS_PART_BUSY, .who = static_cast<uint32_t>(getpid()), .in_use = 1};
  std::strcpy(part.comm, "a-thread");
  const std::string own = ReadText("/proc/self/comm");
  EXPECT_EQ(names.Label(part), "process=" + own + " (" + std::to_string(getpid()) + ")");
}

TEST(PartsTest, OneThatIsGoneByWhatTheKernelSaw) {
  ProcessNames names;
  rs_part part{.kind = RS_PART_BUSY, .who = UINT32_MAX, .in_use = 1};
  std::memcpy(part.comm, "sixteen-letters!", 16);  // no room for an end
  EXPECT_EQ(names.Label(part), "process=sixteen-letters! (4294967295)");
}

TEST(PartsTest, AWriterIsItsProcessAndItsThread) {
  ProcessNames names;
  rs_part part{.kind = RS_PART_WRITER, .who = 4720, .in_use = 1};
  part.tgid = static_cast<uint32_t>(getpid());
  std::strcpy(part.comm, "pmd-c00/id:8");
  const std::string own = ReadText("/proc/self/comm");
  EXPECT_EQ(names.Label(part), "process=" + own + " (" + std::to_string(getpid()) + ")");
  EXPECT_EQ(ProcessNames::ThreadLabel(part), "thread=pmd-c00/id:8 (4720)");
}

}  // namespace
}  // namespace ringside
