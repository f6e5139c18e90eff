// SPDX-License-Identifier: Apache-2.0
// What the clock model costs: a million statements fitted, and one instant's bound.
#include <fmt/core.h>

#include <chrono>
#include <random>
#include <vector>

#include "correlate/clock_map.h"

namespace ringside {
namespace {

constexpr int64_t kStatements = 1'000'000;
constexpr int64_t kSpanNs = 600'000'000'000;

double SecondsSince(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

void Measure(const char* name, const ClockOptions& options) {
  std::mt19937_64 random(1);
  std::vector<ClockStatement> statements;
  for (int64_t i = 0; i < kStatements; ++i) {
    const int64_t x = kSpanNs / kStatements * i;
    const int64_t truth = x + 7'000'000'000 + x / 30'000;
    const int64_t delay = 2000 + static_cast<int64_t>(random() % 60'000);
    statements.push_back(i % 2 == 0 ? ReferenceFirst(truth - delay, x)
                                    : LocalFirst(x, truth + delay));
  }
  ClockMap map(options);
  const auto fit = std::chrono::steady_clock::now();
  for (const ClockStatement& statement : statements) map.Add(statement);
  const double fit_s = SecondsSince(fit);
  const auto read = std::chrono::steady_clock::now();
  int64_t sum = 0;
  for (int64_t i = 0; i < kStatements; ++i) {
    sum += map.At(static_cast<int64_t>(random() % static_cast<uint64_t>(kSpanNs))).half_ns();
  }
  const double read_s = SecondsSince(read);
  fmt::print(
      "{:<16} {} statements in {:.3f} s; a bound in {:.0f} ns; half-width {} ns on average, "
      "{} pieces, {} points kept, {} conflicts\n",
      name, kStatements, fit_s, read_s / kStatements * 1e9, sum / kStatements, map.pieces(),
      map.points(), map.conflict_count());
}

}  // namespace
}  // namespace ringside

int main() {
  ringside::Measure("one oscillator", {});
  ringside::Measure("two machines", {.wander_ppb_per_s = 20});
  return 0;
}
