// SPDX-License-Identifier: Apache-2.0
// The built `ringside` as people meet it: exit codes, one line per failure, shapes of its output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/json.h"
#include "tests/cli/incident_files.h"
#include "tests/correlate/path_model.h"

namespace ringside {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class CommandTest : public testing::Test {
 protected:
  static Recording Model(const PathOptions& options = {.batches = 3000}) {
    PathTruth truth;
    return ModelPath(options, &truth);
  }
  std::string Incident(int events = 0) {
    WriteIncident(Model(), folder_ / "a.rsi", events);
    return folder_ / "a.rsi";
  }
  void Sql(const std::string& path, const char* statement) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, statement, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  }

  TestFolder folder_;
};

void ExpectFailure(const RunResult& result, int exit_code, const std::string& words) {
  EXPECT_EQ(result.exit_code, exit_code);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(SplitLines(result.err), SizeIs(1)) << result.err;
  EXPECT_THAT(result.err, StartsWith("ringside"));
  EXPECT_THAT(result.err, HasSubstr(words));
}

TEST_F(CommandTest, WrongUsageIsOneLineAndTwo) {
  ExpectFailure(RunRingside({}), 2, "neither an incident nor a command");
  ExpectFailure(RunRingside({"--bogus"}), 2, "unknown option '--bogus'");
  ExpectFailure(RunRingside({"x.rsi", "--bogus"}), 2, "unknown option '--bogus'");
  ExpectFailure(RunRingside({"report"}), 2, "INCIDENT is missing; see 'ringside report --help'");
  ExpectFailure(RunRingside({"report", "--bogus"}), 2, "unknown option '--bogus'");
  ExpectFailure(RunRingside({"report", "a", "b"}), 2, "unexpected argument 'b'");
  ExpectFailure(RunRingside({"sql", "a.rsi"}), 2, "STATEMENT is missing");
  ExpectFailure(RunRingside({"merge", "a.rsi", "-o", "c.rsi"}), 2, "two incidents or more");
  ExpectFailure(RunRingside({"merge", "a.rsi", "b.rsi"}), 2, "--output is missing");
  ExpectFailure(RunRingside({"timeline", "a.rsi", "--limit", "many"}), 2, "--limit");
  ExpectFailure(RunRingside({"record", "--duration", "10"}), 2, "'10' is not a duration");
  ExpectFailure(RunRingside({"record", "--duration", "0s"}), 2, "more than 0");
  ExpectFailure(RunRingside({"record", "--role", "boss"}), 2, "none of auto, host, guest");
  ExpectFailure(RunRingside({"record", "--collector", "x:1"}), 2, "beyond this machine");
  ExpectFailure(RunRingside({"record", "--collector", "nonsense"}), 2, "--collector");
  ExpectFailure(RunRingside({"record", "--interval", "1ms"}), 2, "--interval: must be 10ms");
  ExpectFailure(RunRingside({"record", "--insecure"}), 2, "--insecure is about --collector");
}

TEST_F(CommandTest, WrongTimesAreUsageErrors) {
  const std::string file = Incident();
  ExpectFailure(RunRingside({"report", file, "--from", "noon"}), 2, "--from: 'noon' is not a time");
  ExpectFailure(RunRingside({"report", file, "--to", "+5"}), 2, "--to: '+5' is not a time");
  ExpectFailure(RunRingside({"report", file, "--from", "+2s", "--to", "+1s"}), 2,
                "--from is not before --to");
  ExpectFailure(RunRingside({"report", file, "--from", "+99h"}), 4, "nothing was recorded");
}

