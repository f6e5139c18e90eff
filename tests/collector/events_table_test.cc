// SPDX-License-Identifier: Apache-2.0
// `events` in SQL.
#include "collector/store/events_table.h"

#include <gtest/gtest.h>

#include "collector/store/incident_check.h"
#include "collector/store/schema.h"
#include "proto/chunk.h"
#include "tests/collector/scratch.h"

namespace ringside {
namespace {

using Texts = std::vector<std::string>;

// Two nodes, two queues each; chunk c holds ten events of each queue in second c.
class EventsTable : public testing::Test {
 protected:
  void SetUp() override {
    std::unique_ptr<IncidentWriter> writer = NewWriter(path_);
    for (const char* node : {"vm1", "vm2"}) {
      std::vector<Record> records = {MakeHello(node), MakeQueue(1, "eth0", "rx0"),
                                     MakeQueue(2, "eth0", "rx1")};
      for (int64_t second = 1; second <= 5; ++second) {
        records.push_back(MakeSnapshot(static_cast<uint64_t>(second), second == 1, {}));
        records.push_back(EncodeChunk(Events(second), 1).value());
      }
      AppendAll(*writer, Key(node), records);
    }
    ASSERT_TRUE(writer->Close().ok());
  }

  static std::vector<Event> Events(int64_t second) {
    static constexpr uint16_t kKinds[] = {static_cast<uint16_t>(EventKind::kGuestIrq),
                                          static_cast<uint16_t>(EventKind::kGuestNapiBusy)};
    std::vector<Event> events;
    for (uint64_t i = 0; i < 20; ++i) {
      const auto number = static_cast<uint64_t>(second) * 10 + i / 2;
      events.push_back({second * kSecond_ns + static_cast<int64_t>(i) * 1000, number * 3,
                        QueueId{static_cast<uint32_t>(1 + i % 2)}, kKinds[i % 2], 4, number, 77,
                        i % 2 == 0 ? 0u : 8u});
    }
    return events;
  }

  Scratch scratch_;
  std::string path_ = scratch_ / "a.rsi";
};

TEST_F(EventsTable, GivesEveryEventWithNamesAndTimes) {
  EXPECT_EQ(Rows(path_, "SELECT count(*) FROM events"), Texts{"200"});
  EXPECT_EQ(
      Rows(path_,
           "SELECT node, queue, kind, t - 1700000000000000000, mono_ns, cpu, position, number,"
           " value, rate FROM events WHERE mono_ns IN (2000003000, 2000004000)"
           " AND node = 'vm2' ORDER BY mono_ns"),
      (Texts{"vm2|eth0/rx1|guest.napi.busy|2000003000|2000003000|4|63|21|77|8",
             "vm2|eth0/rx0|guest.irq|2000004000|2000004000|4|66|22|77|"}));
}

TEST_F(EventsTable, BoundsAndNamesSelectTheSameRowsAsAFullScan) {
  // `+column` keeps a bound from the table, so that SQLite compares each row.
  for (const std::string bound : {"node = 'vm1'",
                                  "queue = 'eth0/rx1'",
                                  "t >= 1700000003000000000",
                                  "t < 1700000003000004000",
                                  "mono_ns > 2000010000",
                                  "mono_ns <= 2000010000",
                                  "node = 'vm2' AND queue = 'eth0/rx0'",
                                  "mono_ns BETWEEN 3000001000 AND 3000005000",
                                  "node = 'nobody'",
                                  "t > 1.7000000035e18",
                                  "mono_ns > 'text'",
                                  "mono_ns < NULL",
                                  "queue = NULL",
                                  "queue IN ('eth0/rx0', 'eth0/rx1') AND t >= 1700000004000000000",
                                  "kind = 'guest.irq'",
                                  "kind = 'guest.none'",
                                  "kind = 'nothing'",
                                  "position = 63",
                                  "position BETWEEN 60 AND 90",
                                  "number >= 33",
                                  "number = 21 AND queue = 'eth0/rx1'",
                                  "t = 1700000002000003000",
                                  "mono_ns = 2000003000",
                                  "queue = 'ETH0/RX1' COLLATE NOCASE",
                                  "position < 40.5"}) {
    std::string unbound(1, '+');
    unbound += bound;
    EXPECT_EQ(Rows(path_, "SELECT node, queue, mono_ns FROM events WHERE " + bound +
                              " ORDER BY node, queue, mono_ns"),
              Rows(path_, "SELECT node, queue, mono_ns FROM events WHERE " + unbound +
                              " ORDER BY node, queue, mono_ns"))
        << bound;
  }
}

TEST_F(EventsTable, OrdersComeFromTheTableItself) {
  for (const std::string order : {"t", "t DESC", "mono_ns", "mono_ns DESC"}) {
    const std::string key = order.substr(0, order.find(' '));
    const Texts rows = Rows(path_, "SELECT " + key + " FROM events ORDER BY " + order);
    EXPECT_EQ(rows, Rows(path_, "SELECT " + key + " FROM events ORDER BY +" + order)) << order;
    EXPECT_EQ(rows.size(), 200u);
    const Texts first =
        Rows(path_, "SELECT " + key + " FROM events ORDER BY " + order + " LIMIT 7");
    EXPECT_EQ(first, Texts(rows.begin(), rows.begin() + 7)) << order;
  }
  EXPECT_EQ(Rows(path_,
                 "SELECT node, mono_ns FROM events WHERE queue = 'eth0/rx1' AND number > 40"
                 " ORDER BY t LIMIT 3"),
            Rows(path_,
                 "SELECT node, mono_ns FROM events WHERE +queue = 'eth0/rx1' AND +number > 40"
                 " ORDER BY +t, node LIMIT 3"));
  EXPECT_EQ(Rows(path_, "SELECT count(DISTINCT rowid) FROM events"), Texts{"200"});
}

TEST_F(EventsTable, JoinsAndAggregates) {
  EXPECT_EQ(Rows(path_,
                 "SELECT e.node, e.queue, count(*), max(e.number) - min(e.number) + 1 FROM events e"
                 " GROUP BY 1, 2"),
            (Texts{"vm1|eth0/rx0|50|50", "vm1|eth0/rx1|50|50", "vm2|eth0/rx0|50|50",
                   "vm2|eth0/rx1|50|50"}));
  EXPECT_EQ(Rows(path_,
                 "SELECT count(*) FROM nodes n JOIN events e ON e.node = n.name AND e.mono_ns > "
                 "5000000000"),
            Texts{"38"});
}

TEST_F(EventsTable, ADamagedChunkIsAnErrorNotAnAnswer) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "UPDATE event_chunks SET data = x'010203' WHERE id = 3", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  const absl::StatusOr<std::unique_ptr<IncidentDb>> incident = IncidentDb::Open(path_);
  ASSERT_TRUE(incident.ok());
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(
      sqlite3_prepare_v2((*incident)->db(), "SELECT count(*) FROM events", -1, &statement, nullptr),
      SQLITE_OK);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_CORRUPT);
  EXPECT_STREQ(sqlite3_errmsg((*incident)->db()), "event chunk 3: event chunk: cut short");
  sqlite3_finalize(statement);
  EXPECT_EQ(Rows((*incident)->db(), "SELECT count(*) FROM events WHERE mono_ns < 2000000000"),
            Texts{"40"});
}

