// SPDX-License-Identifier: Apache-2.0
// Plausible records for tests of wire and store.
#ifndef RINGSIDE_TESTS_PROTO_SAMPLE_RECORDS_H_
#define RINGSIDE_TESTS_PROTO_SAMPLE_RECORDS_H_

#include <string>
#include <utility>
#include <vector>

#include "correlate/records.h"
#include "proto/convert.h"

namespace ringside {

inline constexpr int64_t kSecond_ns = 1'000'000'000;
inline constexpr int64_t kEpoch_ns = 1'700'000'000 * kSecond_ns;  // REALTIME at MONOTONIC 0

inline ClockReading ClockAt(int64_t mono_ns) {
  return ClockReading{mono_ns, mono_ns + 5, kEpoch_ns + mono_ns, static_cast<uint64_t>(mono_ns) * 3,
                      250};
}

inline StreamKey Key(const std::string& name) { return {"machine-" + name, "boot-1", "agent-1"}; }

inline Hello MakeHello(const std::string& name) {
  Hello hello;
  hello.key = Key(name);
  hello.name = name;
  hello.version = "0.1.0";
  hello.protocol = kProtocol;
  hello.roles = kRoleGuest;
  hello.kernel = "6.1.0-13-amd64";
  hello.arch = "x86_64";
  hello.smbios_uuid = "564d9e1a";
  hello.hooks = {{HookId{1}, "guest.irq", "irq_entry", "vring_interrupt", Rung::kTpBtf,
                  HookState::kAttached, ""},
                 {HookId{2}, "guest.napi", "napi_poll", "napi:napi_poll", Rung::kTracepoint,
                  HookState::kAttached, "no BTF"}};
  hello.clock = ClockAt(kSecond_ns);
  return hello;
}

inline QueueInfo MakeQueue(uint32_t id, const std::string& device, const std::string& queue) {
  QueueInfo info;
  info.id = QueueId{id};
  info.generation = 1;
  info.mono_ns = kSecond_ns;
  info.device = device;
  info.queue = queue;
  info.irq_name = "virtio0-input.0";
  info.irq = 27;
  info.ring_size = 256;
  info.ring_address = 0x1fe8c000;
  info.msi = {0xfee00000, 0x4021, true};
  return info;
}

// One count of one queue, as of `sequence` seconds.
inline Snapshot MakeSnapshot(uint64_t sequence, bool full, std::vector<Sample> samples) {
  Snapshot snapshot;
  snapshot.sequence = sequence;
  snapshot.full = full;
  snapshot.begin = ClockAt(static_cast<int64_t>(sequence) * kSecond_ns);
  snapshot.end = ClockAt(static_cast<int64_t>(sequence) * kSecond_ns + 40'000);
  snapshot.samples = std::move(samples);
  return snapshot;
}

}  // namespace ringside

#endif  // RINGSIDE_TESTS_PROTO_SAMPLE_RECORDS_H_
