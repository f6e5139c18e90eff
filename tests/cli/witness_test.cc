// SPDX-License-Identifier: Apache-2.0
// A witness' text: what is read, what is refused, and which of the host's queues it is taken for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "cli/witness/witness_records.h"
#include "cli/witness/witness_text.h"
#include "correlate/analysis.h"
#include "correlate/witness.h"
#include "tests/cli/incident_files.h"
#include "tests/correlate/builder.h"

namespace ringside {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kHead[] =
    "ringside-witness 1\n"
    "### about\nsystem Linux\nname guest-a\nkernel 6.1.0\narch x86_64\nmachine m1\nboot b1\n"
    "### device virtio0 eth0\naddress 52:54:00:77:00:02\nthreaded 1\n"
    "### file /proc/sys/net/core/busy_read\n50\n";

std::string Reading(int number, const std::string& real, const std::string& boot, int rx0,
                    const std::string& more = "") {
  return "### reading " + std::to_string(number) + "\n### clock " + real + ".5 " + boot + " " +
         real + ".6\n### file /proc/interrupts\n           CPU0       CPU1\n" +
         " 24:          1          0   PCI-MSI 65536-edge      virtio0-config\n" +
         " 25:         10          " + std::to_string(rx0) +
         "   PCI-MSI 65537-edge      virtio0-input.0\nNMI: 1 2 Non-maskable\n" +
         "### irq 25\nhwirq 65537\ncount 7\nunhandled 3\nlast_unhandled 12 ms\n"
         "### tasks\n83 R 2000000 3000000000 napi/eth0-8193\n" +
         more + "### clock " + real + ".7 " + boot + " " + real + ".8\n";
}

std::vector<std::string> Problems(const WitnessText& witness) {
  std::vector<std::string> texts;
  for (const ClaimProblem& problem : witness.problems) {
    texts.push_back(problem.file + ":" + std::to_string(problem.line) + ": " + problem.text);
  }
  return texts;
}

Stream StreamOf(const std::vector<Record>& records) {
  Stream stream;
  for (const Record& record : records) {
    ++stream.last_number;
    if (const auto* hello = std::get_if<Hello>(&record)) stream.hello = *hello;
    if (const auto* queue = std::get_if<QueueInfo>(&record)) stream.queues.push_back(*queue);
    if (const auto* snapshot = std::get_if<Snapshot>(&record))
      stream.snapshots.push_back(*snapshot);
    if (const auto* fact = std::get_if<Fact>(&record)) stream.facts.push_back(*fact);
    if (const auto* line = std::get_if<LogLine>(&record)) stream.log.push_back(*line);
    if (const auto* bye = std::get_if<Bye>(&record)) stream.bye = *bye;
  }
  return stream;
}

TEST(WitnessTest, TwoReadingsAreTwoSnapshots) {
  WitnessText witness = ParseWitness(std::string(kHead) + Reading(1, "1700000000", "100.00", 5) +
                                         Reading(2, "1700000005", "105.01", 9) +
                                         "### log\n[   99.500000] irq 25: nobody cared\n### end\n",
                                     "w.txt");
  EXPECT_THAT(Problems(witness), IsEmpty());
  WitnessOptions options{.node = "vm1"};
  options.clock_bound_ns = 50'000'000;
  options.host_devices = {{"eth0", "tap0"}};
  const auto records = WitnessRecords(options, "w.txt", &witness);
  ASSERT_TRUE(records.ok()) << records.status();
  const Stream stream = StreamOf(*records);
  EXPECT_TRUE(IsWitness(stream.hello));
  EXPECT_EQ(stream.hello.name, "vm1");
  EXPECT_EQ(stream.hello.key.boot_id, "b1");
  ASSERT_EQ(stream.queues.size(), 1u);  // configuration changes are no queue's
  EXPECT_EQ(stream.queues[0].device + "/" + stream.queues[0].queue, "eth0/rx0");
  EXPECT_EQ(stream.queues[0].irq, 25);
  ASSERT_EQ(stream.snapshots.size(), 2u);
  EXPECT_EQ(stream.snapshots[0].samples[0].lo, 15u);
  EXPECT_EQ(stream.snapshots[1].samples[0].hi, 19u);
  EXPECT_THAT(stream.snapshots[1].gauges,
              Contains(GaugeSample{stream.queues[0].id, Gauge::kIrqUnhandled, 3}));
  EXPECT_EQ(stream.log[0].text, "irq 25: nobody cared");
  ASSERT_TRUE(stream.bye.has_value());
  std::map<std::string, std::string> facts;
  for (const Fact& fact : stream.facts) facts[fact.name] = fact.value;
  EXPECT_EQ(facts["clock.maxerror_us"], "50000");
  EXPECT_EQ(facts["eth0.threaded"], "1");
  EXPECT_EQ(facts["net.core.busy_read"], "50");
  EXPECT_EQ(facts["eth0.host_device"], "tap0");
  EXPECT_EQ(facts["task.83"], "napi/eth0-8193 R 2000 3000000");
  EXPECT_EQ(facts["virtio0-input.0.hwirq"], "65537");
}

// The clock's interval holds the truth: uptime is rounded down, and read after the first REALTIME.
TEST(WitnessTest, TheClocksIntervalHoldsTheTruth) {
  WitnessText witness = ParseWitness(
      std::string(kHead) + Reading(1, "1700000000", "100.00", 5) + "### end\n", "w.txt");
  const auto records = WitnessRecords({}, "w.txt", &witness);
  ASSERT_TRUE(records.ok()) << records.status();
  const ClockReading clock = std::get<Hello>(records->front()).clock;
  const int64_t offset_lo = clock.real_ns - clock.mono_ns;
  const int64_t offset_hi = offset_lo + clock.width_ns;
  constexpr int64_t kSec = 1'000'000'000;
  for (const int64_t boot_ns : {100 * kSec, 100 * kSec + 9'999'999}) {
    for (const int64_t real_ns :
         {1'700'000'000 * kSec + kSec / 2, 1'700'000'000 * kSec + kSec * 6 / 10}) {
      EXPECT_LE(offset_lo, real_ns - boot_ns);
      EXPECT_GE(offset_hi, real_ns - boot_ns);
    }
  }
}

TEST(WitnessTest, BadLinesAreNamedAndTheRestIsTaken) {
  WitnessText witness = ParseWitness(
      std::string(kHead) +
          Reading(1, "1700000000", "100.00", 5,
                  "### file /proc/interrupts\n CPU0 CPU1\n 26: x 1 a virtio0-output.0\n 27: 3\n"
                  " 28: 1 1 a virtio0-output.1\n 29: 1 -4 a virtio1-req.0\n"
                  "### tasks\nwho knows\n### surprise\n") +
          "### log\nno time\n[ 1.5] virtio fine\n",
      "w.txt");
  EXPECT_THAT(
      Problems(witness),
      ElementsAre(HasSubstr("w.txt:30: column of CPU 0: not a number: 'x'"),
                  HasSubstr("w.txt:33: column of CPU 1: negative: '-4'"),
                  HasSubstr("w.txt:35: not a task"), HasSubstr("w.txt:36: a section that ringside"),
                  HasSubstr("w.txt:39: no kernel log line: 'no time'"),
                  HasSubstr("the text ends before its '### end': it was cut")));
  EXPECT_EQ(witness.readings.at(0).interrupts.size(), 3u);  // config, input.0, output.1
  EXPECT_EQ(witness.log.size(), 1u);
}

TEST(WitnessTest, WhatIsNoWitnessIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("hello\n"), std::string("ringside-witness 9\n### end\n"),
        std::string(kHead) + "### end\n"}) {
    WitnessText witness = ParseWitness(text, "w.txt");
    const auto records = WitnessRecords({}, "w.txt", &witness);
    EXPECT_FALSE(records.ok());
    EXPECT_THAT(std::string(records.status().message()), HasSubstr("w.txt: no reading"));
  }
}

