// SPDX-License-Identifier: Apache-2.0
// Seeds of randomised tests: new on each run, printed by every failure, replayed by setting
// RINGSIDE_TEST_SEED. Used by tests of proto and collector.
#ifndef RINGSIDE_TESTS_PROTO_RANDOM_H_
#define RINGSIDE_TESTS_PROTO_RANDOM_H_

#include <cstdint>
#include <cstdlib>
#include <random>

namespace ringside {

inline uint64_t TestSeed() {
  if (const char* seed = std::getenv("RINGSIDE_TEST_SEED")) {  // NOLINT(concurrency-mt-unsafe)
    return std::strtoull(seed, nullptr, 10);
  }
  return std::random_device()();
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // Uniform in [0, most].
  uint64_t UpTo(uint64_t most) { return std::uniform_int_distribution<uint64_t>(0, most)(engine_); }
  bool OneIn(uint64_t n) { return UpTo(n - 1) == 0; }
  // Small, large or extreme: numbers as they come, with the bounds often among them.
  uint64_t Number(uint64_t most) {
    switch (UpTo(5)) {
      case 0: return 0;
      case 1: return most;
      case 2: return UpTo(most);
      default: return UpTo(most < 1000 ? most : 1000);
    }
  }
  double Exponential(double mean) {
    return std::exponential_distribution<double>(1 / mean)(engine_);
  }
  std::mt19937_64& engine() { return engine_; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace ringside

#endif  // RINGSIDE_TESTS_PROTO_RANDOM_H_
