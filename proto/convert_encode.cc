// SPDX-License-Identifier: Apache-2.0
#include "proto/convert.h"
#include "proto/ringside.pb.h"
#include "proto/texts.h"

namespace ringside {
namespace {

void Encode(const Hello& hello, v1::FromAgent* message) {
  v1::Hello* out = message->mutable_hello();
  out->set_machine_id(hello.key.machine_id);
  out->set_boot_id(hello.key.boot_id);
  out->set_instance(hello.key.instance);
  out->set_name(hello.name);
  out->set_version(hello.version);
  out->set_protocol(hello.protocol);
  out->set_roles(hello.roles);
  out->set_kernel(hello.kernel);
  out->set_arch(hello.arch);
  out->set_smbios_uuid(hello.smbios_uuid);
  for (const HookInfo& hook : hello.hooks) {
    v1::HookInfo* info = out->add_hooks();
    info->set_id(static_cast<uint32_t>(hook.id));
    info->set_stage(hook.stage);
    info->set_program(hook.program);
    info->set_target(hook.target);
    info->set_rung(static_cast<uint32_t>(hook.rung));
    info->set_state(static_cast<uint32_t>(hook.state));
    info->set_reason(hook.reason);
  }
  EncodeClock(hello.clock, out->mutable_clock());
  for (int i = 0; i < kCounts; ++i) {
    const std::string_view name = CountName(static_cast<Count>(i));
    out->add_count_names(name.data(), name.size());
  }
  for (int i = 0; i < kGauges; ++i) {
    const std::string_view name = GaugeName(static_cast<Gauge>(i));
    out->add_gauge_names(name.data(), name.size());
  }
}

void Encode(const QueueInfo& queue, v1::FromAgent* message) {
  v1::QueueInfo* out = message->mutable_queue();
  out->set_id(static_cast<uint32_t>(queue.id));
  out->set_generation(queue.generation);
  out->set_mono_ns(queue.mono_ns);
  out->set_kind(static_cast<uint32_t>(queue.kind));
  out->set_device(queue.device);
  out->set_queue(queue.queue);
  out->set_irq_name(queue.irq_name);
  out->set_irq(queue.irq);
  out->set_ring_size(queue.ring_size);
  out->set_packed(queue.packed);
  out->set_ring_address(queue.ring_address);
  out->set_msi_known(queue.msi.known);
  out->set_msi_address(queue.msi.address);
  out->set_msi_data(queue.msi.data);
  out->set_epoch(queue.epoch);
  out->set_vm_id(queue.vm_id);
  out->set_vm_name(queue.vm_name);
  out->set_vm_uuid(queue.vm_uuid);
  out->set_owner_pid(queue.owner_pid);
}

void Encode(const Snapshot& snapshot, v1::FromAgent* message) {
  v1::Snapshot* out = message->mutable_snapshot();
  out->set_sequence(snapshot.sequence);
  out->set_full(snapshot.full);
  out->set_folded(snapshot.folded);
  EncodeClock(snapshot.begin, out->mutable_begin());
  EncodeClock(snapshot.end, out->mutable_end());
  for (const Sample& sample : snapshot.samples) {
    v1::Sample* row = out->add_samples();
    row->set_queue(static_cast<uint32_t>(sample.queue));
    row->set_count(static_cast<uint32_t>(sample.count));
    row->set_hook(static_cast<uint32_t>(sample.hook));
    row->set_lo(sample.lo);
    row->set_width(sample.hi - sample.lo);
  }
  for (const GaugeSample& gauge : snapshot.gauges) {
    v1::GaugeSample* row = out->add_gauges();
    row->set_queue(static_cast<uint32_t>(gauge.queue));
    row->set_gauge(static_cast<uint32_t>(gauge.gauge));
    row->set_value(gauge.value);
  }
  for (const HookSample& hook : snapshot.hooks) {
    v1::HookSample* row = out->add_hooks();
    row->set_hook(static_cast<uint32_t>(hook.hook));
    row->set_hits(hook.hits);
    row->set_unplaced(hook.unplaced);
    row->set_dropped(hook.dropped);
    if (hook.misses) row->set_misses(*hook.misses);
  }
  for (const Part& part : snapshot.parts) {
    v1::Part* row = out->add_parts();
    row->set_queue(static_cast<uint32_t>(part.queue));
    row->set_count(static_cast<uint32_t>(part.count));
    row->set_label(part.label);
    row->set_value(part.value);
  }
}

void Encode(const Marks& marks, v1::FromAgent* message) {
  v1::Marks* out = message->mutable_marks();
  for (const Mark& mark : marks.marks) {
    v1::Mark* row = out->add_marks();
    row->set_queue(static_cast<uint32_t>(mark.queue));
    row->set_domain(static_cast<uint32_t>(mark.domain));
    row->set_cpu(mark.cpu);
    row->set_epoch(mark.epoch);
    row->set_mono_ns(mark.mono_ns);
    row->set_prev(mark.prev);
    row->set_pos(mark.pos);
    for (const MarkCount& count : mark.counts) {
      v1::MarkCount* value = row->add_counts();
      value->set_count(static_cast<uint32_t>(count.count));
      value->set_hook(static_cast<uint32_t>(count.hook));
      value->set_value(count.value);
    }
  }
}

void Encode(const EventChunk& chunk, v1::FromAgent* message) {
  v1::EventChunk* out = message->mutable_chunk();
  out->set_first_number(chunk.first_number);
  out->set_count(chunk.count);
  out->set_from_mono_ns(chunk.from_mono_ns);
  out->set_to_mono_ns(chunk.to_mono_ns);
  out->set_data(chunk.data);
}

void Encode(const LogLine& line, v1::FromAgent* message) {
  v1::LogLine* out = message->mutable_log();
  out->set_mono_ns(line.mono_ns);
  out->set_level(line.level);
  out->set_text(line.text);
}

void Encode(const Fact& fact, v1::FromAgent* message) {
  v1::Fact* out = message->mutable_fact();
  out->set_mono_ns(fact.mono_ns);
  out->set_name(fact.name);
  out->set_value(fact.value);
}

void Encode(const Gap& gap, v1::FromAgent* message) {
  v1::Gap* out = message->mutable_gap();
  out->set_from_mono_ns(gap.from_mono_ns);
  out->set_to_mono_ns(gap.to_mono_ns);
  out->set_what(gap.what);
}

void Encode(const Bye& bye, v1::FromAgent* message) {
  v1::Bye* out = message->mutable_bye();
  EncodeClock(bye.clock, out->mutable_clock());
  out->set_reason(bye.reason);
}

void Encode(const ClockExchange&, v1::FromAgent*) {}  // refused before it gets here

// Whether the record has texts that must be cleaned on a copy.
bool HasTexts(const Record& record) {
  if (const auto* snapshot = std::get_if<Snapshot>(&record)) return !snapshot->parts.empty();
  return !std::holds_alternative<Marks>(record) && !std::holds_alternative<EventChunk>(record);
}

}  // namespace

void EncodeClock(const ClockReading& clock, v1::ClockReading* message) {
  message->set_mono_ns(clock.mono_ns);
  message->set_raw_ns(clock.raw_ns);
  message->set_real_ns(clock.real_ns);
  message->set_counter(clock.counter);
  message->set_width_ns(clock.width_ns);
}

absl::Status EncodeRecord(const NumberedRecord& record, v1::FromAgent* message) {
  if (std::holds_alternative<ClockExchange>(record.record)) {
    return absl::InvalidArgumentError("clock exchanges are made by collectors, not sent to them");
  }
  message->Clear();
  message->set_number(record.number);
  const auto encode = [message](const auto& body) { Encode(body, message); };
  if (HasTexts(record.record)) {
    Record clean = record.record;
    CleanTexts(clean);
    std::visit(encode, clean);
  } else {
    std::visit(encode, record.record);
  }
  return absl::OkStatus();
}

}  // namespace ringside
