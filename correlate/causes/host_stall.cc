// SPDX-License-Identifier: Apache-2.0
#include "correlate/causes/host_stall.h"

namespace ringside {
namespace {

// A gauge that is known and the same at both ends of a step.
bool Same(const Side& host, Gauge gauge, size_t from) {
  const auto value = host.At(gauge, from);
  return value && value == host.At(gauge, from + 1);
}

bool Is(const Side& host, Gauge gauge, size_t at, uint64_t value) {
  return host.At(gauge, at) == value;
}

// Nothing used, nothing taken, of a VM that runs with a backend.
bool Still(const Side& host, size_t from) {
  const auto used = host.Growth(Count::kVhostUsed, {from, from + 1});
  if (used && used->lo > 0) return false;
  const bool known = host.At(Gauge::kUsed, from) || (used && used->hi == 0);
  if (!known || (host.At(Gauge::kUsed, from) && !Same(host, Gauge::kUsed, from))) return false;
  if (!Same(host, Gauge::kAvail, from)) return false;
  for (const size_t at : {from, from + 1}) {
    if (Is(host, Gauge::kVmRunning, at, 0) || Is(host, Gauge::kBackend, at, 0)) return false;
  }
  return true;
}

bool Full(const Side& host, size_t at) { return Is(host, Gauge::kTunFull, at, 1); }

// vhost has taken all the buffers that the guest gave, and packets wait for more.
bool Starved(const Side& host, size_t at) {
  const auto taken = host.At(Gauge::kAvail, at);
  auto given = host.At(Gauge::kAvailGiven, at);
  if (!given) given = host.At(Gauge::kAvailSeen, at);
  const auto waits = host.At(Gauge::kTunRing, at);
  return taken && given && taken == given && waits && *waits > 0;
}

// Entries are there for which the guest wanted a signal. 0 is what a guest writes that wants none.
bool Wanting(const QueueEvidence& evidence, size_t at) {
  const auto used = evidence.host.At(Gauge::kUsed, at);
  const auto event = evidence.host.At(Gauge::kUsedEvent, at);
  if (evidence.tx() || !used || !event || *event == 0) return false;
  return Passed(static_cast<uint16_t>(*used), static_cast<uint16_t>(*event));
}

bool Stands(const QueueEvidence& evidence, size_t from) {
  const Side& host = evidence.host;
  if (!Still(host, from)) return false;
  const auto both = [&](const auto& holds) { return holds(from) && holds(from + 1); };
  if (both([&](size_t at) { return Wanting(evidence, at); }) &&
      Same(host, Gauge::kUsedEvent, from)) {
    return true;
  }
  return both([&](size_t at) { return Full(host, at) || Starved(host, at); });
}

// The last snapshot before it at which the index had not passed `wanted`.
std::optional<SnapshotRange> SincePassed(const Side& host, const HostStall& stall) {
  for (size_t at = stall.host.first; at-- > host.range().first;) {
    const auto used = host.At(Gauge::kUsed, at);
    if (!used) return std::nullopt;
    if (!Passed(static_cast<uint16_t>(*used), *stall.wanted)) {
      return SnapshotRange{at, stall.host.last};
    }
  }
  return std::nullopt;
}

template <typename Holds>
bool AllAlong(const SnapshotRange& range, const Holds& holds) {
  for (size_t at = range.first; at <= range.last; ++at) {
    if (!holds(at)) return false;
  }
  return true;
}

}  // namespace

std::optional<HostStall> FindHostStall(const QueueEvidence& evidence) {
  const Side& host = evidence.host;
  if (!host) return std::nullopt;
  const auto best =
      LongestStretch(host.range(), 2, [&](size_t from) { return Stands(evidence, from); });
  if (!best) return std::nullopt;
  HostStall stall{.host = *best};
  stall.from_ns = host.Begin(best->first).mid_ns();
  stall.to_ns = host.End(best->last).mid_ns();
  stall.full = AllAlong(*best, [&](size_t at) { return Full(host, at); });
  stall.no_buffers = AllAlong(*best, [&](size_t at) { return Starved(host, at); });
  stall.waits = host.At(Gauge::kTunRing, best->last);
  if (const auto used = host.At(Gauge::kUsed, best->last)) {
    stall.used = static_cast<uint16_t>(*used);
  }
  const auto event = host.At(Gauge::kUsedEvent, best->last);
  const bool wanting = AllAlong(*best, [&](size_t at) {
    return Wanting(evidence, at) && host.At(Gauge::kUsedEvent, at) == event;
  });
  if (!wanting) return stall;
  stall.wanted = static_cast<uint16_t>(*event);
  stall.untaken = static_cast<uint16_t>(*stall.used - *stall.wanted);
  stall.since_passed = SincePassed(host, stall);
  return stall;
}

}  // namespace ringside
