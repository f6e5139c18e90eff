// SPDX-License-Identifier: Apache-2.0
#include "correlate/counts.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ringside {
namespace {

TEST(CountsTest, NamesAreUniqueSplitAtTheirLastDotAndFindTheirWayBack) {
  std::set<std::string_view> names;
  for (int i = 0; i < kCounts; ++i) {
    const Count count = static_cast<Count>(i);
    const std::string_view name = CountName(count);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_NE(name.rfind('.'), std::string_view::npos) << name;
    EXPECT_EQ(CountByName(name), count);
    EXPECT_FALSE(CountText(count).empty());
  }
  for (int i = 0; i < kGauges; ++i) {
    const Gauge gauge = static_cast<Gauge>(i);
    EXPECT_TRUE(names.insert(GaugeName(gauge)).second) << GaugeName(gauge);
    EXPECT_EQ(GaugeByName(GaugeName(gauge)), gauge);
  }
  EXPECT_FALSE(CountByName("guest").has_value());
  EXPECT_FALSE(GaugeByName("guest.irq").has_value());
}

}  // namespace
}  // namespace ringside
