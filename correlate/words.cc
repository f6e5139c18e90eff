// SPDX-License-Identifier: Apache-2.0
#include "correlate/words.h"

#include <cstdio>

namespace ringside {

std::string Number(int64_t value) {
  const std::string digits = std::to_string(value);
  const size_t sign = value < 0 ? 1 : 0;
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string Words(const Interval& value) {
  if (!value.hi) return Number(value.lo) + " or more";
  return value.exact() ? Number(value.lo) : Number(value.lo) + "-" + Number(*value.hi);
}

std::string Percent(int64_t part, int64_t whole) {
  if (whole == 0) return "-";
  const double share = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  char text[32];
  // Whole percents, but neither 0 nor 100 for what is not quite none or all.
  const bool whole_percents = share >= 9.95 && share <= 99.0;
  std::snprintf(text, sizeof(text),
                whole_percents || share == 0 || share == 100 ? "%.0f%%"
                : share > 99.0 && share < 100.0              ? "%.2f%%"
                                                             : "%.1f%%",
                share);
  return text;
}

std::string Seconds(int64_t ns) {
  char text[32];
  if (ns < 1'000'000'000) {
    std::snprintf(text, sizeof(text), "%lld ms", static_cast<long long>(ns / 1'000'000));
  } else {
    std::snprintf(text, sizeof(text), "%.1f s", static_cast<double>(ns) / 1e9);
  }
  return text;
}

}  // namespace ringside
