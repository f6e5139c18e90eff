// SPDX-License-Identifier: Apache-2.0
#include "correlate/claim_rules.h"

#include <charconv>

namespace ringside {

const std::vector<Whole>& Wholes() {
  using enum Count;

  static const std::vector<Whole> kAll = {
      {kGuestIrq, {kGuestHandled, kGuestNone}},
      {kGuestProcIrq, {kGuestHandled, kGuestNone}},
      {kTunOffered, {kTunEnqueued, kTunDropped}},
      {kVhostBatches, {kVhostSignalled, kVhostSuppressed, kVhostUnwired}},
      {kVhostUsed, {kVhostBatches}, false},
      {kVhostSignalled, {kVhostMasked}, false},
      {kVhostSignalled, {kVhostEmpty}, false},
      {kKvmInjected, {kKvmMerged}, false},
      {kGuestPackets, {kGuestPacketsBusy}, false},
      {kIrqfdWoken, {kKvmSlowpath}, false}};
  return kAll;
}

std::optional<int64_t> LengthOf(const ClaimWindow& window) {
  if (window.length_ns) return window.length_ns;
  if (window.from_ns && window.to_ns) return *window.to_ns - *window.from_ns;
  return std::nullopt;
}

bool MayOverlap(const ClaimWindow& a, const ClaimWindow& b) {
  if (!a.from_ns || !b.from_ns) return true;
  const int64_t a_to = a.to_ns.value_or(*a.from_ns + a.length_ns.value_or(INT64_MAX / 4));
  const int64_t b_to = b.to_ns.value_or(*b.from_ns + b.length_ns.value_or(INT64_MAX / 4));
  return *a.from_ns < b_to && *b.from_ns < a_to;
}

std::optional<int64_t> DeltaOf(const std::string& part) {
  if (!part.starts_with("delta") || part.size() < 7) return std::nullopt;
  int64_t delta = 0;
  const char* end = part.data() + part.size();
  const auto [at, error] = std::from_chars(part.data() + 6, end, delta);
  if (error != std::errc() || at != end || delta < 0 || delta > 65'535) return std::nullopt;
  if (part[5] == '>') return delta + 1;
  return part[5] == '=' ? std::optional(delta) : std::nullopt;
}

}  // namespace ringside
