// SPDX-License-Identifier: Apache-2.0
// Runs a fuzzer without libFuzzer: driver [--rounds N] [DIRECTORY...]. Every file in the
// directories and every seed goes in as it is; then N random changes of them, from a seed that is
// printed and replayed by RINGSIDE_TEST_SEED. A failure is a crash, a sanitizer's word, or an
// assert.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/proto/random.h"

namespace ringside {
namespace {

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// Inputs made of pages are only looked into while every page is in its place.
constexpr size_t kPagedBytes = size_t{1} << 16;

void Change(std::string& input, Random& random) {
  if (input.size() >= kPagedBytes && !random.OneIn(10)) {
    for (uint64_t changes = 1 + random.UpTo(40); changes > 0; --changes) {
      input[random.UpTo(input.size() - 1)] = static_cast<char>(random.Number(255));
    }
    return;
  }
  for (uint64_t changes = 1 + random.UpTo(6); changes > 0; --changes) {
    const size_t at = input.empty() ? 0 : random.UpTo(input.size() - 1);
    switch (random.UpTo(5)) {
      case 0: input.insert(at, 1, static_cast<char>(random.UpTo(255))); break;
      case 1: input.erase(at, 1 + random.UpTo(8)); break;
      case 2: input.resize(at); break;
      case 3: input.insert(at, input.substr(at / 2, random.UpTo(64))); break;
      default:
        if (!input.empty()) input[at] = static_cast<char>(random.Number(255));
    }
  }
  if (!random.OneIn(4)) FuzzReseal(input);
}

int Main(int argc, char** argv) {
  uint64_t rounds = 1000;
  std::vector<std::string> inputs = FuzzSeeds();
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--rounds" && i + 1 < argc) {
      rounds = std::strtoull(argv[++i], nullptr, 10);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  const uint64_t seed = TestSeed();
  std::printf("%zu inputs, %ju changes, RINGSIDE_TEST_SEED=%ju\n", inputs.size(),
              static_cast<uintmax_t>(rounds), static_cast<uintmax_t>(seed));
  std::fflush(stdout);
  Random random(seed);
  for (const std::string& input : inputs) Run(input);
  for (uint64_t round = 0; round < rounds; ++round) {
    std::string input = inputs[random.UpTo(inputs.size() - 1)];
    Change(input, random);
    Run(input);
  }
  return 0;
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) { return ringside::Main(argc, argv); }
