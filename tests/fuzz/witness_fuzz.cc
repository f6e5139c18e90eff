// SPDX-License-Identifier: Apache-2.0
// A witness' text: whatever it is, records within their bounds, in an order that the ledger takes.
#include <cstdlib>
#include <string>

#include "cli/witness/witness_records.h"
#include "cli/witness/witness_text.h"
#include "correlate/analysis.h"
#include "correlate/witness.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace ringside;  // NOLINT: this file only

Stream StreamOf(const std::vector<Record>& records) {
  Stream stream;
  for (const Record& record : records) {
    if (const auto* hello = std::get_if<Hello>(&record)) stream.hello = *hello;
    if (const auto* queue = std::get_if<QueueInfo>(&record)) stream.queues.push_back(*queue);
    if (const auto* snapshot = std::get_if<Snapshot>(&record)) {
      stream.snapshots.push_back(*snapshot);
    }
    if (const auto* fact = std::get_if<Fact>(&record)) stream.facts.push_back(*fact);
    if (const auto* line = std::get_if<LogLine>(&record)) stream.log.push_back(*line);
  }
  return stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  WitnessText witness =
      ParseWitness(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  const auto records = WitnessRecords({.node = "vm1"}, "fuzz", &witness);
  if (witness.problems.size() > 2 * kProblemsMax + kWitnessQueuesMax) std::abort();
  if (!records.ok()) return 0;
  if (!std::holds_alternative<Hello>(records->front())) std::abort();
  Recording recording;
  recording.streams.push_back(StreamOf(*records));
  const Stream& stream = recording.streams.front();
  if (!IsWitness(stream.hello) || stream.queues.size() > kWitnessQueuesMax + 1) std::abort();
  int64_t last_ns = 0;
  for (const Snapshot& snapshot : stream.snapshots) {
    if (snapshot.begin.mono_ns < last_ns || snapshot.end.mono_ns < snapshot.begin.mono_ns) {
      std::abort();
    }
    last_ns = snapshot.end.mono_ns;
  }
  Analyse(recording, {});
  return 0;
}

namespace ringside {

std::vector<std::string> FuzzSeeds() {
  const std::string head =
      "ringside-witness 1\n### about\nname vm1\nboot b\nmachine m\nuuid U\n"
      "### device virtio0 eth0\n"
      "threaded 1\n### command adjtimex\n    maxerror:     16000000\n";
  const std::string reading =
      "### reading 1\n### clock 1700000000.5 100.25 1700000000\n### file /proc/interrupts\n CPU0\n"
      "25: 1 x virtio0-input.0\n### file /proc/net/softnet_stat\n0000101a 00000000 00000004\n"
      "### irq 25\nhwirq 1\ncount 5\nunhandled 1\nlast_unhandled 0 ms\n### tasks\n"
      "83 R 1 2 napi/eth0-8193\n### command ethtool -S eth0\n     rx_queue_0_packets: 7\n"
      "### nic Ethernet 2\nReceivedPackets 5\n### clock 1700000001.5 101.25 1700000002\n";
  return {head + reading + reading + "### log\n[ 1.5] irq 25: nobody cared\n### end\n", head};
}

void FuzzReseal(std::string&) {}

}  // namespace ringside