// The same rows in the tables of version 2, whose index knows neither times nor numbers.
void Downgrade(const std::string& from, const std::string& to) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(to.c_str(), &db), SQLITE_OK);
  const auto run = [&](const std::string& sql) {
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << sql << error;
  };
  run("PRAGMA application_id = " + std::to_string(kApplicationId) + "; PRAGMA user_version = 2");
  run(TablesSql(2) + "; ATTACH '" + from + "' AS newer");
  for (const std::string& table :
       Rows(db, "SELECT name FROM main.sqlite_schema WHERE type = 'table'")) {
    run("INSERT INTO main." + table + " SELECT " +
        (table == "event_chunk_queues" ? "queue, kind, chunk, events, pos_min, pos_max" : "*") +
        " FROM newer." + table);
  }
  sqlite3_close(db);
}

TEST_F(EventsTable, FilesOfVersion2GiveTheSameEvents) {
  const std::string old = scratch_ / "old.rsi";
  Downgrade(path_, old);
  EXPECT_EQ(Rows(old, "PRAGMA user_version"), Texts{"2"});
  for (const std::string where :
       {"1", "queue = 'eth0/rx1'", "number = 33", "position > 100", "kind = 'guest.irq'",
        "queue = 'eth0/rx0' AND t < 1700000003000000000"}) {
    const std::string sql = "SELECT node, queue, t, position, number FROM events WHERE " + where +
                            " ORDER BY t, node, queue";
    EXPECT_EQ(Rows(old, sql), Rows(path_, sql)) << where;
  }
  EXPECT_EQ(CheckIncident(old)->problem_count, 0u);
  EXPECT_TRUE(SaveIncident(old, {}, scratch_ / "saved.rsi").ok());
  EXPECT_EQ(Rows(scratch_ / "saved.rsi", "SELECT count(*) FROM events"), Texts{"200"});
}

TEST_F(EventsTable, AChunkThatStatesOtherEventsIsAnErrorNotAnAnswer) {
  for (const char* lie : {"count = 7", "from_mono_ns = from_mono_ns - 5", "to_mono_ns = 5000000000",
                          "data = (SELECT data FROM event_chunks WHERE id = 1)"}) {
    const Scratch scratch;
    const std::string path = scratch / "a.rsi";
    std::filesystem::copy_file(path_, path);
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    const std::string sql = std::string("UPDATE event_chunks SET ") + lie + " WHERE id = 3";
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
    const absl::StatusOr<std::unique_ptr<IncidentDb>> incident = IncidentDb::Open(path);
    ASSERT_TRUE(incident.ok());
    EXPECT_EQ(sqlite3_exec((*incident)->db(), "SELECT sum(number) FROM events", nullptr, nullptr,
                           nullptr),
              SQLITE_CORRUPT)
        << lie;
  }
}

TEST_F(EventsTable, TheIncidentCannotBeChanged) {
  const absl::StatusOr<std::unique_ptr<IncidentDb>> incident = IncidentDb::Open(path_);
  ASSERT_TRUE(incident.ok());
  for (const char* sql : {"DELETE FROM samples", "CREATE TABLE t(x)", "DELETE FROM events",
                          "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema"}) {
    EXPECT_NE(sqlite3_exec((*incident)->db(), sql, nullptr, nullptr, nullptr), SQLITE_OK) << sql;
  }
}

}  // namespace
}  // namespace ringside
