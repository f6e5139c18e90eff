// SPDX-License-Identifier: Apache-2.0
// Makes an incident with as many detail events as wanted, by the writer that collectors use: a
// host and a guest with eight receive queues, ten snapshots a second, and a chunk per node for each
// tenth of a second (as agents send them), at half a million events a second and node. Gaps between
// events of a CPU are exponential.
//
//   ringside-make-incident [--events 100M] FILE
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>

#include "collector/store/incident_writer.h"
#include "correlate/event_kinds.h"
#include "proto/chunk.h"

namespace ringside {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kStep_ns = kSecond_ns / 10;
constexpr int64_t kEpoch_ns = 1'700'000'000 * kSecond_ns;
constexpr uint32_t kQueues = 8;
constexpr uint64_t kEventsPerStep = 50'000;  // of a node

struct Random {
  uint64_t state;
  double Uniform() {  // in (0, 1]
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (static_cast<double>(state >> 11) + 1) / 9007199254740992.0;
  }
};

ClockReading ClockAt(int64_t mono_ns) {
  return {mono_ns, mono_ns, kEpoch_ns + mono_ns, static_cast<uint64_t>(mono_ns), 200};
}

struct Node {
  StreamKey key;
  bool host = false;
  Random random{1};
  uint64_t number = 0;  // of records
  uint64_t events = 0;  // written
  uint64_t counts[kQueues] = {};
  uint64_t sequence = 0;
};

absl::Status Put(IncidentWriter& writer, Node& node, Record record) {
  return writer.Append(node.key, {++node.number, std::move(record)});
}

absl::Status Begin(IncidentWriter& writer, Node& node) {
  Hello hello;
  hello.key = node.key;
  hello.name = node.host ? "host1" : "vm1";
  hello.roles = node.host ? kRoleHost : kRoleGuest;
  hello.kernel = "6.1.0";
  hello.smbios_uuid = node.host ? "" : "00000000-0000-0000-0000-000000000001";
  hello.hooks = {{HookId{1}, node.host ? "vhost.signalled" : "guest.irq", "program", "target",
                  Rung::kTpBtf, HookState::kProven, ""}};
  hello.clock = ClockAt(kSecond_ns);
  absl::Status status = Put(writer, node, hello);
  for (uint32_t q = 0; q < kQueues && status.ok(); ++q) {
    QueueInfo queue;
    queue.id = QueueId{q + 1};
    queue.generation = 1;
    queue.mono_ns = kSecond_ns;
    queue.kind = node.host ? QueueKind::kHost : QueueKind::kGuest;
    queue.device = node.host ? "tap0" : "eth0";
    queue.queue = fmt::format("rx{}", q);
    queue.irq = static_cast<int32_t>(30 + q);
    queue.ring_size = 256;
    queue.ring_address = 0x1000000 + q * 0x10000;
    if (node.host) {
      queue.vm_name = "vm1";
      queue.vm_uuid = "00000000-0000-0000-0000-000000000001";
    }
    status = Put(writer, node, queue);
  }
  return status;
}

absl::Status PutSnapshot(IncidentWriter& writer, Node& node, int64_t mono_ns) {
  Snapshot snapshot;
  snapshot.sequence = ++node.sequence;
  snapshot.full = snapshot.sequence % 100 == 1;
  snapshot.begin = ClockAt(mono_ns);
  snapshot.end = ClockAt(mono_ns + 50'000);
  for (uint32_t q = 0; q < kQueues; ++q) {
    const Count count = node.host ? Count::kVhostSignalled : Count::kGuestIrq;
    snapshot.samples.push_back({QueueId{q + 1}, count, HookId{1}, node.counts[q], node.counts[q]});
    snapshot.gauges.push_back({QueueId{q + 1}, Gauge::kPosition, node.counts[q]});
  }
  snapshot.hooks.push_back({HookId{1}, node.events, 0, 0, 0});
  return Put(writer, node, snapshot);
}

absl::Status PutChunk(IncidentWriter& writer, Node& node, int64_t from_ns, uint64_t count) {
  std::vector<Event> events(count);
  int64_t times[kQueues];
  std::fill(std::begin(times), std::end(times), from_ns);
  const double mean_ns = static_cast<double>(kStep_ns) * kQueues / kEventsPerStep;
  for (uint64_t i = 0; i < count; ++i) {
    const auto cpu = static_cast<uint16_t>(i % kQueues);  // each has its queue's interrupt
    times[cpu] += static_cast<int64_t>(-mean_ns * std::log(node.random.Uniform()));
    const uint64_t number = node.counts[cpu]++;
    events[i] = Event{.mono_ns = times[cpu],
                      .pos = number,
                      .queue = QueueId{cpu + 1u},
                      .kind = static_cast<uint16_t>(node.host ? EventKind::kVhostSignalled
                                                              : EventKind::kGuestIrq),
                      .cpu = cpu,
                      .number = number,
                      .value = node.host ? 1u : 0u};
  }
  absl::StatusOr<EventChunk> chunk = EncodeChunk(events, node.events + 1);
  if (!chunk.ok()) return chunk.status();
  node.events += count;
  return Put(writer, node, *std::move(chunk));
}

absl::Status Make(const std::string& path, uint64_t wanted) {
  absl::StatusOr<std::unique_ptr<IncidentWriter>> writer =
      IncidentWriter::Create(path, "collector1");
  if (!writer.ok()) return writer.status();
  Node nodes[2] = {{{"machine-host1", "boot-1", "agent-1"}, true, {1}},
                   {{"machine-vm1", "boot-1", "agent-1"}, false, {2}}};
  absl::Status status;
  for (Node& node : nodes) status.Update(Begin(**writer, node));
  int64_t now_ns = kSecond_ns;
  for (uint64_t made = 0; made < wanted && status.ok(); now_ns += kStep_ns) {
    for (Node& node : nodes) {
      const uint64_t count = std::min(kEventsPerStep, wanted - made);
      status.Update(PutSnapshot(**writer, node, now_ns));
      if (count > 0) status.Update(PutChunk(**writer, node, now_ns, count));
      made += count;
      const ClockExchange exchange{ClockAt(now_ns), ClockAt(now_ns + 20'000),
                                   ClockAt(now_ns + 40'000)};
      status.Update((*writer)->Append(node.key, {0, exchange}));
    }
    status.Update((*writer)->Commit(ClockAt(now_ns)));
  }
  for (Node& node : nodes) {
    status.Update(PutSnapshot(**writer, node, now_ns));
    status.Update(Put(**writer, node, Bye{ClockAt(now_ns), "made up"}));
  }
  return status.ok() ? (*writer)->Close() : status;
}

// "100M", "2M", "50000"; 0 for what is none.
uint64_t CountOf(const std::string& text) {
  char* end = nullptr;
  const uint64_t count = std::strtoull(text.c_str(), &end, 10);
  const std::string unit = end;
  if (unit == "M") return count * 1'000'000;
  return unit.empty() ? count : 0;
}

}  // namespace
}  // namespace ringside

int main(int argc, char** argv) {
  uint64_t events = 100'000'000;
  if (argc == 4 && std::string(argv[1]) == "--events") events = ringside::CountOf(argv[2]);
  if ((argc != 2 && argc != 4) || events == 0) {
    fmt::print(stderr, "usage: ringside-make-incident [--events 100M] FILE\n");
    return 2;
  }
  const absl::Status status = ringside::Make(argv[argc - 1], events);
  if (!status.ok()) fmt::print(stderr, "{}\n", std::string(status.message()));
  return status.ok() ? 0 : 4;
}
