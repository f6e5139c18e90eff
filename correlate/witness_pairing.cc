// SPDX-License-Identifier: Apache-2.0
#include "correlate/witness_pairing.h"

#include <algorithm>

#include "correlate/window.h"
#include "correlate/witness.h"

namespace ringside {
namespace {

// What the host may have sent that its count does not hold yet, or any more (kernel facts 5).
constexpr int64_t kUnderWay = 8;

std::string FactOf(const Stream& stream, const std::string& name) {
  for (const Fact& fact : stream.facts) {
    if (fact.name == name) return fact.value;
  }
  return {};
}

int64_t ReceiveQueues(const std::vector<LocalQueue>& all, const LocalQueue& one) {
  return std::count_if(all.begin(), all.end(), [&](const LocalQueue& queue) {
    return queue.node == one.node && queue.info.kind == one.info.kind &&
           queue.info.device == one.info.device && queue.info.queue.starts_with("rx");
  });
}

std::optional<Interval> GrowthOf(const LocalQueue& queue, Count count, const SnapshotRange& range) {
  const auto hook = ChooseHook(queue, count, range);
  if (!hook) return std::nullopt;
  return GrowthByTime(queue, count, hook->id, range);
}

// Host snapshots that certainly surround the guest's.
std::optional<SnapshotRange> Around(const LocalQueue& host, int64_t from_ns, int64_t to_ns) {
  const std::vector<Snapshot>& snapshots = host.node->stream->snapshots;
  std::optional<size_t> first;
  for (size_t i = 0; i < snapshots.size(); ++i) {
    if (host.node->axis.At(snapshots[i].end.mono_ns).hi_ns <= from_ns) first = i;
    if (first && host.node->axis.At(snapshots[i].begin.mono_ns).lo_ns >= to_ns) {
      return SnapshotRange{*first, i};
    }
  }
  return std::nullopt;
}

// How many interrupts the guest took between its readings, and how many at most the host sent in a
// longer time around them.
struct Moved {
  int64_t taken = 0;
  int64_t sent_most = 0;
};
std::optional<Moved> MovedTogether(const LocalQueue& host, const LocalQueue& guest) {
  const std::vector<Snapshot>& snapshots = guest.node->stream->snapshots;
  if (snapshots.size() < 2) return std::nullopt;
  const auto around = Around(host, guest.node->axis.At(snapshots.front().begin.mono_ns).lo_ns,
                             guest.node->axis.At(snapshots.back().end.mono_ns).hi_ns);
  if (!around) return std::nullopt;
  const auto taken = GrowthOf(guest, Count::kGuestProcIrq, {0, snapshots.size() - 1});
  const auto injected = GrowthOf(host, Count::kKvmInjected, *around);
  if (!taken || !injected || !injected->hi) return std::nullopt;
  const Interval written = Or0(GrowthOf(host, Count::kEventfdWritten, *around));
  const Interval slow = Or0(GrowthOf(host, Count::kKvmSlowpath, *around));
  if (!written.hi || !slow.hi) return std::nullopt;
  return Moved{taken->lo, *injected->hi + *written.hi + *slow.hi};
}

}  // namespace

std::optional<WitnessMatch> MatchWitness(const LocalQueue& host, const LocalQueue& guest,
                                         const std::vector<LocalQueue>& all) {
  const Hello& hello = guest.node->stream->hello;
  if (host.info.queue != guest.info.queue) return std::nullopt;
  WitnessMatch match;
  const std::string by_hand =
      FactOf(*guest.node->stream, guest.info.device + std::string(kHostDeviceFact));
  if (!by_hand.empty()) {
    if (by_hand != host.info.device) return std::nullopt;
    match.points += 4;
    match.evidence.push_back("given by hand: " + guest.info.device + " is " + by_hand);
  }
  if (!host.info.vm_uuid.empty() && !hello.smbios_uuid.empty()) {
    if (host.info.vm_uuid != hello.smbios_uuid) return std::nullopt;
    match.evidence.push_back("VM: SMBIOS UUID " + hello.smbios_uuid + " is the VMM's -uuid");
  } else if (!host.info.vm_name.empty() && host.info.vm_name == hello.name) {
    match.evidence.push_back("VM: the witness' name is the VMM's -name " + hello.name);
  }
  if (match.evidence.empty()) return std::nullopt;
  match.evidence.push_back("both call it " + guest.info.queue);
  const int64_t queues = ReceiveQueues(all, guest);
  if (queues == ReceiveQueues(all, host)) {
    ++match.points;
    match.evidence.push_back("receive queues of both devices: " + std::to_string(queues));
  }
  if (const auto moved = MovedTogether(host, guest)) {
    if (moved->taken > moved->sent_most + kUnderWay) return std::nullopt;
    match.points += moved->taken > 0 ? 1 : 0;
    match.evidence.push_back(
        "interrupts taken between the readings: " + std::to_string(moved->taken) +
        ", sent around them: at most " + std::to_string(moved->sent_most));
  }
  match.evidence.push_back("a witness sees no key of the queue: provisional");
  return match;
}

}  // namespace ringside
