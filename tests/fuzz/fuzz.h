// SPDX-License-Identifier: Apache-2.0
// What every fuzzer here has: libFuzzer's entry function, and inputs to start from. Without
// libFuzzer, driver.cc runs them: seeds, stored inputs that once failed, and random changes of
// both.
#ifndef RINGSIDE_TESTS_FUZZ_FUZZ_H_
#define RINGSIDE_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace ringside {

// Well-formed inputs.
std::vector<std::string> FuzzSeeds();
// Makes a changed input look right where that is possible: a checksum, say.
void FuzzReseal(std::string& input);

}  // namespace ringside

#endif  // RINGSIDE_TESTS_FUZZ_FUZZ_H_