TEST_F(CommandTest, EveryCommandHasHelpWithExamples) {
  const RunResult root = RunRingside({"--help"});
  EXPECT_EQ(root.exit_code, 0);
  EXPECT_THAT(root.out, HasSubstr("Exit code: 0 done, 2 wrong usage, 4 failure"));
  for (const char* command :
       {"record", "report", "ledger", "queues", "timeline", "doctor", "sql", "merge"}) {
    const RunResult help = RunRingside({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_EQ(help.err, "");
    EXPECT_THAT(help.out, HasSubstr(std::string("Usage: ringside ") + command + " "));
    EXPECT_THAT(help.out, HasSubstr("Examples:"));
    EXPECT_THAT(root.out, HasSubstr(std::string("  ") + command + " "));
  }
  EXPECT_EQ(RunRingside({"--version"}).out, "ringside " RINGSIDE_VERSION "\n");
}

TEST_F(CommandTest, UnreadableIncidentsAreOneLineAndFour) {
  const std::string file = Incident();
  std::filesystem::copy(file, folder_ / "newer.rsi");
  Sql(folder_ / "newer.rsi", "pragma user_version = 99");
  std::filesystem::copy(file, folder_ / "cut.rsi");
  std::filesystem::resize_file(folder_ / "cut.rsi", 20000);
  std::ofstream(folder_ / "foreign.rsi") << "not an incident at all\n";
  std::ofstream(folder_ / "empty.rsi") << "";
  Sql(folder_ / "other.rsi", "create table t(a)");
  std::filesystem::create_directory(folder_ / "store");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{}, {"report"}, {"ledger"}, {"queues"}, {"timeline"}}) {
    for (const char* name : {"missing.rsi", "newer.rsi", "cut.rsi", "foreign.rsi", "empty.rsi",
                             "other.rsi", "store"}) {
      std::vector<std::string> arguments = command;
      arguments.push_back(folder_ / name);
      ExpectFailure(RunRingside(arguments), 4, name);
    }
  }
  for (const char* name : {"missing.rsi", "newer.rsi", "cut.rsi", "foreign.rsi"}) {
    ExpectFailure(RunRingside({"sql", folder_ / name, "select 1"}), 4, name);
    ExpectFailure(RunRingside({"merge", file, folder_ / name, "-o", folder_ / "c.rsi"}), 4, name);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "c.rsi"));
  }
  ExpectFailure(RunRingside({folder_ / "missing.rsi"}), 4, "no such file: ");
  ExpectFailure(RunRingside({"reprot"}), 4, "no such file: reprot; ");
}

