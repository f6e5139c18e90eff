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
#include "correlate/identity.h"

namespace ringside {

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

// How a cumulative count divides: by process, by reason, by call path. `label` is `what=who`, e.g.
// "process=rx-worker (812)", "reason=FULL_RING". The parts need not add up to the count: tables of
// labels are bounded, and what found no room is in the count alone.
struct Part {
  QueueId queue{};
  Count count{};
  std::string label;
  uint64_t value = 0;
  friend bool operator==(const Part&, const Part&) = default;
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
  std::vector<Part> parts;
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

// One exchange with the collector: the agent read its clocks between the two times of the
// collector.
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
