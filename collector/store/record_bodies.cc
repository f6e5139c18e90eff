// SPDX-License-Identifier: Apache-2.0
// The rows of each kind of record.
#include <algorithm>
#include <utility>

#include "collector/store/record_writer.h"

namespace ringside {

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord&, const Hello& hello) {
  const ClockReading& clock = hello.clock;
  const int64_t id = Run(
      "INSERT INTO hellos VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
      stream.id, hello.name, hello.version, hello.protocol, hello.roles, hello.kernel, hello.arch,
      hello.smbios_uuid, clock.mono_ns, clock.raw_ns, clock.real_ns, clock.counter, clock.width_ns);
  for (const HookInfo& hook : hello.hooks) {
    Run("INSERT OR REPLACE INTO hooks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", stream.id,
        hook.id, id, hook.stage, hook.program, hook.target, hook.rung, hook.state, hook.reason);
  }
  return id;
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord&, const QueueInfo& queue) {
  const int64_t row = FindGeneration(stream, queue.id, queue.generation);
  if (failed()) return 0;
  stream.queues[static_cast<uint32_t>(queue.id)] = row;
  return Run(
      "INSERT INTO queue_versions VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
      " ?13, ?14, ?15, ?16, ?17, ?18)",
      row, queue.mono_ns, queue.kind, queue.device, queue.queue, queue.irq_name, queue.irq,
      queue.ring_size, queue.packed, queue.ring_address, queue.msi.known, queue.msi.address,
      queue.msi.data, queue.epoch, queue.vm_id, queue.vm_name, queue.vm_uuid, queue.owner_pid);
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord&, const Snapshot& snapshot) {
  const uint64_t before = snapshot.sequence - 1;
  const bool continues =
      before <= stream.last_sequence || before - stream.last_sequence <= snapshot.folded;
  stream.last_sequence = snapshot.sequence;
  stream.last_mono_ns = std::max(stream.last_mono_ns, snapshot.end.mono_ns);
  const ClockReading& begin = snapshot.begin;
  const ClockReading& end = snapshot.end;
  const int64_t id = Run(
      "INSERT INTO snapshots VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
      " ?14, ?15)",
      stream.id, snapshot.sequence, snapshot.full, snapshot.folded, continues, begin.mono_ns,
      begin.raw_ns, begin.real_ns, begin.counter, begin.width_ns, end.mono_ns, end.raw_ns,
      end.real_ns, end.counter, end.width_ns);
  WriteSamples(stream, id, snapshot);
  WriteParts(stream, id, snapshot);
  for (const HookSample& hook : snapshot.hooks) {
    if (hook.misses) {
      Run("INSERT OR REPLACE INTO hook_samples VALUES(?1, ?2, ?3, ?4, ?5, ?6)", id, hook.hook,
          hook.hits, hook.unplaced, hook.dropped, *hook.misses);
    } else {
      Run("INSERT OR REPLACE INTO hook_samples VALUES(?1, ?2, ?3, ?4, ?5, NULL)", id, hook.hook,
          hook.hits, hook.unplaced, hook.dropped);
    }
  }
  return id;
}

// In the order of the table's key, which is several times faster and fills its pages.
void RecordWriter::WriteSamples(StreamRow& stream, int64_t snapshot_id, const Snapshot& snapshot) {
  std::vector<std::pair<int64_t, const Sample*>> samples;
  samples.reserve(snapshot.samples.size());
  for (const Sample& sample : snapshot.samples) {
    const int64_t queue = FindQueue(stream, sample.queue);
    samples.emplace_back(FindSeries(queue, sample.count, sample.hook), &sample);
  }
  std::sort(samples.begin(), samples.end());
  for (const auto& [series, sample] : samples) {
    Run("INSERT OR REPLACE INTO samples VALUES(?1, ?2, ?3, ?4)", snapshot_id, series, sample->lo,
        sample->hi - sample->lo);
  }
  std::vector<std::pair<int64_t, uint64_t>> gauges;
  gauges.reserve(snapshot.gauges.size());
  for (const GaugeSample& gauge : snapshot.gauges) {
    gauges.emplace_back(FindGaugeSeries(FindQueue(stream, gauge.queue), gauge.gauge), gauge.value);
  }
  std::sort(gauges.begin(), gauges.end());
  for (const auto& [series, value] : gauges) {
    Run("INSERT OR REPLACE INTO gauges VALUES(?1, ?2, ?3)", snapshot_id, series, value);
  }
  size_ = static_cast<int64_t>(samples.size());
}

