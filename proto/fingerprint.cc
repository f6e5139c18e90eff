// SPDX-License-Identifier: Apache-2.0
// What a record's hash is made of. Fields enter with a tag and only if they are set, so that a
// field which a later version adds leaves old records' hashes alone; counts and gauges enter by
// name, not by number; rows (hooks, samples) are added up, because the store keeps them in its own
// order.
#include <array>

#include "proto/convert.h"

namespace ringside {
namespace {

uint64_t Mix(uint64_t value) {  // the finaliser of splitmix64
  value ^= value >> 30;
  value *= 0xbf58476d1ce4e5b9u;
  value ^= value >> 27;
  value *= 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

class Hasher {
 public:
  explicit Hasher(uint64_t kind) : state_(Mix(kind + 0x9e3779b97f4a7c15u)) {}

  Hasher& Add(uint64_t tag, uint64_t value) {
    if (value != 0) state_ = Mix((state_ ^ value) + tag * 0x9e3779b97f4a7c15u);
    return *this;
  }
  Hasher& Add(uint64_t tag, std::string_view text) {
    if (text.empty()) return *this;
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    return Add(tag, Mix(hash ^ text.size()) | 1);
  }
  Hasher& Add(uint64_t tag, const ClockReading& clock) {
    return Add(tag, static_cast<uint64_t>(clock.mono_ns))
        .Add(tag + 1, static_cast<uint64_t>(clock.raw_ns))
        .Add(tag + 2, static_cast<uint64_t>(clock.real_ns))
        .Add(tag + 3, clock.counter)
        .Add(tag + 4, static_cast<uint64_t>(clock.width_ns));
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_;
};

template <typename Id, size_t kSize, typename NameOf>
std::array<uint64_t, kSize> NameHashes(NameOf name_of) {
  std::array<uint64_t, kSize> hashes{};
  for (size_t i = 0; i < kSize; ++i) {
    hashes[i] = Hasher(0).Add(1, name_of(static_cast<Id>(i))).value();
  }
  return hashes;
}

uint64_t NameHash(Count count) {
  static const auto hashes = NameHashes<Count, kCounts>(CountName);
  return hashes.at(static_cast<size_t>(count));
}

uint64_t NameHash(Gauge gauge) {
  static const auto hashes = NameHashes<Gauge, kGauges>(GaugeName);
  return hashes.at(static_cast<size_t>(gauge));
}

void AddBody(const Hello& hello, Hasher& h) {
  h.Add(1, hello.key.machine_id).Add(2, hello.key.boot_id).Add(3, hello.key.instance);
  h.Add(4, hello.name).Add(5, hello.version).Add(6, hello.protocol).Add(7, hello.roles);
  h.Add(8, hello.kernel).Add(9, hello.arch).Add(10, hello.smbios_uuid).Add(11, hello.clock);
  uint64_t sum = 0;
  for (const HookInfo& hook : hello.hooks) {
    sum += Hasher(20)
               .Add(20, uint64_t{1} + static_cast<uint32_t>(hook.id))
               .Add(21, hook.stage)
               .Add(22, hook.program)
               .Add(23, hook.target)
               .Add(24, static_cast<uint64_t>(hook.rung))
               .Add(25, static_cast<uint64_t>(hook.state))
               .Add(26, hook.reason)
               .value();
  }
  h.Add(30, sum);
}

void AddBody(const QueueInfo& queue, Hasher& h) {
  h.Add(1, static_cast<uint32_t>(queue.id)).Add(2, queue.generation);
  h.Add(3, static_cast<uint64_t>(queue.mono_ns)).Add(4, static_cast<uint64_t>(queue.kind));
  h.Add(5, queue.device).Add(6, queue.queue).Add(7, queue.irq_name);
  h.Add(8, static_cast<uint64_t>(queue.irq)).Add(9, queue.ring_size).Add(10, queue.packed ? 1 : 0);
  h.Add(11, queue.ring_address).Add(12, queue.msi.known ? 1 : 0).Add(13, queue.msi.address);
  h.Add(14, queue.msi.data).Add(15, queue.epoch).Add(16, queue.vm_id).Add(17, queue.vm_name);
  h.Add(18, queue.vm_uuid).Add(19, static_cast<uint64_t>(queue.owner_pid));
}

void AddBody(const Snapshot& snapshot, Hasher& h) {
  h.Add(1, snapshot.sequence).Add(2, snapshot.full ? 1 : 0).Add(3, snapshot.folded);
  h.Add(4, snapshot.begin).Add(10, snapshot.end);
  uint64_t sum = 0;
  for (const Sample& sample : snapshot.samples) {
    sum += Hasher(NameHash(sample.count))
               .Add(1, static_cast<uint32_t>(sample.queue))
               .Add(2, static_cast<uint32_t>(sample.hook))
               .Add(3, sample.lo)
               .Add(4, sample.hi)
               .value();
  }
  for (const GaugeSample& gauge : snapshot.gauges) {
    sum += Hasher(NameHash(gauge.gauge))
               .Add(5, static_cast<uint32_t>(gauge.queue))
               .Add(6, gauge.value)
               .value();
  }
  for (const HookSample& hook : snapshot.hooks) {
    sum += Hasher(7)
               .Add(8, static_cast<uint32_t>(hook.hook))
               .Add(9, hook.hits)
               .Add(10, hook.unplaced)
               .Add(11, hook.dropped)
               .Add(12, hook.misses ? *hook.misses + 1 : 0)
               .value();
  }
  for (const Part& part : snapshot.parts) {
    sum += Hasher(NameHash(part.count))
               .Add(13, static_cast<uint32_t>(part.queue))
               .Add(14, part.label)
               .Add(15, part.value)
               .value();
  }
  h.Add(20, sum);
}

void AddBody(const Marks& marks, Hasher& h) {
  for (const Mark& mark : marks.marks) {
    h.Add(1, uint64_t{1} + static_cast<uint32_t>(mark.queue));
    h.Add(2, static_cast<uint64_t>(mark.domain)).Add(3, mark.cpu).Add(4, mark.epoch);
    h.Add(5, static_cast<uint64_t>(mark.mono_ns)).Add(6, mark.prev).Add(7, mark.pos);
    uint64_t sum = 0;
    for (const MarkCount& count : mark.counts) {
      sum += Hasher(NameHash(count.count))
                 .Add(8, static_cast<uint32_t>(count.hook))
                 .Add(9, count.value)
                 .value();
    }
    h.Add(10, sum);
  }
}

void AddBody(const EventChunk& chunk, Hasher& h) {
  h.Add(1, chunk.first_number).Add(2, chunk.count);
  h.Add(3, static_cast<uint64_t>(chunk.from_mono_ns));
  h.Add(4, static_cast<uint64_t>(chunk.to_mono_ns)).Add(5, chunk.data);
}

void AddBody(const LogLine& line, Hasher& h) {
  h.Add(1, static_cast<uint64_t>(line.mono_ns)).Add(2, line.level).Add(3, line.text);
}

void AddBody(const Fact& fact, Hasher& h) {
  h.Add(1, static_cast<uint64_t>(fact.mono_ns)).Add(2, fact.name).Add(3, fact.value);
}

void AddBody(const ClockExchange& exchange, Hasher& h) {
  h.Add(1, exchange.collector_before).Add(10, exchange.agent).Add(20, exchange.collector_after);
}

void AddBody(const Gap& gap, Hasher& h) {
  h.Add(1, static_cast<uint64_t>(gap.from_mono_ns)).Add(2, static_cast<uint64_t>(gap.to_mono_ns));
  h.Add(3, gap.what);
}

void AddBody(const Bye& bye, Hasher& h) { h.Add(1, bye.clock).Add(10, bye.reason); }

}  // namespace

uint64_t Fingerprint(const NumberedRecord& record) {
  Hasher hasher(100 + record.record.index());
  hasher.Add(1, record.number);
  std::visit([&hasher](const auto& body) { AddBody(body, hasher); }, record.record);
  return hasher.value();
}

}  // namespace ringside
