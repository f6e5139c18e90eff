// SPDX-License-Identifier: Apache-2.0
// Parts of incidents, saved: what is in them, and that they say the same as the whole.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "correlate/analysis.h"
#include "proto/chunk.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

constexpr char kFaults[] = RINGSIDE_TESTS "/data/faults-6.1.rsi";
constexpr char kHostOnly[] = RINGSIDE_TESTS "/data/host-only-6.1.rsi";
constexpr char kHashes[] = "SELECT stream, number, kind, hash FROM records ORDER BY 1, 2";

// Every identity's verdict and every finding, queue by queue, without any name.
std::multiset<std::string> VerdictsOf(const Recording& recording, const LedgerOptions& options) {
  const Analysis analysis = Analyse(recording, options);
  std::multiset<std::string> verdicts;
  for (const QueueLedger& queue : analysis.ledger.queues) {
    std::string line = queue.queue.substr(queue.queue.rfind('/') + 1) + ":";
    for (const Identity& identity : queue.identities) {
      line += fmt::format(" {} {};", identity.id, VerdictName(identity.verdict));
    }
    verdicts.insert(line);
  }
  for (const Finding& finding : analysis.findings) {
    verdicts.insert(std::string(CauseId(finding.cause)));
  }
  return verdicts;
}

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int64_t ZeroOf(const std::string& path) { return SpanOf(path)->from_ns; }

TEST(SaveTest, TheWholeHasEveryRecordAsItWas) {
  const Scratch scratch;
  ASSERT_TRUE(SaveIncident(kFaults, {}, scratch / "a.rsi").ok());
  EXPECT_EQ(Rows(scratch / "a.rsi", kHashes), Rows(kFaults, kHashes));
  EXPECT_EQ(Rows(scratch / "a.rsi", "SELECT * FROM verdicts"),
            Rows(kFaults, "SELECT * FROM verdicts"));
  EXPECT_EQ(Rows(scratch / "a.rsi", "SELECT id, queue, since, until FROM findings"),
            Rows(kFaults, "SELECT id, queue, since, until FROM findings"));
  EXPECT_FALSE(Rows(kFaults, "SELECT * FROM findings").empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1);
}

TEST(SaveTest, APartSaysWhatTheWholeSaysOfThatTime) {
  const Scratch scratch;
  const int64_t zero_ns = ZeroOf(kFaults);
  for (const auto& [from_s, to_s] : {std::pair(30, 48), std::pair(0, 20), std::pair(60, 500)}) {
    SaveOptions options;
    options.from_ns = zero_ns + from_s * kSecond_ns;
    options.to_ns = zero_ns + to_s * kSecond_ns;
    const std::string path = scratch / fmt::format("{}.rsi", from_s);
    ASSERT_TRUE(SaveIncident(kFaults, options, path).ok());
    const absl::StatusOr<Recording> part = ReadIncident(path);
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_TRUE(part->closed);
    ASSERT_EQ(part->streams.size(), 2u);
    for (const Stream& stream : part->streams) {
      EXPECT_EQ(stream.missing_numbers, 0u);
      EXPECT_TRUE(stream.gaps.empty());
      EXPECT_TRUE(stream.snapshots.front().full);
      EXPECT_TRUE(stream.bye.has_value());
      EXPECT_FALSE(stream.queues.empty());
      EXPECT_FALSE(stream.facts.empty());
    }
    LedgerOptions window;
    window.from_ns = options.from_ns;
    window.to_ns = options.to_ns;
    EXPECT_EQ(VerdictsOf(*part, window), VerdictsOf(*ReadIncident(kFaults), window)) << from_s;
    // Less than the whole, and it fits together with it again.
    EXPECT_LT(Rows(path, kHashes).size(), Rows(kFaults, kHashes).size());
    const std::string joined = scratch / fmt::format("{}-joined.rsi", from_s);
    ASSERT_TRUE(MergeIncidents({path, kFaults}, joined).ok());
    EXPECT_EQ(Rows(joined, kHashes).size(), Rows(kFaults, kHashes).size());
    EXPECT_EQ(ReadIncident(joined)->streams[0].bye, ReadIncident(kFaults)->streams[0].bye);
  }
}