TEST(WitnessTest, CountsThatGoBackAreLeftOut) {
  WitnessText witness = ParseWitness(std::string(kHead) + Reading(1, "1700000000", "100.00", 5) +
                                         Reading(2, "1700000005", "105.01", 3) + "### end\n",
                                     "w.txt");
  const auto records = WitnessRecords({}, "w.txt", &witness);
  ASSERT_TRUE(records.ok());
  EXPECT_THAT(Problems(witness), Contains(HasSubstr("virtio0-input.0 went back from 15 to 13")));
  EXPECT_TRUE(StreamOf(*records).snapshots[1].samples.empty());
}

// Made up after what witness.ps1 prints (no Windows at hand): no queues, but facts and log.
TEST(WitnessTest, AWindowsGuestGivesFacts) {
  std::ifstream file(RINGSIDE_TESTS "/data/witness-windows-made-up.txt", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  ASSERT_FALSE(text.empty());
  WitnessText witness = ParseWitness(text, "w.txt");
  EXPECT_THAT(Problems(witness), IsEmpty());
  const auto records = WitnessRecords({.node = "winvm"}, "w.txt", &witness);
  ASSERT_TRUE(records.ok()) << records.status();
  const Stream stream = StreamOf(*records);
  EXPECT_TRUE(stream.queues.empty());
  EXPECT_EQ(stream.hello.smbios_uuid, "d88dabb9-654a-4024-af2a-081ce3aa3757");
  EXPECT_EQ(stream.snapshots.size(), 2u);
  EXPECT_EQ(stream.log.size(), 1u);
  std::map<std::string, std::string> facts;
  for (const Fact& fact : stream.facts) facts[fact.name] = fact.value;
  EXPECT_EQ(facts["system"], "Windows");
  EXPECT_EQ(facts["Ethernet 2.tx_packets"], "99330");
  EXPECT_EQ(facts["0, Red Hat VirtIO Ethernet Adapter #2.interrupts"], "55120");
}

// The host counted, the guest was asked: one story, and nothing violated on it.
class WitnessPairing : public testing::Test {
 protected:
  Ledger LedgerWith(const std::string& name, int grown) {
    return Analyse(RecordingWith(name, grown, ""), {}).ledger;
  }
  Recording RecordingWith(const std::string& name, int grown, const std::string& log) {
    Builder builder;
    builder.HostCounts({Count::kVhostBatches, Count::kVhostSignalled, Count::kVhostSuppressed,
                        Count::kVhostUnwired, Count::kIrqfdWoken, Count::kKvmInjected});
    builder.Steps(20, 500,
                  {{Count::kVhostBatches, 2},
                   {Count::kVhostSignalled, 2},
                   {Count::kIrqfdWoken, 2},
                   {Count::kKvmInjected, 2}});
    Recording recording = builder.HostOnly();
    Stream& host = recording.streams.front();
    for (QueueInfo& queue : host.queues) queue.vm_name = "vm1";
    const int64_t at_s = (host.hello.clock.real_ns + 2'000'000'000) / 1'000'000'000;
    WitnessText witness =
        ParseWitness(std::string(kHead) + Reading(1, std::to_string(at_s), "100.00", 5) +
                         Reading(2, std::to_string(at_s + 5), "105.00", 5 + grown) + "### log\n" +
                         log + "### end\n",
                     "w.txt");
    WitnessOptions options{.node = name};
    options.clock_bound_ns = 1'000'000;
    const auto records = WitnessRecords(options, "w.txt", &witness);
    EXPECT_TRUE(records.ok()) << records.status();
    if (host.facts.empty()) host.facts.push_back({0, "clock.maxerror_us", "1000"});
    recording.streams.push_back(StreamOf(*records));
    return recording;
  }
};

TEST_F(WitnessPairing, TheNamedVmsQueueOfThatName) {
  const Ledger ledger = LedgerWith("vm1", 20);
  ASSERT_EQ(ledger.queues.size(), 1u);
  const QueueLedger& queue = ledger.queues.front();
  EXPECT_EQ(queue.queue, "vm1/eth0/rx0");
  EXPECT_EQ(queue.host_queue, "host1/tap0/rx0");
  EXPECT_TRUE(queue.binding.provisional);
  ASSERT_NE(queue.Find(Count::kGuestProcIrq), nullptr);
  EXPECT_EQ(queue.Find(Count::kGuestProcIrq)->lo, 20u);
  EXPECT_EQ(queue.Find(Count::kGuestIrq), nullptr);
  EXPECT_EQ(queue.verdict, Verdict::kHolds);
}

TEST_F(WitnessPairing, AnotherVmIsNotBound) { EXPECT_EQ(LedgerWith("vm2", 20).queues.size(), 2u); }

TEST_F(WitnessPairing, MoreInterruptsThanWereSentSpeakAgainstIt) {
  EXPECT_EQ(LedgerWith("vm1", 500).queues.size(), 2u);
}

// Long before anybody recorded the guest's kernel switched the interrupt off, and none came since.
TEST_F(WitnessPairing, TheKernelsLogTellsWhatTheHostCannotSee) {
  const std::string log = "[   9.500000] irq 25: nobody cared\n[   9.500001] Disabling IRQ #25\n";
  const auto found = [&](int grown) {
    const Analysis analysis = Analyse(RecordingWith("vm1", grown, log), {});
    return std::any_of(analysis.findings.begin(), analysis.findings.end(), [](const Finding& f) {
      return f.cause == Cause::kIrqDisabled && f.queue == "vm1/eth0/rx0" && !f.root;
    });
  };
  EXPECT_TRUE(found(0));
  EXPECT_FALSE(found(3));  // somebody has switched it on again
}

// As people type it: into a file of its own, and joined with the host's in one step.
TEST(ImportTest, ImportsAndMerges) {
  TestFolder folder;
  Builder builder;
  builder.HostCounts({Count::kVhostBatches, Count::kKvmInjected}).Steps(3, 500, {});
  Recording host = builder.HostOnly();
  for (QueueInfo& queue : host.streams.front().queues) queue.vm_name = "vm1";
  host.streams.front().clocks.clear();
  WriteIncident(host, folder / "host.rsi");
  std::ofstream(folder / "w.txt") << kHead << Reading(1, "1700000001", "100.00", 5)
                                  << "### log\nno time\n### end\n";
  const RunResult alone = RunRingside({"import", folder / "w.txt", "-o", folder / "w.rsi"});
  EXPECT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_THAT(alone.err, HasSubstr("w.txt:30: no kernel log line: 'no time'\n"));
  EXPECT_THAT(RunRingside({"report", folder / "w.rsi"}).out, HasSubstr("guest-a/eth0/rx0"));
  const RunResult both =
      RunRingside({"import", folder / "w.txt", "--node", "vm1", "--clock-bound", "50ms", "--merge",
                   folder / "host.rsi", "-o", folder / "both.rsi"});
  EXPECT_EQ(both.exit_code, 0) << both.err;
  EXPECT_THAT(RunRingside({"report", folder / "both.rsi"}).out,
              HasSubstr("vm1/eth0/rx0 <- tap0/rx0"));
  // The same text again is the same stream: nothing is counted twice.
  EXPECT_EQ(RunRingside({"import", folder / "w.txt", "--node", "vm1", "--clock-bound", "50ms",
                         "--merge", folder / "both.rsi", "-o", folder / "again.rsi"})
                .exit_code,
            0);
  EXPECT_THAT(RunRingside({"report", folder / "again.rsi"}).out, Not(HasSubstr("vm1~2")));
  EXPECT_EQ(RunRingside({"import", folder / "none.txt", "-o", folder / "x.rsi"}).exit_code, 4);
  EXPECT_EQ(
      RunRingside({"import", folder / "w.txt", "--tap", "eth0", "-o", folder / "x.rsi"}).exit_code,
      2);
  EXPECT_EQ(RunRingside({"import", folder / "w.txt", "-o", folder / "w.rsi"}).exit_code, 4);
}

// The script itself, by whatever shells are here: nothing it prints may be strange to the reader.
TEST(ImportTest, WhatTheScriptPrintsIsRead) {
  const std::string script = RINGSIDE_TESTS "/../deploy/witness/witness.sh";
  int shells = 0;
  for (const std::string shell : {"busybox sh", "dash", "sh"}) {
    const std::string program = shell.substr(0, shell.find(' '));
    if (std::system(("command -v " + program + " > /dev/null").c_str()) != 0) continue;
    ++shells;
    TestFolder folder;
    const std::string text = folder / "w.txt";
    ASSERT_EQ(std::system((shell + " " + script + " 0 > " + text).c_str()), 0) << shell;
    const RunResult result = RunRingside({"import", text, "-o", folder / "w.rsi"});
    EXPECT_EQ(result.exit_code, 0) << shell << ": " << result.err;
    for (const std::string& line : SplitLines(result.err)) {
      // A message of several lines in the kernel's log is the one thing that is nobody's fault.
      EXPECT_TRUE(line.starts_with("ringside: imported 2 readings") ||
                  line.find("no kernel log line") != std::string::npos)
          << shell << ": " << line;
    }
  }
  EXPECT_GT(shells, 0);
}

}  // namespace
}  // namespace ringside
