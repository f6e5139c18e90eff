// SPDX-License-Identifier: Apache-2.0
// Changes of verdicts and findings in the incident.
#include "collector/store/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/store/finding_json.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

VerdictChange Violated(int64_t at_s, const std::string& queue) {
  return {kEpoch_ns + at_s * kSecond_ns, queue,           "host1/tap0/rx0",
          "injected = interrupts",       Verdict::kHolds, Verdict::kViolated,
          "injected 100, interrupts 98", kEpoch_ns,       kEpoch_ns + at_s * kSecond_ns};
}

Finding LostInterrupt() {
  Finding finding;
  finding.cause = Cause::kLostInterrupt;
  finding.queue = "vm1/eth0/rx0";
  finding.host_queue = "host1/tap0/rx0";
  finding.root = true;
  finding.certainty = Certainty::kMedium;
  finding.since_ns = kEpoch_ns + 3 * kSecond_ns;
  finding.title = "2 interrupts never arrived";
  finding.evidence = {{"100 injected, 98 came", {"guest.irq (tp_btf)"}}};
  finding.next = {{"vm1", "cat /proc/interrupts", ""}};
  return finding;
}

std::unique_ptr<IncidentWriter> Store(const std::string& path,
                                      const std::vector<EvaluationChange>& changes) {
  std::unique_ptr<IncidentWriter> writer = NewWriter(path);
  AppendAll(*writer, Key("vm1"), {MakeHello("vm1")});
  for (const EvaluationChange& change : changes) {
    EXPECT_TRUE(writer->Append(change).ok());
  }
  EXPECT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  return writer;
}

FindingChange Change(int64_t at_s, FindingStep step, const Finding& finding, uint64_t episode = 1) {
  return MakeFindingChange(kEpoch_ns + at_s * kSecond_ns, step, episode, finding);
}

TEST(EvaluationTest, VerdictsAreReadAsTheyCame) {
  const Scratch scratch;
  VerdictChange whole = Violated(2, "");
  whole.identity.clear();
  auto writer = Store(scratch / "a.rsi", {Violated(2, "vm1/eth0/rx0"), whole});
  EXPECT_THAT(
      Rows(scratch / "a.rsi",  // also while it is being written
           "SELECT (t - 1700000000000000000) / 1000000000, queue, host_queue, identity, before,"
           " verdict, why, t_from - 1700000000000000000, recorder, file FROM verdicts"),
      ElementsAre("2|vm1/eth0/rx0|host1/tap0/rx0|injected = interrupts|holds|violated|injected 100,"
                  " interrupts 98|0|collector1|a.rsi",
                  "2||host1/tap0/rx0||holds|violated|injected 100, interrupts 98|0|collector1|"
                  "a.rsi"));
}

TEST(EvaluationTest, AFindingIsWhatWasSaidLastOfIt) {
  const Scratch scratch;
  Finding later = LostInterrupt();
  later.certainty = Certainty::kHigh;
  later.caused_by = {"stale-route"};
  later.root = false;
  auto writer = Store(scratch / "a.rsi", {Change(4, FindingStep::kAppeared, LostInterrupt()),
                                          Change(6, FindingStep::kChanged, later)});
  const std::string sql =
      "SELECT id, queue, root, caused_by, certainty, (since - 1700000000000000000) / 1000000000,"
      " (until - 1700000000000000000) / 1000000000, title, host_queue FROM findings";
  EXPECT_THAT(Rows(scratch / "a.rsi", sql),
              ElementsAre("lost-interrupt|vm1/eth0/rx0|0|[\"stale-route\"]|high|3||2 interrupts "
                          "never arrived|host1/tap0/rx0"));
  ASSERT_TRUE(writer->Append(Change(90, FindingStep::kEnded, later)).ok());
  ASSERT_TRUE(writer->Append(Change(95, FindingStep::kAppeared, LostInterrupt(), 2)).ok());
  ASSERT_TRUE(writer->Close().ok());
  EXPECT_THAT(
      Rows(scratch / "a.rsi", "SELECT (until - 1700000000000000000) / 1000000000 FROM findings"),
      ElementsAre("90", ""));
}

