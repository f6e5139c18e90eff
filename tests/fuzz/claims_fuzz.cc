// SPDX-License-Identifier: Apache-2.0
// The readers of other tools' output: whatever the text, claims within their bounds, each with a
// line, and contradictions found in bounded time.
#include <cstdlib>
#include <string>

#include "cli/claims/claim_file.h"
#include "correlate/claims.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringside;  // NOLINT: this function only
  const std::string text(reinterpret_cast<const char*>(data), size);
  const ClaimFile file = ParseClaims(text, {"fuzz", 1'700'000'000'000'000'000});
  for (const Claim& claim : file.claims) {
    if (claim.value < 0 || claim.value > kClaimMax || claim.line < 1) std::abort();
  }
  if (file.claims.size() > kClaimsMax || file.problems.size() > kProblemsMax + 1) std::abort();
  ParseInterruptPair(text, {"a", 0}, text, {"b", 0});
  FindContradictions(file.claims);
  return 0;
}

namespace ringside {

std::vector<std::string> FuzzSeeds() {
  std::vector<std::string> seeds = {
      "{\"schema\":1,\"claims\":[{\"queue\":\"rx0\",\"count\":\"guest.irq\",\"value\":1}]}",
      "CPU0 CPU1\n31: 1 2 x virtio0-input.0\n\nCPU0 CPU1\n31: 3 4 x virtio0-input.0\n",
      "@vring_interrupt[31]: 5\n@vring_int_ret_cnt[31, 1]: 5\n"};
  for (const char* name : {"irqfd-stats-arm.txt", "eventfd-count.txt", "queue-correlation.txt",
                           "irq-monitor.txt", "poll-monitor.txt", "perf-stat.txt",
                           "perf-script.txt", "trace-cmd.txt", "claims-utf16.json"}) {
    const auto text = ReadClaimText(std::string(RINGSIDE_TESTS "/cli/claims/data/") + name);
    if (!text.ok()) std::abort();
    seeds.push_back(*text);
  }
  return seeds;
}

void FuzzReseal(std::string&) {}

}  // namespace ringside
