// SPDX-License-Identifier: Apache-2.0
// `ringside verify`: what other tools print, read, judged against the first-light recording.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cli/claims/claim_file.h"
#include "tests/cli/incident_files.h"

namespace ringside {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kSamples = RINGSIDE_TESTS "/cli/claims/data/";
const std::string kIncident = RINGSIDE_TESTS "/data/first-light-6.1.rsi";

ClaimFile Read(const std::string& name) {
  const auto text = ReadClaimText(kSamples + name);
  EXPECT_TRUE(text.ok()) << text.status();
  return ParseClaims(text.ok() ? *text : "", {name, 0});
}

// "count queue value" of each claim.
std::vector<std::string> Lines(const ClaimFile& file) {
  std::vector<std::string> lines;
  for (const Claim& claim : file.claims) {
    const std::string subject = SubjectName(claim.subject);
    lines.push_back((subject.find('+') == std::string::npos ? subject : claim.name) + " " +
                    claim.queue + " " + std::to_string(claim.value));
  }
  return lines;
}

std::vector<std::string> Problems(const ClaimFile& file) {
  std::vector<std::string> lines;
  for (const ClaimProblem& problem : file.problems) {
    lines.push_back(std::to_string(problem.line) + ": " + problem.text);
  }
  return lines;
}

TEST(ClaimFilesTest, InterruptsAreTheDifferenceOfTwoSnapshots) {
  const ClaimFile file = Read("interrupts.txt");
  EXPECT_EQ(file.format, "/proc/interrupts");
  EXPECT_THAT(Lines(file), ElementsAre("guest.proc_irq virtio0-input.0 1628",
                                       "guest.proc_irq virtio0-input.1 1243"));
  EXPECT_THAT(Problems(file), ElementsAre(HasSubstr("12: irq:36 went back from 10 to 6")));
  EXPECT_THAT(Problems(Read("interrupts-before.txt")), ElementsAre(HasSubstr("give a second one")));
}

TEST(ClaimFilesTest, BpftraceMaps) {
  ClaimFile file = Read("bpftrace.txt");
  EXPECT_THAT(Lines(file),
              ElementsAre("irqfd.woken  29000", "guest.irq irq:31 1628", "guest.irq irq:33 1200"));
  EXPECT_THAT(Problems(file), ElementsAre("13: negative: '-5'; a count only grows"));
  file = Read("trace-int-final.txt");  // cleared after each print: the sum; states: the newest
  EXPECT_THAT(Lines(file), ElementsAre("guest.irq virtio0-input.0 1514", "irq.count irq:31 5710",
                                       "irq.unhandled irq:31 12", "guest.irq irq:31 1514",
                                       "ring.last_used irq:31 2190", "ring.used irq:31 2200",
                                       "guest.none irq:31 1", "guest.handled irq:31 1513"));
  file = Read("rx-path-summary.txt");
  EXPECT_THAT(Lines(file), ElementsAre("guest.irq irq:31 1628", "guest.irq irq:33 1030",
                                       "guest.none irq:31 3", "guest.handled irq:31 1625",
                                       "guest.irq irq:31 1628", "guest.irq irq:33 1030",
                                       "virtnet_poll rx* 4245", "guest.packets rx* 54753"));
  EXPECT_THAT(Lines(Read("eventfd-count-bt.txt")), ElementsAre("vhost.batches  24514"));
}

TEST(ClaimFilesTest, HostTools) {
  ClaimFile file = Read("irqfd-stats-arm.txt");
  EXPECT_THAT(Lines(file), ElementsAre("irqfd.woken  1353", "irqfd.woken  1353", "kvm.slowpath  0",
                                       "kvm.injected  1353", "kvm.injected  1353",
                                       "irqfd.woken gsi:2 753", "irqfd.woken gsi:25 600"));
  EXPECT_EQ(file.claims[0].window.length_ns, 30'000'000'000);
  EXPECT_TRUE(file.claims[0].window.to_ns.has_value());
  file = Read("irqfd-stats.txt");
  ASSERT_EQ(file.claims.size(), 10u);
  EXPECT_EQ(*file.claims[9].window.to_ns - *file.claims[0].window.to_ns, 30'000'000'000);
  EXPECT_THAT(Lines(Read("eventfd-count.txt")), ElementsAre("vhost.batches  24514"));
  EXPECT_THAT(Lines(Read("queue-correlation.txt")),
              ElementsAre("vhost.batches tap0/rx0 10", "vhost.signalled tap0/rx0 6",
                          "vhost.suppressed tap0/rx0 4", "vhost.used tap0/rx0 27",
                          "vhost.batches tap0/rx1 1"));
  EXPECT_THAT(Lines(Read("queue-correlation-details.txt")),
              ElementsAre("vhost.batches tap0/rx1 1", "tun.offered tap0/rx1 1"));
}

TEST(ClaimFilesTest, GuestTools) {
  ClaimFile file = Read("irq-monitor.txt");
  EXPECT_THAT(Lines(file), ElementsAre("guest.irq irq:31 753", "guest.none irq:31 3",
                                       "guest.handled irq:31 750"));
  EXPECT_THAT(Problems(file), ElementsAre("22: not a number: '12x'"));
  EXPECT_EQ(file.claims[0].window.length_ns, 30'000'000'000);
  file = Read("poll-monitor.txt");
  EXPECT_THAT(Lines(file), ElementsAre("guest.handled eth0/rx0 1", "virtnet_poll eth0/rx0 1",
                                       "guest.packets eth0/rx0 12", "virtnet_poll eth0/rx1 1",
                                       "guest.packets eth0/rx1 1"));
  EXPECT_THAT(Problems(file), ElementsAre("11: packets processed: no number"));
}

TEST(ClaimFilesTest, PerfAndTraceCmd) {
  ClaimFile file = Read("perf-stat.txt");
  EXPECT_THAT(Lines(file), ElementsAre("guest.irq  1628", "guest.irq  12763"));
  EXPECT_EQ(file.claims[0].window.length_ns, 90'571'234'567);
  EXPECT_THAT(Problems(file), ElementsAre(HasSubstr("6: perf did not count this")));
  file = Read("perf-script.txt");
  EXPECT_THAT(Lines(file), ElementsAre("guest.irq virtio0-input.0 2", "guest.handled irq:31 1",
                                       "guest.none irq:31 1", "irqfd.woken  1"));
  file = Read("trace-cmd.txt");
  EXPECT_THAT(Lines(file), ElementsAre("guest.irq virtio0-input.0 1", "guest.handled irq:31 1",
                                       "guest.irq virtio0-input.1 1", "kvm.slowpath gsi:24 1",
                                       "irqfd.woken  1"));
  EXPECT_THAT(Problems(file), ElementsAre(HasSubstr("4: the trace lost events here")));
}

TEST(ClaimFilesTest, BadJsonLeavesTheRest) {
  const ClaimFile file = Read("claims.json");
  EXPECT_EQ(file.claims.size(), 13u);
  EXPECT_THAT(Problems(file), ElementsAre("13: \"value\" is negative: '-3'; a count only grows",
                                          "14: \"value\" is too large for a count: '3e+40'",
                                          "17: the text is cut in the middle of this claim"));
  EXPECT_THAT(Lines(Read("claims-utf16.json")), ElementsAre("guest.irq eth0/rx0 1610"));
  const ClaimFile latin = Read("claims-latin1.json");
  EXPECT_THAT(Lines(latin), ElementsAre("guest.irq eth0/rx0 1610"));
  EXPECT_THAT(Problems(latin), ElementsAre("2: a claim with bytes that are not UTF-8"));
}

TEST(ClaimFilesTest, EveryPrefixOfASampleIsReadOrRefusedWithAWord) {
  for (const char* name : {"claims.json", "interrupts.txt", "irqfd-stats.txt", "trace-cmd.txt"}) {
    const auto text = ReadClaimText(kSamples + name);
    ASSERT_TRUE(text.ok());
    for (size_t size = 0; size < text->size(); ++size) {
      const ClaimFile file = ParseClaims(text->substr(0, size), {name, 0});
      EXPECT_TRUE(!file.claims.empty() || !file.problems.empty() || file.format != "")
          << name << " cut at " << size;
    }
  }
}

// Runs `ringside verify` on first light with these claims.
RunResult Verify(const std::string& folder, const std::string& claims,
                 const std::vector<std::string>& more = {}) {
  std::ofstream(folder + "c.json") << "{\"schema\":1,\"claims\":[" << claims << "]}";
  std::vector<std::string> arguments = {"verify", kIncident, "--claims", folder + "c.json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunRingside(arguments);
}

TEST(VerifyCommandTest, ExitCodesFollowTheVerdicts) {
  TestFolder folder;
  const std::string place = folder / "";
  const std::string right = R"({"queue":"eth0/rx0","count":"guest.irq","value":1628})";
  const std::string wrong = R"({"queue":"eth0/rx0","count":"guest.irq","value":2000})";
  const std::string unknown = R"({"queue":"eth9/rx0","count":"guest.irq","value":1})";
  EXPECT_EQ(Verify(place, right).exit_code, 0);
  EXPECT_EQ(Verify(place, right + "," + wrong).exit_code, 1);
  EXPECT_EQ(Verify(place, right + "," + wrong + "," + unknown).exit_code, 1);
  EXPECT_EQ(Verify(place, right + ", {}").exit_code, 3);
  const RunResult inconclusive = Verify(place, right + ",\n" + unknown);
  EXPECT_EQ(inconclusive.exit_code, 3);
  EXPECT_THAT(inconclusive.err, HasSubstr("c.json:2: unknown queue 'eth9/rx0'; known are "));
  EXPECT_EQ(Verify(place, right, {"--from", "tomorrow"}).exit_code, 2);
  EXPECT_EQ(RunRingside({"verify", kIncident}).exit_code, 2);
  EXPECT_EQ(RunRingside({"verify", kIncident, "--claims", "no-such-file"}).exit_code, 4);
  EXPECT_EQ(Verify(place, "").exit_code, 4);
}

TEST(VerifyCommandTest, JsonIsTheDocumentedObject) {
  TestFolder folder;
  const RunResult result = Verify(
      folder / "", R"({"source":"v","queue":"eth0/rx1","count":"vhost.signalled","value":11751})",
      {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("\"queue\": \"vm1/eth0/rx1\""), HasSubstr("\"claimed\": 11751"),
                    HasSubstr("\"verdict\": \"refuted\""), HasSubstr("\"lo\": 1022"),
                    HasSubstr("\"id\": \"calls-for-signals\""), HasSubstr("\"tried\": ")));
}

TEST(VerifyCommandTest, TwoFilesOfInterruptsAreOneMeasurement) {
  const RunResult result =
      RunRingside({"verify", kIncident, "--claims", kSamples + "interrupts-before.txt", "--claims",
                   kSamples + "interrupts-after.txt"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("guest.proc_irq 1,628 on vm1/eth0/rx0; measured 1,628"));
}

}  // namespace
}  // namespace ringside