void RecordWriter::WriteParts(StreamRow& stream, int64_t snapshot_id, const Snapshot& snapshot) {
  for (const Part& part : snapshot.parts) {
    Run("INSERT OR REPLACE INTO part_values VALUES(?1, ?2, ?3, ?4, ?5)", snapshot_id,
        FindQueue(stream, part.queue), part.count, FindLabel(part.label), part.value);
  }
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord&, const Marks& marks) {
  int64_t first = 0;
  for (const Mark& mark : marks.marks) {
    const int64_t queue = FindQueue(stream, mark.queue);
    const int64_t id = Run("INSERT INTO marks VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)", queue,
                           mark.domain, mark.cpu, mark.epoch, mark.mono_ns, mark.prev, mark.pos);
    if (first == 0) first = id;
    for (const MarkCount& count : mark.counts) {
      Run("INSERT OR REPLACE INTO mark_counts VALUES(?1, ?2, ?3)", id,
          FindSeries(queue, count.count, count.hook), count.value);
    }
  }
  size_ = static_cast<int64_t>(marks.marks.size());
  return first;
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord& pending,
                           const EventChunk& chunk) {
  const int64_t id = Run("INSERT INTO event_chunks VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)", stream.id,
                         chunk.first_number, chunk.count, chunk.from_mono_ns, chunk.to_mono_ns,
                         SqlStatement::Blob{chunk.data});
  for (const ChunkQueue& queue : pending.chunk_index) {
    Run("INSERT INTO event_chunk_queues VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        FindQueue(stream, queue.queue), queue.kind, id, queue.events, queue.from_mono_ns,
        queue.to_mono_ns, queue.pos_min, queue.pos_max, queue.number_min, queue.number_max);
  }
  return id;
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord&, const LogLine& line) {
  return Run("INSERT INTO log_lines VALUES(NULL, ?1, ?2, ?3, ?4)", stream.id, line.mono_ns,
             line.level, line.text);
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord&, const Fact& fact) {
  return Run("INSERT INTO facts VALUES(NULL, ?1, ?2, ?3, ?4)", stream.id, fact.mono_ns, fact.name,
             fact.value);
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord& pending,
                           const ClockExchange& exchange) {
  const ClockReading& before = exchange.collector_before;
  const ClockReading& agent = exchange.agent;
  const ClockReading& after = exchange.collector_after;
  return Run(
      "INSERT INTO clock_exchanges VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
      " ?13, ?14, ?15, ?16, ?17)",
      stream.id, pending.record.number, before.mono_ns, before.raw_ns, before.real_ns,
      before.counter, before.width_ns, agent.mono_ns, agent.raw_ns, agent.real_ns, agent.counter,
      agent.width_ns, after.mono_ns, after.raw_ns, after.real_ns, after.counter, after.width_ns);
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord& pending, const Gap& gap) {
  const bool own = pending.record.number == 0;
  return Run("INSERT INTO gaps VALUES(NULL, ?1, ?2, ?3, ?4, ?5, NULL, NULL, ?6)", stream.id,
             pending.record.number, own ? GapMaker::kRecorder : GapMaker::kAgent, gap.from_mono_ns,
             gap.to_mono_ns, gap.what);
}

int64_t RecordWriter::Body(StreamRow& stream, const PendingRecord&, const Bye& bye) {
  const ClockReading& clock = bye.clock;
  return Run("INSERT INTO byes VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)", stream.id, clock.mono_ns,
             clock.raw_ns, clock.real_ns, clock.counter, clock.width_ns, bye.reason);
}

}  // namespace ringside
