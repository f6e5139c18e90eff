// SPDX-License-Identifier: Apache-2.0
#include "correlate/clock_guest.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace ringside {
namespace {

// RAW was read after the counter, by the reading's width at most; a slew makes that more in RAW.
ClockRange RawAtCounter(const ClockReading& reading) {
  return {reading.raw_ns - reading.width_ns - reading.width_ns / 8 - 2, reading.raw_ns + 1};
}

// Counter to RAW, by a node's own readings: RAW is the counter times a constant.
class CounterScale {
 public:
  explicit CounterScale(const Stream& stream) {
    for (const Snapshot& snapshot : stream.snapshots) {
      if (snapshot.begin.counter == 0 || snapshot.begin.raw_ns == 0) continue;
      went_back_ |= !readings_.empty() && snapshot.begin.counter <= readings_.back()->counter;
      readings_.push_back(&snapshot.begin);
    }
  }
  bool went_back() const { return went_back_; }
  bool usable() const { return readings_.size() > 1 && !went_back_; }

  // Only between two readings.
  ClockRange At(uint64_t counter) const {
    const auto next =
        std::partition_point(readings_.begin(), readings_.end(),
                             [counter](const ClockReading* r) { return r->counter < counter; });
    if (next == readings_.begin() || next == readings_.end()) return {};
    const ClockReading& a = **(next - 1);
    const ClockReading& b = **next;
    const double share =
        static_cast<double>(counter - a.counter) / static_cast<double>(b.counter - a.counter);
    const ClockRange from = RawAtCounter(a);
    const ClockRange to = RawAtCounter(b);
    const auto between = [share](int64_t x, int64_t y) {
      return x + static_cast<int64_t>(static_cast<double>(y - x) * share);
    };
    return {between(from.lo_ns, to.lo_ns) - 1, between(from.hi_ns, to.hi_ns) + 1};
  }

 private:
  std::vector<const ClockReading*> readings_;
  bool went_back_ = false;
};

// When the local clock showed something in `local`, the reference showed something in `reference`.
void AddBoth(const ClockRange& local, const ClockRange& reference, bool reference_is_raw,
             uint32_t source, std::vector<ClockEvidence>* evidence) {
  evidence->push_back({local.hi_ns, reference.lo_ns, false, source, true, reference_is_raw});
  evidence->push_back({local.lo_ns, reference.hi_ns, true, source, true, reference_is_raw});
}

struct TscFact {
  int64_t offset = 0;
  uint64_t ratio = 0;
  int fraction_bits = 0;  // 0: the kernel says nothing about scaling
};

// What KVM says of all vCPUs of a VM, the newest word on each.
std::vector<TscFact> TscFacts(const Stream& host, int32_t pid) {
  std::vector<std::pair<int, TscFact>> by_vcpu;
  for (const Fact& fact : host.facts) {
    int of = 0, vcpu = 0, end = 0;
    if (sscanf(fact.name.c_str(), "kvm.%d.vcpu%d.tsc%n", &of, &vcpu, &end) != 2) continue;
    if (of != pid || end != static_cast<int>(fact.name.size())) continue;
    TscFact tsc;
    if (sscanf(fact.value.c_str(), "offset=%" SCNd64 " ratio=%" SCNu64 " bits=%d", &tsc.offset,
               &tsc.ratio, &tsc.fraction_bits) < 1) {
      continue;
    }
    std::erase_if(by_vcpu, [vcpu](const auto& entry) { return entry.first == vcpu; });
    by_vcpu.emplace_back(vcpu, tsc);
  }
  std::vector<TscFact> facts;
  for (const auto& [vcpu, tsc] : by_vcpu) facts.push_back(tsc);
  return facts;
}

WhyNot Unusable(const std::vector<TscFact>& facts) {
  for (const TscFact& tsc : facts) {
    const bool known = tsc.fraction_bits > 0 && tsc.fraction_bits < 64;
    if (known && tsc.ratio != uint64_t{1} << tsc.fraction_bits) {
      return "the guest's TSC is scaled: its offset says nothing by itself";
    }
    if (tsc.offset != facts.front().offset) return "its vCPUs' TSC offsets differ";
  }
  return "";
}

// REALTIME less MONOTONIC: a constant, unless the wall clock is set. Each reading has REALTIME
// after MONOTONIC, by its width at most.
std::optional<ClockRange> WallAhead(const Stream& stream) {
  ClockRange ahead;
  for (const Snapshot& snapshot : stream.snapshots) {
    const int64_t most_ns = snapshot.begin.real_ns - snapshot.begin.mono_ns;
    ahead.hi_ns = std::min(ahead.hi_ns, most_ns + 1);
    ahead.lo_ns = std::max(ahead.lo_ns, most_ns - snapshot.begin.width_ns - 1);
  }
  if (!ahead.known() || ahead.lo_ns > ahead.hi_ns) return std::nullopt;
  return ahead;
}

struct CrossTime {
  int64_t host_real_ns = 0;
  ClockRange guest_raw;
};

// "ptp_kvm precise HOST_REAL GUEST_REAL GUEST_RAW", or "ptp_kvm sampled HOST_REAL RAW_BEFORE
// RAW_AFTER".
std::optional<CrossTime> ParseCross(const std::string& text) {
  char how[16] = {};
  int64_t device = 0, first = 0, second = 0;
  if (sscanf(text.c_str(), "ptp_kvm %15s %" SCNd64 " %" SCNd64 " %" SCNd64, how, &device, &first,
             &second) != 4) {
    return std::nullopt;
  }
  const std::string kind = how;
  if (device <= 0 || second <= 0) return std::nullopt;
  if (kind == "precise") return CrossTime{device, {second - 1, second + 1}};
  if (kind == "sampled" && first <= second) return CrossTime{device, {first, second + 1}};
  return std::nullopt;
}

}  // namespace

WhyNot AddTscOffset(const Stream& host, const Stream& guest, int32_t pid, uint32_t source,
                    std::vector<ClockEvidence>* evidence) {
  const std::vector<TscFact> facts = TscFacts(host, pid);
  if (facts.empty()) return "";
  if (WhyNot why = Unusable(facts); !why.empty()) return why;
  const CounterScale scale(host);
  if (scale.went_back()) return "the host's counter went back";
  if (!scale.usable()) return "the host's counter was not read";
  const uint64_t offset = static_cast<uint64_t>(facts.front().offset);
  for (const Snapshot& snapshot : guest.snapshots) {
    const ClockReading& reading = snapshot.begin;
    if (reading.counter == 0 || reading.raw_ns == 0) continue;
    const ClockRange at_host = scale.At(reading.counter - offset);
    if (at_host.known()) AddBoth(RawAtCounter(reading), at_host, true, source, evidence);
  }
  return "";
}

WhyNot AddCrossTimes(const Stream& host, const Stream& guest, uint32_t source,
                     std::vector<ClockEvidence>* evidence) {
  std::optional<ClockRange> ahead;
  for (const Fact& fact : guest.facts) {
    if (fact.name != "clock.cross") continue;
    const std::optional<CrossTime> cross = ParseCross(fact.value);
    if (!cross) continue;
    if (!ahead && !(ahead = WallAhead(host))) {
      return "the host's wall clock was set: ptp_kvm tells nothing but that clock";
    }
    AddBoth(cross->guest_raw,
            {cross->host_real_ns - ahead->hi_ns, cross->host_real_ns - ahead->lo_ns + 1}, false,
            source, evidence);
  }
  return "";
}

}  // namespace ringside
