// SPDX-License-Identifier: Apache-2.0
// What one agent says, as plain values: the vocabulary shared by agent, wire, store and ledger.
//
// An agent's life is a stream of numbered records. Counters in it are cumulative and never cleared,
// so of several snapshots the newest is worth the most, and a lost one costs resolution, never a
// count. Times are the node's own CLOCK_MONOTONIC; they are put on a common axis only when read.
//
// All types are values: no thread rule, no lifetime beyond their own.
#ifndef RINGSIDE_CORRELATE_RECORDS_H_
#define RINGSIDE_CORRELATE_RECORDS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "correlate/counts.h"

namespace ringside {

enum class QueueId : uint32_t {};  // unique within one stream
enum class HookId : uint32_t {};   // unique within one stream

// The four clocks of a node, read together. `width_ns` is the monotonic time between the first and
// the last of the reads: all four values hold for some instants within it.
struct ClockReading {
  int64_t mono_ns = 0;  // CLOCK_MONOTONIC
  int64_t raw_ns = 0;   // CLOCK_MONOTONIC_RAW
  int64_t real_ns = 0;  // CLOCK_REALTIME, since 1970
  uint64_t counter = 0; // TSC or CNTVCT; 0 where it cannot be read
  int64_t width_ns = 0;
  friend bool operator==(const ClockReading&, const ClockReading&) = default;
};

// One agent's life on one kernel. Two streams of one node (machine and boot) are the same node.
struct StreamKey {
  std::string machine_id;
  std::string boot_id;
  std::string instance;  // random per agent start
  friend bool operator==(const StreamKey&, const StreamKey&) = default;
  friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};

enum RoleBits : uint32_t { kRoleHost = 1, kRoleGuest = 2 };

// How a count is obtained; better rungs first (design D3).
enum class Rung : uint16_t { kTpBtf, kFentry, kKprobe, kTracepoint, kProcfs, kNone };
enum class HookState : uint16_t { kAttached, kRefused, kUnneeded };

struct HookInfo {
  HookId id{};
  std::string stage;    // "guest.irq", "vhost", ...
  std::string program;  // BPF program or file
  std::string target;   // kernel function or tracepoint
  Rung rung = Rung::kNone;
  HookState state = HookState::kRefused;
  std::string reason;   // the kernel's own words where it refused
  friend bool operator==(const HookInfo&, const HookInfo&) = default;
};

struct Hello {
  StreamKey key;
  std::string name;      // shown name: --name, else host name
  std::string version;   // of the agent
  uint32_t protocol = 0;
  uint32_t roles = 0;    // RoleBits
  std::string kernel;    // uname -r
  std::string arch;
  std::string smbios_uuid;  // empty where it cannot be read
  std::vector<HookInfo> hooks;
  ClockReading clock;
  friend bool operator==(const Hello&, const Hello&) = default;
};

enum class QueueKind : uint16_t { kGuest, kHost, kRoute };

struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;
  bool known = false;
  friend bool operator==(const MsiMessage&, const MsiMessage&) = default;
};

// A queue as one side knows it. Sent at first sight and again whenever something in it changed; the
// last one before a time holds at that time. A new `generation` means another object under the same
// name: counts and positions of two generations are never joined.
struct QueueInfo {
  QueueId id{};
  uint32_t generation = 0;
  int64_t mono_ns = 0;      // when this was found to be so
  QueueKind kind = QueueKind::kGuest;
  std::string device;       // guest: eth0, virtio1; host: tap0; route: kvm-PID
  std::string queue;        // rx0, tx1, req.0, gsi5: rx and tx as the guest sees them
  std::string irq_name;     // guest: virtio0-input.0
  int32_t irq = -1;         // guest: interrupt number; host: GSI
  uint32_t ring_size = 0;   // entries; 0 unknown
  bool packed = false;      // packed ring: no positions
  uint64_t ring_address = 0;  // guest physical (DMA) address of the used ring; 0 unknown
  MsiMessage msi;
  uint32_t epoch = 0;       // grows when the message changes
  std::string vm_id;        // host: salted hash that is equal for queues of one VM
  std::string vm_name;      // host: -name or libvirt's domain
  std::string vm_uuid;      // host: -uuid
  int32_t owner_pid = 0;    // host: the VMM
  friend bool operator==(const QueueInfo&, const QueueInfo&) = default;
};

