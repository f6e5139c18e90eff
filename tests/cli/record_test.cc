// SPDX-License-Identifier: Apache-2.0
// `ringside record` on this kernel: needs root and a kernel that lets BPF programs load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "cli/json.h"
#include "collector/store/incident_reader.h"
#include "tests/cli/incident_files.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class RecordTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (geteuid() == 0 && !fs::is_empty("/sys/bus/virtio/devices")) return;
    puts("SKIP: needs root and a virtio device");
    _exit(77);
  }
  static void ExpectClosed(const std::string& path, const std::string& reason) {
    EXPECT_FALSE(fs::exists(path + "-wal")) << "a closed incident is one file";
    auto recording = ReadIncident(path);
    ASSERT_TRUE(recording.ok()) << recording.status();
    EXPECT_TRUE(recording->closed);
    ASSERT_EQ(recording->streams.size(), 1u);
    EXPECT_FALSE(recording->streams[0].queues.empty());
    EXPECT_GE(recording->streams[0].snapshots.size(), 2u);
    ASSERT_TRUE(recording->streams[0].bye.has_value());
    EXPECT_EQ(recording->streams[0].bye->reason, reason);
    EXPECT_EQ(recording->streams[0].missing_numbers, 0u);
  }

  TestFolder folder_;
};

TEST_F(RecordTest, RecordsForAWhile) {
  const std::string file = folder_ / "a.rsi";
  const RunResult result =
      RunRingside({"record", "-o", file, "--duration", "500ms", "--role", "guest", "--name", "n1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const auto lines = SplitLines(result.err);
  EXPECT_THAT(lines.front(), StartsWith("ready: recording into "));
  EXPECT_THAT(lines.back(), testing::Eq("next: ringside " + file));
  ExpectClosed(file, "duration over");
  EXPECT_THAT(RunRingside({file}).out, HasSubstr("n1/"));
  const Json queues = Json::parse(RunRingside({"queues", file, "--json"}).out);
  EXPECT_EQ(queues["rows"][0]["kind"], "guest");
}

TEST_F(RecordTest, SignalsEndItCleanly) {
  for (const auto& [signal, reason] : {std::pair{SIGINT, "interrupted by the user"},
                                       std::pair{SIGTERM, "terminated by a signal"}}) {
    const std::string file = folder_ / (std::to_string(signal) + ".rsi");
    const RunResult result =
        RunRingside({"record", "-o", file, "--quiet"}, {.signal_when_ready = signal});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, Not(HasSubstr("recording 0.")));
    ExpectClosed(file, reason);
  }
}

TEST_F(RecordTest, Kill9LeavesWhatWasCommitted) {
  const std::string file = folder_ / "k.rsi";
  const RunResult result = RunRingside({"record", "-o", file}, {.signal_when_ready = SIGKILL});
  EXPECT_EQ(result.exit_code, -1);
  const RunResult report = RunRingside({file});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_THAT(report.out, HasSubstr("warning: "));
}

TEST_F(RecordTest, ExistingFilesAreReplacedOnlyWithForce) {
  const std::string file = folder_ / "old.rsi";
  std::ofstream(file) << "precious";
  const RunResult refused = RunRingside({"record", "-o", file, "--duration", "100ms"});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_THAT(SplitLines(refused.err), SizeIs(1));
  EXPECT_THAT(refused.err, HasSubstr("exists already"));
  EXPECT_EQ(fs::file_size(file), 8u);
  const RunResult forced = RunRingside({"record", "-o", file, "--duration", "100ms", "--force"});
  EXPECT_EQ(forced.exit_code, 0) << forced.err;
  ExpectClosed(file, "duration over");
  fs::create_directory(folder_ / "d.rsi");
  const RunResult folder =
      RunRingside({"record", "-o", folder_ / "d.rsi", "--duration", "100ms", "--force"});
  EXPECT_EQ(folder.exit_code, 4);
  EXPECT_THAT(folder.err, HasSubstr("not a plain file"));
}

TEST_F(RecordTest, AFolderThatIsMissingIsSaidAtOnce) {
  const RunResult result =
      RunRingside({"record", "-o", folder_ / "no/such/a.rsi", "--duration", "100ms"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(SplitLines(result.err), SizeIs(1)) << result.err;
}

TEST_F(RecordTest, AFullDiskEndsItAndKeepsWhatWasCommitted) {
  const std::string small = folder_ / "small";
  fs::create_directory(small);
  // In a mount namespace of this process alone: whatever happens, nothing stays mounted.
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", small.c_str(), "tmpfs", 0, "size=400k") != 0) {
    GTEST_SKIP() << "SKIP: no tmpfs can be mounted here";
  }
  const std::string file = small + "/a.rsi";
  const RunResult result = RunRingside({"record", "-o", file, "--duration", "60s", "--quiet"});
  EXPECT_EQ(result.exit_code, 4) << result.err;
  const auto lines = SplitLines(result.err);
  EXPECT_THAT(lines, SizeIs(2)) << "ready, and one line for the failure: " << result.err;
  EXPECT_THAT(result.err, HasSubstr("what was recorded until then is safe"));
  fs::copy(small, folder_ / "copy");
  umount2(small.c_str(), MNT_DETACH);
  const RunResult report = RunRingside({folder_ / "copy/a.rsi"});
  EXPECT_EQ(report.exit_code, 0) << report.err;
  EXPECT_THAT(report.out, HasSubstr("warning: "));
}

TEST_F(RecordTest, AnUnknownVmIsSaid) {
  const RunResult result =
      RunRingside({"record", "-o", folder_ / "v.rsi", "--duration", "100ms", "--vm", "no-such-vm"});
  // Without host hooks there is nothing to filter, which is said as well.
  EXPECT_THAT(result.err, HasSubstr("no queue"));
}

TEST_F(RecordTest, DoctorProbesThisKernel) {
  const RunResult result = RunRingside({"doctor", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["schema"], 1);
  EXPECT_FALSE(json["machine"]["virtio"].empty());
  EXPECT_FALSE(json["stages"].empty());
  const RunResult text = RunRingside({"doctor"}, {.environment = {"COLUMNS=80"}});
  EXPECT_THAT(text.out, HasSubstr("guest.irq"));
  EXPECT_THAT(text.out, HasSubstr(json["machine"]["kernel"].get<std::string>()));
}

}  // namespace
}  // namespace ringside