TEST_F(CommandTest, ReportShowsQueuesAndWhatIsNext) {
  const std::string file = Incident();
  const RunResult summary = RunRingside({file});
  EXPECT_EQ(summary.exit_code, 0) << summary.err;
  EXPECT_EQ(summary.err, "");
  EXPECT_THAT(summary.out, HasSubstr("vm1/eth0/rx0 <- tap0/rx0"));
  EXPECT_THAT(SplitLines(summary.out).back(), StartsWith("next: ringside ledger "));
  const RunResult report = RunRingside({"report", file, "--wide"});
  EXPECT_THAT(report.out, HasSubstr("softirq"));
  EXPECT_THAT(report.out, Not(HasSubstr("hidden")));
  EXPECT_THAT(report.out, Not(HasSubstr("\033"))) << "no colour but on a terminal";
  for (const std::string& line :
       SplitLines(RunRingside({"report", file}, {.environment = {"COLUMNS=80"}}).out)) {
    EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST_F(CommandTest, AVerdictNeverChangesTheExitCode) {
  WriteIncident(Model({.batches = 3000, .lose_every = 50}), folder_ / "bad.rsi");
  const RunResult result = RunRingside({folder_ / "bad.rsi"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("violated"));
}

TEST_F(CommandTest, JsonIsOneObjectAndWarningsGoElsewhere) {
  Recording recording = Model();
  recording.streams.back().bye.reset();
  WriteIncident(recording, folder_ / "cutoff.rsi", 10);
  for (const char* command : {"report", "ledger", "queues", "timeline"}) {
    const RunResult result = RunRingside({command, folder_ / "cutoff.rsi", "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    ASSERT_TRUE(Json::accept(result.out)) << command;
    const Json json = Json::parse(result.out);
    EXPECT_EQ(json["schema"], 1);
    EXPECT_TRUE(json.contains(std::string(command) == "ledger" ? "queues" : "rows"));
    EXPECT_TRUE(json["window"].contains("bound_ns"));
    EXPECT_THAT(result.err, HasSubstr("warning: "));
  }
  EXPECT_THAT(RunRingside({"report", folder_ / "cutoff.rsi"}).out, HasSubstr("warning: "));
}

TEST_F(CommandTest, QueuesAreFoundByEitherName) {
  const std::string file = Incident();
  for (const char* name : {"vm1/eth0/rx0", "host1/tap0/rx0", "tap0/rx0"}) {
    const RunResult result = RunRingside({"ledger", file, "--queue", name});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, HasSubstr("vm1/eth0/rx0 <- host1/tap0/rx0"));
  }
  ExpectFailure(RunRingside({"ledger", file, "--queue", "vm1/eth0/rx7"}), 4,
                "no queue 'vm1/eth0/rx7'");
}

TEST_F(CommandTest, SqlAnswersAndRefusesWrites) {
  const std::string file = Incident(25);
  const RunResult table =
      RunRingside({"sql", file, "select kind, count(*) as n from events group by kind"});
  EXPECT_EQ(table.out, "kind        n\nguest.irq  25\n") << table.err;
  EXPECT_EQ(RunRingside({"sql", file, "--csv", "select 1 as a, 'x,\"y\"' as b, null as c"}).out,
            "a,b,c\r\n1,\"x,\"\"y\"\"\",\r\n");
  const RunResult json = RunRingside({"sql", file, "--json", "select 1 as a, null as b, 2 as a"});
  EXPECT_EQ(Json::parse(json.out)["rows"][0].dump(), R"({"a":1,"b":null,"a:2":2})");
  const auto before = std::filesystem::last_write_time(file);
  ExpectFailure(RunRingside({"sql", file, "delete from facts"}), 4, "only SELECT is allowed");
  ExpectFailure(RunRingside({"sql", file, "attach '/tmp/x' as x"}), 4, "only SELECT is allowed");
  ExpectFailure(RunRingside({"sql", file, "select 1; select 2"}), 4, "more than one statement");
  ExpectFailure(RunRingside({"sql", file, "selct"}), 4, "syntax error");
  ExpectFailure(RunRingside({"sql", file, "--json", "--csv", "select 1"}), 2, "--csv");
  EXPECT_EQ(std::filesystem::last_write_time(file), before);
}

TEST_F(CommandTest, DetailEventsAreInTheTimeline) {
  const std::string file = Incident(25);
  const RunResult all = RunRingside({"timeline", file, "--queue", "vm1/eth0/rx0", "--limit", "0"});
  EXPECT_EQ(all.exit_code, 0) << all.err;
  int events = 0;
  for (const std::string& line : SplitLines(all.out)) {
    if (line.find("guest.irq at position") != std::string::npos) ++events;
  }
  EXPECT_EQ(events, 25);
  const RunResult some = RunRingside({"timeline", file, "--limit", "5"});
  EXPECT_THAT(some.out, HasSubstr("(the first 5 are shown"));
}

TEST_F(CommandTest, MergeJoinsTheSides) {
  Recording host = Model();
  Recording guest = host;
  host.streams.resize(1);
  guest.streams.erase(guest.streams.begin());
  WriteIncident(host, folder_ / "host.rsi");
  WriteIncident(guest, folder_ / "guest.rsi");
  const std::string both = folder_ / "both.rsi";
  const RunResult merged =
      RunRingside({"merge", folder_ / "host.rsi", folder_ / "guest.rsi", "-o", both});
  EXPECT_EQ(merged.exit_code, 0) << merged.err;
  EXPECT_EQ(merged.out, "");
  EXPECT_THAT(merged.err, HasSubstr("next: ringside " + both));
  EXPECT_THAT(RunRingside({both}).out, HasSubstr("vm1/eth0/rx0 <- tap0/rx0"));
  ExpectFailure(RunRingside({"merge", folder_ / "host.rsi", folder_ / "guest.rsi", "-o", both}), 4,
                both);
}

TEST_F(CommandTest, AStoreDirectoryIsAnIncident) {
  std::filesystem::create_directory(folder_ / "store");
  WriteIncident(Model(), folder_ / "store/one.rsi");
  EXPECT_THAT(RunRingside({folder_ / "store"}).out, HasSubstr("vm1/eth0/rx0 <- tap0/rx0"));
  EXPECT_EQ(RunRingside({"sql", folder_ / "store", "select count(*) as n from nodes"}).out,
            "n\n2\n");
}

TEST_F(CommandTest, AReaderThatGoesAwayIsNoCrash) {
  const std::string file = Incident(5000);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{file},
        {"timeline", file, "--limit", "0"},
        {"--help"},
        {"sql", file, "--csv", "select * from events"}}) {
    const RunResult result = RunRingside(arguments, {.reader_goes = true});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.err, "");
  }
}

TEST_F(CommandTest, AFullStandardOutputIsSaid) {
  ExpectFailure(RunRingside({Incident()}, {.out_file = "/dev/full"}), 4,
                "cannot write to standard output: No space left on device");
}

TEST_F(CommandTest, WithoutPrivilegesRecordSaysWhatIsNeeded) {
  const RunResult result = RunRingside({"record", "-o", folder_ / "x.rsi", "--duration", "1s"},
                                       {.as_nobody = getuid() == 0});
  if (result.exit_code == 0) GTEST_SKIP() << "this user may load BPF programs";
  ExpectFailure(result, 4, "needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE");
  EXPECT_THAT(result.err, HasSubstr("record what any user can read (--rung procfs)"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x.rsi"));
}

TEST_F(CommandTest, WithoutPrivilegesTheKernelsOwnFilesAreRecorded) {
  if (std::filesystem::is_empty("/sys/bus/virtio/devices")) GTEST_SKIP() << "no virtio device";
  std::filesystem::permissions(folder_ / "", std::filesystem::perms::all);
  const std::string file = folder_ / "x.rsi";
  const RunResult result =
      RunRingside({"record", "-o", file, "--role", "guest", "--rung", "procfs", "--duration", "1s"},
                  {.as_nobody = getuid() == 0});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const Json ledger = Json::parse(RunRingside({"ledger", file, "--json"}).out);
  ASSERT_FALSE(ledger["queues"].empty());
  for (const Json& queue : ledger["queues"]) {
    EXPECT_EQ(queue["counts"]["guest.proc_irq"]["hook"], "procfs");
    EXPECT_FALSE(queue["counts"].contains("guest.irq")) << "never observed is no cell";
  }
  const std::string report = RunRingside({file, "--wide"}).out;
  EXPECT_THAT(SplitLines(report).front(), HasSubstr(" procfs "));
  EXPECT_THAT(report, HasSubstr("proc irq"));
  ExpectFailure(RunRingside({"record", "--rung", "tp_btf"}), 2, "--rung: 'tp_btf' is none of");
}

TEST_F(CommandTest, WithoutPrivilegesDoctorStillKnowsTheMachine) {
  const RunResult result = RunRingside({"doctor", "--json"}, {.as_nobody = getuid() == 0});
  if (result.exit_code == 0) GTEST_SKIP() << "this user may load BPF programs";
  EXPECT_EQ(result.exit_code, 4);
  const Json json = Json::parse(result.out);
  EXPECT_TRUE(json["machine"]["kernel"].is_string());
  EXPECT_TRUE(json["stages"].is_null());
  EXPECT_THAT(SplitLines(result.err), SizeIs(1));
}

}  // namespace
}  // namespace ringside
