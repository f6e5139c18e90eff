// SPDX-License-Identifier: Apache-2.0
#include "cli/sql_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "cli/command.h"

namespace ringside {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;

class SqlQueryTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(sqlite3_open(":memory:", &db_), SQLITE_OK);
    const char* script =
        "create table t(a, b); insert into t values (1, 'x'), (2, null);"
        "create view v as select a from t; create index i on t(a);";
    ASSERT_EQ(sqlite3_exec(db_, script, nullptr, nullptr, nullptr), SQLITE_OK);
  }
  void TearDown() override { sqlite3_close(db_); }

  std::string Error(const std::string& sql) {
    auto query = SqlQuery::Prepare(db_, sql);
    return query.ok() ? "accepted" : Message(query.status());
  }

  sqlite3* db_ = nullptr;
};

TEST_F(SqlQueryTest, GivesNamesAndValues) {
  auto query = SqlQuery::Prepare(db_, "select a, b, 1.5 as c, x'00ff' from t order by a; -- end");
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_THAT((*query)->columns(), ElementsAre("a", "b", "c", "x'00ff'"));
  std::vector<SqlValue> row;
  ASSERT_TRUE(*(*query)->Next(row));
  EXPECT_EQ(std::get<int64_t>(row[0]), 1);
  EXPECT_EQ(std::get<std::string>(row[1]), "x");
  EXPECT_EQ(std::get<double>(row[2]), 1.5);
  EXPECT_EQ(std::get<Blob>(row[3]).bytes, std::string("\0\xff", 2));
  ASSERT_TRUE(*(*query)->Next(row));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(row[1]));
  EXPECT_FALSE(*(*query)->Next(row));
}

TEST_F(SqlQueryTest, ReadsViewsSchemaAndFunctions) {
  for (const char* sql :
       {"select * from v", "select name from sqlite_master", "pragma table_info(t)",
        "select max(a), upper(b) from t group by b", "explain query plan select * from t",
        "with recursive n(i) as (select 1 union all select i+1 from n where i<3) select * from n",
        "select * from pragma_table_info('t')", "values (1), (2)"}) {
    EXPECT_EQ(Error(sql), "accepted") << sql;
  }
}

TEST_F(SqlQueryTest, RefusesWhateverIsMoreThanReading) {
  for (const char* sql : {"insert into t values (3, 4)",
                          "delete from t",
                          "update t set a = 1",
                          "drop table t",
                          "create table u(a)",
                          "create temp table u(a)",
                          "attach '/tmp/other.db' as o",
                          "detach main",
                          "pragma journal_mode = delete",
                          "pragma writable_schema = on",
                          "pragma user_version = 7",
                          "begin",
                          "vacuum",
                          "vacuum into '/tmp/copy.db'",
                          "reindex",
                          "analyze",
                          "update sqlite_master set sql = 1",
                          "select load_extension('/tmp/x.so')",
                          "pragma query_only = 0",
                          "pragma temp_store_directory"}) {
    EXPECT_THAT(Error(sql),
                AnyOf(HasSubstr("only SELECT is allowed"), HasSubstr("may not be modified")))
        << sql;
  }
}

TEST_F(SqlQueryTest, OneStatementAtATime) {
  EXPECT_THAT(Error("select 1; select 2"), HasSubstr("more than one statement"));
  EXPECT_THAT(Error("select 1; drop table t"), HasSubstr("more than one statement"));
  EXPECT_THAT(Error("select 1; nonsense"), HasSubstr("more than one statement"));
  EXPECT_EQ(Error("select 1 ; ; /* nothing */ ;"), "accepted");
  EXPECT_THAT(Error(""), HasSubstr("empty"));
  EXPECT_THAT(Error("-- nothing"), HasSubstr("empty"));
}

TEST_F(SqlQueryTest, SqlitesOwnWordsForMistakes) {
  EXPECT_THAT(Error("selct 1"), HasSubstr("syntax error"));
  EXPECT_THAT(Error("select * from nowhere"), HasSubstr("no such table: nowhere"));
}

TEST_F(SqlQueryTest, ValuesAreBound) {
  auto query = SqlQuery::Prepare(db_, "select a from t where a = ?1 or b = ?2 order by a");
  ASSERT_TRUE(query.ok());
  (*query)->Bind(1, int64_t{2});
  (*query)->Bind(2, std::string("x"));
  std::vector<SqlValue> row;
  ASSERT_TRUE(*(*query)->Next(row));
  EXPECT_EQ(std::get<int64_t>(row[0]), 1);
  ASSERT_TRUE(*(*query)->Next(row));
  EXPECT_EQ(std::get<int64_t>(row[0]), 2);
}

}  // namespace
}  // namespace ringside