TEST(SaveTest, FindingsFromBeforeThatStillHeldComeAlong) {
  const Scratch scratch;
  const Texts found = Rows(kFaults,
                           "SELECT id, queue, (since - (SELECT min(since) FROM findings)) / 1000000"
                           " FROM findings ORDER BY since");
  ASSERT_FALSE(found.empty());
  const int64_t first_ns = std::stoll(Rows(kFaults, "SELECT min(t) FROM verdicts")[0]);
  SaveOptions options;
  options.to_ns = first_ns - 1;
  ASSERT_TRUE(SaveIncident(kFaults, options, scratch / "before.rsi").ok());
  EXPECT_TRUE(Rows(scratch / "before.rsi", "SELECT * FROM verdicts").empty());
  options.to_ns.reset();
  options.from_ns = std::stoll(Rows(kFaults, "SELECT max(until) FROM findings")[0]) + 1;
  ASSERT_TRUE(SaveIncident(kFaults, options, scratch / "after.rsi").ok());
  EXPECT_TRUE(
      Rows(scratch / "after.rsi", "SELECT * FROM findings WHERE until IS NOT NULL").empty());
}

TEST(SaveTest, NothingInTheWindowMakesNoFile) {
  const Scratch scratch;
  SaveOptions options;
  options.from_ns = ZeroOf(kFaults) + 3600 * kSecond_ns;
  EXPECT_EQ(SaveIncident(kFaults, options, scratch / "a.rsi").code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_FALSE(std::filesystem::exists(scratch / "a.rsi"));
}

TEST(SaveTest, RedactedSaysTheSameWithoutNames) {
  for (const char* path : {kFaults, kHostOnly}) {
    const Scratch scratch;
    SaveOptions options;
    options.redact = true;
    ASSERT_TRUE(SaveIncident(path, options, scratch / "a.rsi").ok());
    const absl::StatusOr<Recording> redacted = ReadIncident(scratch / "a.rsi");
    ASSERT_TRUE(redacted.ok()) << redacted.status();
    EXPECT_EQ(VerdictsOf(*redacted, {}), VerdictsOf(*ReadIncident(path), {}));
    const std::string bytes = BytesOf(scratch / "a.rsi");
    Texts secrets = Rows(path,
                         "SELECT DISTINCT vm_uuid FROM queue_versions WHERE vm_uuid != ''"
                         " UNION SELECT DISTINCT vm_id FROM queue_versions WHERE vm_id != ''"
                         " UNION SELECT machine_id FROM nodes UNION SELECT boot_id FROM nodes"
                         " UNION SELECT instance FROM streams"
                         " UNION SELECT smbios_uuid FROM hellos WHERE smbios_uuid != ''"
                         " UNION SELECT value FROM facts WHERE name LIKE '%.address'"
                         " UNION SELECT text FROM log_lines"
                         " UNION SELECT substr(text, 9, instr(text, ' (') - 9) FROM labels"
                         "   WHERE text LIKE 'process=%'");
    ASSERT_GT(secrets.size(), 5u);
    for (const std::string& secret : secrets) {
      EXPECT_EQ(bytes.find(secret), std::string::npos) << secret;
    }
  }
}

TEST(SaveTest, NamesInSentencesAreReplacedEverywhereAlike) {
  const Scratch scratch;
  {
    std::unique_ptr<IncidentWriter> writer = NewWriter(scratch / "a.rsi");
    Hello hello = MakeHello("prod-db 7");
    hello.hooks[0].reason = "open /var/tmp/alice/10.1.2.3";
    QueueInfo queue = MakeQueue(1, "tap-prod-db", "rx0");
    queue.vm_name = "customer.example";
    Snapshot snapshot = MakeSnapshot(1, true, {});
    snapshot.parts = {{QueueId{1}, Count::kTunOffered, "process=secret worker (12)", 9},
                      {QueueId{1}, Count::kTunOffered, "thread=secret worker (13)", 9},
                      {QueueId{1}, Count::kTunDropped, "reason=FULL_RING", 7}};
    AppendAll(*writer, Key("prod-db 7"),
              {hello, queue, snapshot, Fact{1, "tap-prod-db.address", "52:54:00:aa:bb:cc"},
               Fact{1, "peer", "fe80::1 and 192.168.7.9, customer.example"},
               Fact{1, "task.12", "secret R 1 2"}, Fact{1, "net.core.busy_read", "50"},
               LogLine{2, 3, "customer.example says: Disabling IRQ #33 now"},
               LogLine{3, 3, "login by alice"}, Gap{1, 2, "agent prod-db 7 lost"}});
    ASSERT_TRUE(writer->Append({1, 2, "collector1: prod-db 7 and tap-prod-db"}).ok());
    ASSERT_TRUE(writer->Close().ok());
  }
  SaveOptions options;
  options.redact = true;
  ASSERT_TRUE(SaveIncident(scratch / "a.rsi", options, scratch / "b.rsi").ok());
  const std::string bytes = BytesOf(scratch / "b.rsi");
  for (const char* secret : {"prod", "customer", "secret", "alice", "192.168", "10.1.2.3",
                             "fe80::1", "aa:bb:cc", "machine-", "564d9e1a"}) {
    EXPECT_EQ(bytes.find(secret), std::string::npos) << secret;
  }
  EXPECT_EQ(Rows(scratch / "b.rsi", "SELECT device, vm_name FROM queue_versions"),
            Texts{"eth1|vm1"});
  EXPECT_EQ(Rows(scratch / "b.rsi", "SELECT name FROM facts WHERE value LIKE '__:%'"),
            Texts{"eth1.address"});
  EXPECT_EQ(Rows(scratch / "b.rsi",
                 "SELECT value FROM facts WHERE name LIKE 'task%' OR name LIKE"
                 " 'net.core%' ORDER BY name"),
            (Texts{"50", "task2 R 1 2"}));
  EXPECT_EQ(Rows(scratch / "b.rsi", "SELECT text FROM log_lines ORDER BY id"),
            (Texts{"Disabling IRQ #33", "(removed)"}));
  EXPECT_EQ(Rows(scratch / "b.rsi", "SELECT text FROM labels ORDER BY id"),
            (Texts{"process=task1 (12)", "thread=task1 (13)", "reason=FULL_RING"}));
  EXPECT_EQ(Rows(scratch / "b.rsi", "SELECT what FROM gaps ORDER BY what"),
            (Texts{"agent guest1 lost", "collector1: guest1 and eth1"}));
}

// A stream over two files of a store, with events: what is numbered stays without holes.
TEST(SaveTest, AStoreIsSavedAsOneStream) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "store");
  const auto chunk = [](int64_t second) {
    std::vector<Event> events(10);
    for (size_t i = 0; i < events.size(); ++i) {
      events[i] = {.mono_ns = second * kSecond_ns + static_cast<int64_t>(i),
                   .pos = 1,
                   .queue = QueueId{1},
                   .kind = 1,
                   .cpu = 0,
                   .number = static_cast<uint64_t>(second) * 10 + i};
    }
    return EncodeChunk(events, static_cast<uint64_t>(second) * 10 + 1).value();
  };
  uint64_t number = 2;
  for (int file = 0; file < 2; ++file) {
    auto writer = NewWriter(scratch / fmt::format("store/2024010{}T000000Z.rsi", file + 1));
    if (file > 0) {
      ASSERT_TRUE(writer->Continue(Key("vm1"), number).ok());
    }
    ASSERT_TRUE(writer->Append(Key("vm1"), {1, MakeHello("vm1")}).ok());
    ASSERT_TRUE(writer->Append(Key("vm1"), {2, MakeQueue(1, "eth0", "rx0")}).ok());
    for (int i = 1; i <= 10; ++i) {
      const int second = file * 10 + i;
      const auto sequence = static_cast<uint64_t>(second);
      ASSERT_TRUE(
          writer->Append(Key("vm1"), {++number, MakeSnapshot(sequence, second % 5 == 1, {})}).ok());
      ASSERT_TRUE(writer->Append(Key("vm1"), {++number, chunk(second - 1)}).ok());  // of before
    }
    ASSERT_TRUE(writer->Close().ok());
  }
  std::ofstream(scratch / "store/20240103T000000Z.rsi") << "junk";
  SaveOptions options;
  options.from_ns = kEpoch_ns + 8 * kSecond_ns + 1;
  options.to_ns = kEpoch_ns + 13 * kSecond_ns;
  const absl::Status saved = SaveIncident(scratch / "store", options, scratch / "a.rsi");
  ASSERT_TRUE(saved.ok()) << saved;
  const absl::StatusOr<Recording> part = ReadIncident(scratch / "a.rsi");
  ASSERT_TRUE(part.ok()) << part.status();
  ASSERT_EQ(part->streams.size(), 1u);
  EXPECT_EQ(part->streams[0].missing_numbers, 0u);
  EXPECT_EQ(part->streams[0].snapshots.front().sequence, 6u);  // full
  EXPECT_GE(part->streams[0].snapshots.back().sequence, 13u);
  ASSERT_EQ(part->gaps.size(), 1u);
  EXPECT_THAT(part->gaps[0].what, HasSubstr("left out"));
  // Events of the window's last second arrived after its last snapshot.
  EXPECT_EQ(Rows(scratch / "a.rsi",
                 "SELECT count(*) FROM events WHERE mono_ns / 1000000000 IN"
                 " (8, 9, 10, 11, 12, 13)"),
            Texts{"60"});
}

}  // namespace
}  // namespace ringside