// A cumulative count, bracketed: read once before and once after the snapshot's instant, so that
// its value at that instant lies in [lo, hi]. Idle queues have lo == hi.
struct Sample {
  QueueId queue{};
  Count count{};
  HookId hook{};
  uint64_t lo = 0;
  uint64_t hi = 0;
  friend bool operator==(const Sample&, const Sample&) = default;
};

struct GaugeSample {
  QueueId queue{};
  Gauge gauge{};
  uint64_t value = 0;
  friend bool operator==(const GaugeSample&, const GaugeSample&) = default;
};

// What a hook has seen and lost so far. `misses` absent: this kernel does not tell.
struct HookSample {
  HookId hook{};
  uint64_t hits = 0;
  uint64_t unplaced = 0;  // hits that found no slot for their queue
  uint64_t dropped = 0;   // marks or details that found the ring full
  std::optional<uint64_t> misses;
  friend bool operator==(const HookSample&, const HookSample&) = default;
};

// Counters and gauges of one node. Full snapshots hold everything; others only what changed since
// the one before (same stream). Read in the order: counters, gauges, counters (design D6).
struct Snapshot {
  uint64_t sequence = 0;  // per stream, from 1, without holes
  bool full = false;
  // Snapshots right before this one that a full spool folded into it: it holds what changed since
  // `sequence - 1 - folded`. A hole in `sequence` that `folded` does not cover lost changes.
  uint32_t folded = 0;
  ClockReading begin;
  ClockReading end;
  std::vector<Sample> samples;
  std::vector<GaugeSample> gauges;
  std::vector<HookSample> hooks;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// Exact counts at positions (see rs_mark in bpf/events.h): `counts` are those of one writer domain
// as they were before the hit that moved the index from `prev` to `pos`; they hold for every
// position p with prev < p <= pos, as "with an index below p".
enum class Domain : uint16_t { kIrq, kNapi, kVhost, kRoute };
struct MarkCount {
  Count count{};
  HookId hook{};
  uint64_t value = 0;
  friend bool operator==(const MarkCount&, const MarkCount&) = default;
};
struct Mark {
  QueueId queue{};
  Domain domain{};
  uint16_t cpu = 0;
  uint32_t epoch = 0;
  int64_t mono_ns = 0;
  uint64_t prev = 0;
  uint64_t pos = 0;
  std::vector<MarkCount> counts;
  friend bool operator==(const Mark&, const Mark&) = default;
};
struct Marks {
  std::vector<Mark> marks;
  friend bool operator==(const Marks&, const Marks&) = default;
};

// Detail events, packed by column and compressed (proto/chunk.h). Stored as it came.
struct EventChunk {
  uint64_t first_number = 0;  // events are numbered per stream
  uint64_t count = 0;
  int64_t from_mono_ns = 0;
  int64_t to_mono_ns = 0;
  std::string data;
  friend bool operator==(const EventChunk&, const EventChunk&) = default;
};

struct LogLine {
  int64_t mono_ns = 0;
  uint32_t level = 0;  // as in syslog: 0 emergency .. 7 debug
  std::string text;
  friend bool operator==(const LogLine&, const LogLine&) = default;
};

// A setting that matters to the verdict: net.core.busy_read, an interrupt's affinity, an offload.
struct Fact {
  int64_t mono_ns = 0;
  std::string name;
  std::string value;
  friend bool operator==(const Fact&, const Fact&) = default;
};

// One exchange with the collector: the agent read its clocks between the two times of the collector.
struct ClockExchange {
  ClockReading collector_before;
  ClockReading agent;
  ClockReading collector_after;
  friend bool operator==(const ClockExchange&, const ClockExchange&) = default;
};

// Something that was not recorded, by whoever knows of it.
struct Gap {
  int64_t from_mono_ns = 0;
  int64_t to_mono_ns = 0;
  std::string what;
  friend bool operator==(const Gap&, const Gap&) = default;
};

// The agent's last word: it stopped by itself and everything before this number was sent.
struct Bye {
  ClockReading clock;
  std::string reason;
  friend bool operator==(const Bye&, const Bye&) = default;
};

using Record = std::variant<Hello, QueueInfo, Snapshot, Marks, EventChunk, LogLine, Fact,
                            ClockExchange, Gap, Bye>;

// A record with its place in the stream. Numbers start at 1 (the Hello) and have no holes.
struct NumberedRecord {
  uint64_t number = 0;
  Record record;
  friend bool operator==(const NumberedRecord&, const NumberedRecord&) = default;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_RECORDS_H_
