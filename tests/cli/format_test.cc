// SPDX-License-Identifier: Apache-2.0
#include "cli/format.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace ringside {
namespace {

constexpr int64_t kNoonNs = 1'795'176'131'123'456'789;  // 2026-11-20T12:02:11.123456789Z

class FormatTest : public testing::Test {
 protected:
  void SetUp() override { SetZone("UTC"); }
  void TearDown() override { SetZone("UTC"); }
  static void SetZone(const char* zone) {
    setenv("TZ", zone, 1);  // NOLINT(concurrency-mt-unsafe): one thread
    tzset();
  }
};

TEST_F(FormatTest, ThousandsAreSeparated) {
  EXPECT_EQ(Thousands(0), "0");
  EXPECT_EQ(Thousands(999), "999");
  EXPECT_EQ(Thousands(1000), "1,000");
  EXPECT_EQ(Thousands(1234567), "1,234,567");
  EXPECT_EQ(Thousands(UINT64_MAX), "18,446,744,073,709,551,615");
  EXPECT_EQ(SignedThousands(-1234), "-1,234");
  EXPECT_EQ(SignedThousands(INT64_MIN), "-9,223,372,036,854,775,808");
}

TEST_F(FormatTest, CountsAreIntervals) {
  CountCell cell{.count = Count::kGuestIrq, .lo = 1386, .hi = 1386};
  EXPECT_EQ(CountCellText(&cell), "1,386");
  cell.hi = 1388;
  EXPECT_EQ(CountCellText(&cell), "1,386-1,388");
  cell.hi = std::nullopt;
  EXPECT_EQ(CountCellText(&cell), "1,386+");
  EXPECT_EQ(CountCellText(nullptr), "-");
  cell = {.count = Count::kGuestNone, .lo = 0, .hi = 0};
  EXPECT_EQ(CountCellText(&cell), "0") << "observed and nothing is not the same as never observed";
}

TEST_F(FormatTest, ResidualsMayBeNegativeOrUnknown) {
  EXPECT_EQ(RangeText(32, 32), "32");
  EXPECT_EQ(RangeText(0, 2), "0-2");
  EXPECT_EQ(RangeText(-1, 1), "-1..1");
  EXPECT_EQ(RangeText(-1234, -1234), "-1,234");
  EXPECT_EQ(RangeText(3, INT64_MAX), "at least 3");
  EXPECT_EQ(RangeText(INT64_MIN, 3), "at most 3");
  EXPECT_EQ(RangeText(INT64_MIN, INT64_MAX), "unknown");
}

TEST_F(FormatTest, DurationsHaveFitUnits) {
  EXPECT_EQ(DurationText(0), "0 ns");
  EXPECT_EQ(DurationText(812), "812 ns");
  EXPECT_EQ(DurationText(1'500), "1.5 us");
  EXPECT_EQ(DurationText(812'000), "812 us");
  EXPECT_EQ(DurationText(999'400), "999 us");
  EXPECT_EQ(DurationText(999'600), "1.0 ms");
  EXPECT_EQ(DurationText(812'000'000), "812 ms");
  EXPECT_EQ(DurationText(2'000'000'000), "2.0 s");
  EXPECT_EQ(DurationText(125'000'000'000), "2 min 05 s");
  EXPECT_EQ(DurationText(3'720'000'000'000), "1 h 02 min");
  EXPECT_EQ(DurationText(-1'500), "-1.5 us");
}

TEST_F(FormatTest, BytesHaveFitUnits) {
  EXPECT_EQ(BytesText(12), "12 B");
  EXPECT_EQ(BytesText(1024), "1.0 KiB");
  EXPECT_EQ(BytesText(1'258'291), "1.2 MiB");
  EXPECT_EQ(BytesText(50 << 20), "50 MiB");
}

TEST_F(FormatTest, TimesOfTheIncident) {
  EXPECT_EQ(Rfc3339(kNoonNs), "2026-11-20T12:02:11.123456789Z");
  EXPECT_EQ(Rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(LocalRange(kNoonNs, kNoonNs + 2'000'000'000), "2026-11-20 12:02:11 to 12:02:13 UTC");
  EXPECT_EQ(LocalRange(kNoonNs, kNoonNs + 12 * 3600 * int64_t{1'000'000'000}),
            "2026-11-20 12:02:11 to 2026-11-21 00:02:11 UTC");
  EXPECT_EQ(LocalClock(kNoonNs), "12:02:11.123");
  SetZone("CET-1");
  EXPECT_EQ(LocalRange(kNoonNs, kNoonNs), "2026-11-20 13:02:11 to 13:02:11 CET");
}

TEST_F(FormatTest, DurationsAreParsedWithTheirUnit) {
  EXPECT_EQ(*ParseDuration("10s"), 10'000'000'000);
  EXPECT_EQ(*ParseDuration("250ms"), 250'000'000);
  EXPECT_EQ(*ParseDuration("1m"), 60'000'000'000);
  EXPECT_EQ(*ParseDuration("1.5s"), 1'500'000'000);
  EXPECT_EQ(*ParseDuration("2h"), 7'200'000'000'000);
  EXPECT_EQ(*ParseDuration("100us"), 100'000);
  for (const char* bad : {"", "10", "s", "10 s", "-1s", "1e3s", "1.2.3s", "10x", "nan", "1000000h",
                          "99999999999999999999999999s"}) {
    auto parsed = ParseDuration(bad);
    // A million hours fit; all others are refused.
    if (std::string(bad) == "1000000h") continue;
    EXPECT_FALSE(parsed.ok()) << bad;
  }
}

TEST_F(FormatTest, TimesAreParsed) {
  EXPECT_EQ(*ParseTime("+3.2s", kNoonNs), kNoonNs + 3'200'000'000);
  EXPECT_EQ(*ParseTime("+250ms", kNoonNs), kNoonNs + 250'000'000);
  EXPECT_EQ(*ParseTime(Rfc3339(kNoonNs), 0), kNoonNs) << "what is printed is taken back";
  EXPECT_EQ(*ParseTime("2026-11-20T13:02:11.123456789+01:00", 0), kNoonNs);
  EXPECT_EQ(*ParseTime("2026-11-20 07:02:11.123456789-05:00", 0), kNoonNs);
  SetZone("CET-1");
  EXPECT_EQ(*ParseTime("13:02:11.123456789", kNoonNs + 5'000'000'000), kNoonNs)
      << "a clock time is local, on the incident's day";
  EXPECT_EQ(*ParseTime("2026-11-20T13:02:11.123456789", 0), kNoonNs);
  for (const char* bad :
       {"", "+", "+3", "3.2s", "25:00:00", "13:02", "13:02:11Z", "2026-13-01T00:00:00Z",
        "2026-11-20", "2026-11-20T13:02:11+1", "2026-11-20T13:02:11Zx", "13:02:11."}) {
    EXPECT_FALSE(ParseTime(bad, kNoonNs).ok()) << bad;
  }
}

TEST_F(FormatTest, RecordedTextCannotDriveATerminal) {
  EXPECT_EQ(Printable("eth0/rx1"), "eth0/rx1");
  EXPECT_EQ(Printable("\033[2Jx"), "\\x1b[2Jx");
  EXPECT_EQ(Printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\xc2\\x9b") << "a C1 control";
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "turns the reading direction";
  EXPECT_EQ(Printable("\xc3\xa4"), "\xc3\xa4");
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(Printable("\xe2\x80"), "\\xe2\\x80") << "cut short";
}

TEST_F(FormatTest, WidthCountsCharacters) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("\xc3\xa4\xe2\x82\xac"), 2);
}

TEST_F(FormatTest, QueueNamesOfBothSides) {
  QueueLedger queue{.queue = "vm1/eth0/rx1", .host_queue = "host1/tap0/rx1"};
  EXPECT_EQ(QueuePairText(queue, true), "vm1/eth0/rx1 <- tap0/rx1");
  EXPECT_EQ(QueuePairText(queue, false), "vm1/eth0/rx1 <- host1/tap0/rx1");
  queue = {.queue = "vm1/eth0/tx1", .host_queue = "host1/tap0/tx1"};
  EXPECT_EQ(QueuePairText(queue, true), "vm1/eth0/tx1 -> tap0/tx1");
  queue.host_queue.clear();
  EXPECT_EQ(QueuePairText(queue, true), "vm1/eth0/tx1");
  queue = {.queue = "", .host_queue = "host1/tap0/tx1"};
  EXPECT_EQ(QueuePairText(queue, true), "host1/tap0/tx1");
}

TEST_F(FormatTest, NamesSortByTheirNumbers) {
  EXPECT_TRUE(NaturalLess("vm1/eth0/rx2", "vm1/eth0/rx10"));
  EXPECT_FALSE(NaturalLess("vm1/eth0/rx10", "vm1/eth0/rx2"));
  EXPECT_TRUE(NaturalLess("vm1/eth0/rx2", "vm1/eth0/tx1"));
  EXPECT_FALSE(NaturalLess("a1", "a1"));
}

TEST_F(FormatTest, ListsAreCut) {
  EXPECT_EQ(ListText({}, 3), "");
  EXPECT_EQ(ListText({"a"}, 3), "a");
  EXPECT_EQ(ListText({"a", "b", "c"}, 3), "a, b and c");
  EXPECT_EQ(ListText({"a", "b", "c", "d"}, 2), "a, b and 2 more");
}

}  // namespace
}  // namespace ringside
