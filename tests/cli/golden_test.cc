// SPDX-License-Identifier: Apache-2.0
// What the commands print on stored incidents (tests/data) and on incidents of the path model,
// against the files in tests/cli/golden. RINGSIDE_UPDATE_GOLDEN=1 writes them anew, from the run:
// none is ever written by hand. Look at the difference before it is committed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/cli/incident_files.h"
#include "tests/correlate/case_a.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Runs `ringside` in `folder` with 100 columns and compares what it prints with golden/NAME.txt.
void ExpectGolden(const std::string& name, const std::vector<std::string>& arguments,
                  const std::string& folder, int exit_code = 0) {
  const RunResult result =
      RunRingside(arguments, {.environment = {"COLUMNS=100"}, .folder = folder});
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  const fs::path golden = fs::path(RINGSIDE_TESTS "/cli/golden") / (name + ".txt");
  if (std::getenv("RINGSIDE_UPDATE_GOLDEN") != nullptr) {
    fs::create_directories(golden.parent_path());
    std::ofstream(golden) << result.out;
    return;
  }
  ASSERT_TRUE(fs::exists(golden)) << golden << " is missing; RINGSIDE_UPDATE_GOLDEN=1 makes it";
  EXPECT_EQ(result.out, ReadFile(golden)) << "RINGSIDE_UPDATE_GOLDEN=1 accepts the new text";
}

TEST(GoldenTest, StoredIncidents) {
  const fs::path data = RINGSIDE_TESTS "/data";
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(data, none)) {
    if (entry.path().extension() == ".rsi") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    ExpectGolden(name + ".summary", {name + ".rsi"}, data);
    ExpectGolden(name + ".queues", {"queues", name + ".rsi"}, data);
    ExpectGolden(name + ".ledger", {"ledger", name + ".rsi"}, data);
    ExpectGolden(name + ".explain", {"explain", name + ".rsi"}, data);
    ExpectGolden(name + ".clocks", {"clocks", name + ".rsi"}, data);
  }
}

// The host's file alone, and with what busybox' shell said in the guest meanwhile.
TEST(GoldenTest, AWitnessTextMakesTheStoryGrow) {
  TestFolder folder;
  const RunResult imported =
      RunRingside({"import", RINGSIDE_TESTS "/data/witness-6.1.txt", "--node", "vm1", "--tap",
                   "eth0=tap0", "--clock-bound", "2s", "--merge",
                   RINGSIDE_TESTS "/data/host-only-6.1.rsi", "-o", folder / "both.rsi"});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  ExpectGolden("host-only-6.1-witness.summary", {"both.rsi"}, folder / ".");
  ExpectGolden("host-only-6.1-witness.explain", {"explain", "both.rsi"}, folder / ".");
}

TEST(GoldenTest, ModelledIncidents) {
  TestFolder folder;
  const std::pair<const char*, PathOptions> kModels[] = {
      {"healthy", {.batches = 3000}},
      {"losing", {.batches = 3000, .lose_every = 50}},
      {"unmatched", {.batches = 3000, .wrong_address = true}}};
  for (const auto& [name, options] : kModels) {
    SCOPED_TRACE(name);
    PathTruth truth;
    const std::string file = std::string(name) + ".rsi";
    Recording recording = ModelPath(options, &truth);
    for (Stream& stream : recording.streams) stream.bye->clock = stream.snapshots.back().end;
    WriteIncident(recording, folder / file);
    ExpectGolden(std::string("model-") + name + ".summary", {file}, folder / ".");
  }
  ExpectGolden("model-losing.explain", {"explain", "losing.rsi"}, folder / ".");
  ExpectGolden("model-losing.explain-json", {"explain", "losing.rsi", "--json"}, folder / ".");
  ExpectGolden("model-losing.against", {"explain", "healthy.rsi", "--against", "losing.rsi"},
               folder / ".");
  ExpectGolden("model-losing.ledger", {"ledger", "losing.rsi"}, folder / ".");
  ExpectGolden("model-losing.ledger-json", {"ledger", "losing.rsi", "--json"}, folder / ".");
  ExpectGolden("model-healthy.queues", {"queues", "healthy.rsi"}, folder / ".");
  ExpectGolden("model-healthy.timeline", {"timeline", "healthy.rsi"}, folder / ".");
}

// The published numbers of case A, told from its counts.
TEST(GoldenTest, PublishedCaseA) {
  TestFolder folder;
  Recording recording = PublishedCaseA();
  for (Stream& stream : recording.streams) stream.bye->clock = stream.snapshots.back().end;
  WriteIncident(recording, folder / "case-a.rsi");
  ExpectGolden("case-a.explain", {"explain", "case-a.rsi"}, folder / ".");
  ExpectGolden("case-a.explain-md", {"explain", "case-a.rsi", "--format", "md"}, folder / ".");
  // What was published of it, each number against the others.
  fs::copy_file(RINGSIDE_TESTS "/data/case-a.claims.json", folder / "case-a.claims.json");
  const std::vector<std::string> verify = {"verify", "case-a.rsi", "--claims",
                                           "case-a.claims.json"};
  ExpectGolden("case-a.verify", verify, folder / ".", 1);
}

// What Open vSwitch and the guest's kernel counted themselves, queue by queue: all confirmed.
TEST(GoldenTest, OpenVSwitchsOwnCounts) {
  ExpectGolden("ovs-6.1.verify", {"verify", "ovs-6.1.rsi", "--claims", "ovs-6.1.claims.json"},
               RINGSIDE_TESTS "/data");
}

// Case C (two VMs pinging through OVS-DPDK on arm64): no lab here stays on the slow path. Its file
// says that a simulator made it.
TEST(GoldenTest, SimulatedCaseC) {
  TestFolder folder;
  const std::string command = std::string(RINGSIDE_SIM) +
                              " run --scenario slow-path-injection --seed 20261120 -o " +
                              (folder / "sim-case-c.rsi") + " > /dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  ExpectGolden("sim-case-c.explain", {"explain", "sim-case-c.rsi"}, folder / ".");
}

// Details of every hit, of a guest whose vCPUs wait for CPUs: `score --latency` judges the same
// journeys by the truth.
TEST(GoldenTest, SimulatedLatency) {
  TestFolder folder;
  const std::string command = std::string(RINGSIDE_SIM) +
                              " run --scenario latency-contended --seed 3 -o " +
                              (folder / "sim-contended.rsi") + " > /dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  ExpectGolden("sim-contended.latency", {"latency", "sim-contended.rsi", "--over", "11ms"},
               folder / ".");
}

// Where the lab's packets spend their time, vCPU by vCPU (tests/sim/fit is held to the same files).
TEST(GoldenTest, LatencyOfTheLab) {
  ExpectGolden("clocks-6.1.latency", {"latency", "clocks-6.1.rsi", "--over", "15ms"},
               RINGSIDE_TESTS "/data");
}

// Packets that Open vSwitch gives back to the guest they come from, with details of its writes.
TEST(GoldenTest, WritersOfTheLab) {
  ExpectGolden("ovs-forward-6.1.latency", {"latency", "ovs-forward-6.1.rsi"},
               RINGSIDE_TESTS "/data");
}

// The proof after a remedy: the same queue, before and after.
TEST(GoldenTest, AfterTheRemedyTheStormIsGone) {
  ExpectGolden("storm-5.10.against",
               {"explain", "storm-after-5.10.rsi", "--against", "storm-5.10.rsi"},
               RINGSIDE_TESTS "/data");
}

}  // namespace
}  // namespace ringside
