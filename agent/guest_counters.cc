// SPDX-License-Identifier: Apache-2.0
// GuestProbe's readings: from slots and the kernel's own files to counts and gauges.
#include "absl/strings/str_cat.h"
#include "agent/bpf_config.h"
#include "agent/guest_probe.h"

namespace ringside {
namespace {

uint64_t ReadTotal(int wanted) {
  for (const ProcInterrupt& irq : ParseProcInterrupts(ReadText("/proc/interrupts", 16u << 20))) {
    if (irq.irq == wanted) return irq.count;
  }
  return 0;
}

}  // namespace
void GuestProbe::CountSlot(const Queue& queue, std::vector<Reading>* readings) const {
  static const rs_guest_slot kUnseen{};  // no hit yet: an observed zero
  const volatile rs_guest_slot& s = queue.slot < 0 ? kUnseen : slots_[queue.slot];
  const HookId entry = hook(RS_HOOK_IRQ_ENTRY);
  const HookId exit = hook(RS_HOOK_IRQ_EXIT);
  // Downstream first: polls, then outcomes, then interrupts. A driver's polls are known by their
  // function's address.
  const bool polls = queue.rx ? config_.fn_virtnet_poll != 0 : config_.fn_virtnet_poll_tx != 0;
  if (queue.net && polls && bpf_->attached(RS_HOOK_NAPI)) {
    const HookId napi = hook(RS_HOOK_NAPI);
    readings->push_back({queue.id, Count::kGuestPacketsBusy, napi, s.packets_busy});
    readings->push_back({queue.id, Count::kGuestPackets, napi, s.packets});
    readings->push_back({queue.id, Count::kGuestNapiSoftirq, napi, s.softirq});
    readings->push_back({queue.id, Count::kGuestNapiBusy, napi, s.busy});
    readings->push_back({queue.id, Count::kGuestNapiThread, napi, s.thread});
    readings->push_back({queue.id, Count::kGuestNapiNetpoll, napi, s.netpoll});
  }
  if (queue.followed) {
    const uint64_t windows = queue.spurious.Ends(slots_[queue.slot]).windows;
    readings->push_back({queue.id, Count::kGuestWindows, exit, windows});
  }
  readings->push_back({queue.id, Count::kGuestNone, exit, s.none});
  readings->push_back({queue.id, Count::kGuestHandled, exit, s.handled});
  readings->push_back({queue.id, Count::kGuestIrq, entry, s.irqs});
}

void GuestProbe::CountSoftirqs(std::vector<Reading>* readings) const {
  uint64_t runs = 0;
  uint64_t run_ns = 0;
  for (uint32_t cpu = 0; cpu < PossibleCpus(); ++cpu) {
    const volatile rs_softirq_cell& cell = softirqs_[cpu];
    run_ns += cell.run_ns;
    runs += cell.runs;
  }
  const HookId exit = hook(RS_HOOK_SOFTIRQ_EXIT);
  readings->push_back({softnet_, Count::kSoftnetRunUs, exit, run_ns / 1000});
  readings->push_back({softnet_, Count::kSoftnetRuns, exit, runs});
}

// "took=64-128 us": runs by how long they took.
void GuestProbe::ReadSoftirqParts(std::vector<Part>* parts) const {
  for (int bucket = 0; bucket < RS_SOFTIRQ_BUCKETS; ++bucket) {
    uint64_t runs = 0;
    for (uint32_t cpu = 0; cpu < PossibleCpus(); ++cpu) {
      runs += static_cast<const volatile rs_softirq_cell&>(softirqs_[cpu]).took[bucket];
    }
    if (runs == 0) continue;
    const uint64_t from_us = bucket == 0 ? 0 : uint64_t{1} << (bucket - 1);
    const std::string to =
        bucket + 1 == RS_SOFTIRQ_BUCKETS ? "" : std::to_string(uint64_t{1} << bucket);
    parts->push_back(
        {softnet_, Count::kSoftnetRuns, absl::StrCat("took=", from_us, "-", to, " us"), runs});
  }
}

void GuestProbe::ReadCounters(std::vector<Reading>* readings) const {
  if (softirqs_ != nullptr) CountSoftirqs(readings);
  for (const auto& [name, queue] : queues_) {
    if (slots_ != nullptr) {
      CountSlot(queue, readings);
    } else if (plain_irqs_ != nullptr && queue.irq < RS_MAX_IRQS) {
      const volatile rs_plain_irq& p = plain_irqs_[queue.irq];
      readings->push_back({queue.id, Count::kGuestNone, hook(RS_HOOK_IRQ_EXIT), p.none});
      readings->push_back({queue.id, Count::kGuestHandled, hook(RS_HOOK_IRQ_EXIT), p.handled});
      readings->push_back({queue.id, Count::kGuestIrq, hook(RS_HOOK_IRQ_ENTRY), p.irqs});
    }
  }
}

void GuestProbe::ReadRing(const Queue& queue, const rs_walk_out& out, std::vector<Sample>* samples,
                          std::vector<GaugeSample>* gauges) const {
  const std::pair<Gauge, rs_walk_value> kGaugeValues[] = {
      {Gauge::kPosition, RS_V_POS},       {Gauge::kUsed, RS_V_USED},
      {Gauge::kLastUsed, RS_V_LAST_USED}, {Gauge::kAvail, RS_V_AVAIL},
      {Gauge::kAvailFlags, RS_V_FLAGS},   {Gauge::kFlagsShadow, RS_V_FLAGS_SHADOW},
      {Gauge::kNumFree, RS_V_NUM_FREE}};
  for (const auto& [gauge, value] : kGaugeValues) {
    gauges->push_back({queue.id, gauge, out.value[value]});
  }
  // Without EVENT_IDX the word behind the ring means nothing.
  if (out.value[RS_V_EVENT_IDX]) {
    gauges->push_back({queue.id, Gauge::kUsedEvent, out.value[RS_V_USED_EVENT]});
  }
  if (out.value[RS_V_EVENT_TRIGGERED] & 2) {
    gauges->push_back({queue.id, Gauge::kEventTriggered, out.value[RS_V_EVENT_TRIGGERED] & 1});
  }
  const volatile rs_guest_slot& slot = slots_[queue.slot];
  if (slot.irqs > 0) {
    gauges->push_back({queue.id, Gauge::kIrqSeen, static_cast<uint16_t>(slot.irq_pos)});
  }
  // Consumed = published minus the backlog; both 16-bit indices were read at this instant.
  const uint64_t backlog = static_cast<uint16_t>(out.value[RS_V_USED] - out.value[RS_V_LAST_USED]);
  if (out.value[RS_V_POS] >= backlog) {
    const uint64_t consumed = out.value[RS_V_POS] - backlog;
    samples->push_back({queue.id, Count::kGuestUsed, walk_hook_, consumed, consumed});
  }
}

// Where the interrupt stands under the kernel's rule for unhandled ones, and whether that or
// somebody has switched it off.
void GuestProbe::ReadInterrupt(uint64_t jiffies, Queue* queue, std::vector<GaugeSample>* gauges) {
  const auto add = [&](Gauge gauge, uint64_t value) {
    gauges->push_back({queue->id, gauge, value});
  };
  SpuriousTrack::Numbers numbers;
  if (slots_ != nullptr && queue->slot >= 0) {
    rs_guest_slot* slot = &slots_[queue->slot];
    const SpuriousTrack::Now now{jiffies, hz_, queue->irqs_before, queue->proc_count};
    const SpuriousTrack::Kernel kernel{[&] { return ReadSpurious(queue->irq); },
                                       [&] { return ReadTotal(queue->irq); }};
    numbers = queue->spurious.Read(kernel, now, &variant_, slot);
    if (numbers.lo) {
      const rs_spurious_ends ends = queue->spurious.Ends(*slot);
      add(Gauge::kIrqUnhandledLo, *numbers.lo);
      add(Gauge::kIrqUnhandledHi, *numbers.hi);
      add(Gauge::kIrqPeakLo, ends.peak_lo);
      add(Gauge::kIrqPeakHi, ends.peak_hi);
      if (ends.trips_lo > queue->trips) SwitchedOff(queue);
      queue->trips = ends.trips_lo;
    }
  } else {
    numbers.kernel = ReadSpurious(queue->irq);
  }
  if (numbers.kernel) {
    add(Gauge::kIrqCount, numbers.kernel->count);
    add(Gauge::kIrqUnhandled, numbers.kernel->unhandled);
  }
  if (queue->off && InterruptsOf(*queue) != queue->off_at) queue->off = false;
  add(Gauge::kIrqDisabled, queue->off ? 1 : 0);
  if (queue->masked) add(Gauge::kMsixMasked, *queue->masked ? 1 : 0);
}

uint64_t GuestProbe::InterruptsOf(const Queue& queue) const {
  if (slots_ != nullptr && queue.slot >= 0) {
    return static_cast<const volatile rs_guest_slot&>(slots_[queue.slot]).irqs;
  }
  return queue.proc_count;
}

void GuestProbe::SwitchedOff(Queue* queue) const {
  queue->off = true;
  queue->off_at = InterruptsOf(*queue);
}

void GuestProbe::OnLogLine(const LogLine& line) {
  const std::optional<int> irq = ParseDisabledIrq(line.text);
  if (!irq) return;
  for (auto& [name, queue] : queues_) {
    if (queue.irq == *irq) SwitchedOff(&queue);
  }
}

void GuestProbe::ReadParts(std::vector<Part>* parts) const {
  if (softirqs_ != nullptr) ReadSoftirqParts(parts);
  if (parts_ == nullptr) return;
  for (int row = 0; row < RS_MAX_PARTS; ++row) {
    const rs_part part = CopyPart(parts_[row]);
    if (!part.in_use || part.value == 0 || part.kind != RS_PART_BUSY) continue;
    const QueueId queue = part.slot < RS_MAX_SLOTS ? queue_of_slot_[part.slot] : QueueId{};
    if (queue == QueueId{}) continue;
    parts->push_back({queue, Count::kGuestNapiBusy, names_.Label(part), part.value});
  }
}

GuestProbe::Agreement GuestProbe::SpuriousAgreement() const {
  Agreement sum;
  for (const auto& [name, queue] : queues_) {
    sum.agreed += queue.spurious.agreements();
    sum.disagreed += queue.spurious.disagreements();
  }
  return sum;
}

void GuestProbe::Between(std::vector<Sample>* samples, std::vector<GaugeSample>* gauges) {
  for (auto& [name, queue] : queues_) queue.irqs_before = InterruptsOf(queue);
  for (const ProcInterrupt& irq : ParseProcInterrupts(ReadText("/proc/interrupts", 16u << 20))) {
    const auto queue = queues_.find(irq.name);
    if (queue == queues_.end()) continue;
    queue->second.proc_count = irq.count;
    samples->push_back({queue->second.id, Count::kGuestProcIrq, proc_hook_, irq.count, irq.count});
  }
  for (auto& [name, queue] : queues_) {
    rs_walk_out out{};
    const bool walked = slots_ != nullptr && queue.slot >= 0 &&
                        bpf_->Walk(RS_WALK_GUEST_SLOT, queue.slot, 0, &out).ok() && out.ok;
    if (walked) ReadRing(queue, out, samples, gauges);
    if (walked || slots_ == nullptr) ReadInterrupt(out.value[RS_V_JIFFIES], &queue, gauges);
  }
}

}  // namespace ringside
