// SPDX-License-Identifier: Apache-2.0
#include "correlate/histogram.h"

#include <gtest/gtest.h>

namespace ringside {
namespace {

TEST(HistogramTest, NoValueIsFurtherOffThanStated) {
  for (int64_t value = 1; value < int64_t{1} << 50; value += value / 3 + 1) {
    Histogram histogram;
    histogram.Add(value);
    histogram.Add(value * 3);  // so that the ends are not what is read
    histogram.Add(0);
    EXPECT_LE(std::abs(histogram.At(0.5) - value) * 64, value) << value;
  }
  Histogram histogram;
  for (int64_t value = 1; value <= 1000; ++value) histogram.Add(value * 1000);
  EXPECT_NEAR(static_cast<double>(histogram.At(0.99)), 990'000, 990'000 / 64.0);
  EXPECT_EQ(histogram.max_ns(), 1'000'000);
  Histogram negative;
  negative.Add(-500);
  negative.Add(-10);
  EXPECT_EQ(negative.At(0.5), -500);
}

}  // namespace
}  // namespace ringside
