// SPDX-License-Identifier: Apache-2.0
// Event chunks: what decodes must be within bounds, and must survive being encoded again.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "proto/chunk.h"
#include "proto/convert.h"
#include "proto/crc32c.h"
#include "tests/fuzz/fuzz.h"
#include "tests/proto/random_records.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringside;  // NOLINT: this function only
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<std::vector<Event>> events = DecodeChunk(input);
  if (!events.ok()) return 0;
  if (events->empty() || events->size() > kChunkEventsMax) std::abort();
  const absl::StatusOr<EventChunk> again = EncodeChunk(*events, 1);
  if (!again.ok() || *DecodeChunk(*again) != *events) std::abort();
  const bool storable = std::all_of(events->begin(), events->end(), [](const Event& event) {
    return event.pos <= kCountMax && event.number <= kCountMax;
  });
  if (IndexChunk(*again).ok() != storable) std::abort();
  return 0;
}

namespace ringside {

std::vector<std::string> FuzzSeeds() {
  Random random(1);
  std::vector<std::string> seeds(20);
  for (std::string& seed : seeds) seed = RandomChunk(random).data;
  return seeds;
}

void FuzzReseal(std::string& input) {
  if (input.size() < 5) return;
  const uint32_t crc = Crc32c(std::string_view(input).substr(5));
  for (size_t i = 0; i < 4; ++i) input[1 + i] = static_cast<char>(crc >> (8 * i));
}

}  // namespace ringside