TEST(EvaluationTest, TheDetailIsTheFinding) {
  const Scratch scratch;
  auto writer = Store(scratch / "a.rsi", {Change(4, FindingStep::kAppeared, LostInterrupt())});
  const std::vector<std::string> rows = Rows(scratch / "a.rsi", "SELECT detail FROM findings");
  ASSERT_EQ(rows.size(), 1u);
  const auto json = nlohmann::json::parse(rows[0]);
  EXPECT_EQ(json, nlohmann::json(FindingJson(LostInterrupt())));
  EXPECT_EQ(json["since"], "2023-11-14T22:13:23.000000000Z");
  EXPECT_EQ(json["for"][0]["hooks"][0], "guest.irq (tp_btf)");
  EXPECT_EQ(json["next"][0]["command"], "cat /proc/interrupts");
}

TEST(EvaluationTest, HugeAndHostileFindingsAreCutToValidJson) {
  Finding finding = LostInterrupt();
  finding.queue = std::string(5000, '"');
  finding.title = "bad \x1b[31m \xff";
  finding.evidence.assign(5000, {std::string(5000, '\\'), std::vector<std::string>(99, "\"x")});
  finding.against = finding.ruled_out = finding.evidence;
  finding.missing.assign(5000, std::string(5000, '"'));
  finding.caused_by = finding.contributors = finding.missing;
  finding.next.assign(5000, {std::string(5000, '"'), std::string(5000, '"'), "\n"});
  const FindingChange change = Change(1, FindingStep::kAppeared, finding);
  EXPECT_LE(change.detail.size(), kDetailBytesMax);
  EXPECT_GT(change.detail.size(), kDetailBytesMax / 2);  // the bound is about what it can be
  const auto json = nlohmann::json::parse(change.detail);
  EXPECT_EQ(json["title"], "bad ?[31m ?");
  const auto causes = nlohmann::json::parse(change.caused_by);
  EXPECT_EQ(causes.size(), 32u);
}

TEST(EvaluationTest, MergingKeepsBothAndRepeatsNone) {
  const Scratch scratch;
  ASSERT_TRUE(Store(scratch / "a.rsi", {Violated(2, "vm1/eth0/rx0"),
                                        Change(4, FindingStep::kAppeared, LostInterrupt())})
                  ->Close()
                  .ok());
  ASSERT_TRUE(Store(scratch / "b.rsi", {Violated(3, "vm1/eth0/rx1")})->Close().ok());
  ASSERT_TRUE(MergeIncidents({scratch / "a.rsi", scratch / "b.rsi"}, scratch / "c.rsi").ok());
  ASSERT_TRUE(MergeIncidents({scratch / "c.rsi", scratch / "a.rsi"}, scratch / "d.rsi").ok());
  for (const char* file : {"c.rsi", "d.rsi"}) {
    EXPECT_THAT(Rows(scratch / file, "SELECT queue, file FROM verdicts"),
                ElementsAre("vm1/eth0/rx0|a.rsi", "vm1/eth0/rx1|b.rsi"));
    EXPECT_THAT(Rows(scratch / file, "SELECT id, file FROM findings"),
                ElementsAre("lost-interrupt|a.rsi"));
  }
}

TEST(EvaluationTest, TooManyAreRefusedAndSaid) {
  const Scratch scratch;
  std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
  for (size_t i = 0; i < kChangesPendingMax; ++i) {
    ASSERT_TRUE(writer->Append(Violated(1, "q")).ok());
  }
  EXPECT_EQ(writer->Append(Violated(1, "q")).code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(writer->Commit(ClockAt(kSecond_ns)).ok());
  EXPECT_TRUE(writer->Append(Violated(1, "q")).ok());
}

TEST(EvaluationTest, ValuesThatNoRingsideWrites) {
  for (const char* change :
       {"UPDATE verdict_changes SET verdict = 'maybe'",
        "UPDATE verdict_changes SET at_real_ns = -1", "UPDATE verdict_changes SET number = 0",
        "UPDATE finding_changes SET step = 'gone'",
        "UPDATE finding_changes SET detail = zeroblob(2000000)"}) {
    const Scratch scratch;
    ASSERT_TRUE(Store(scratch / "a.rsi", {Violated(2, "vm1/eth0/rx0"),
                                          Change(4, FindingStep::kAppeared, LostInterrupt())})
                    ->Close()
                    .ok());
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((scratch / "a.rsi").c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, change, nullptr, nullptr, nullptr), SQLITE_OK) << change;
    sqlite3_close(db);
    const absl::Status status = MergeIncidents({scratch / "a.rsi"}, scratch / "b.rsi");
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << change;
    EXPECT_THAT(Message(status), HasSubstr("damaged (a change of a verdict)"));
  }
}

}  // namespace
}  // namespace ringside
