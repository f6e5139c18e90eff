// SPDX-License-Identifier: Apache-2.0
// HostProbe's readings: from slots to counts, gauges and marks.
#include "absl/strings/str_cat.h"
#include "agent/host_probe.h"
#include "agent/ring_wish.h"

namespace ringside {

rs_tun_cell HostProbe::SumTun(int slot) const {
  rs_tun_cell sum{};
  for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
    const volatile rs_tun_cell& cell = tun_cells_[cpu * RS_MAX_SLOTS + slot];
    sum.offered += cell.offered;
    sum.enqueued += cell.enqueued;
    sum.dropped += cell.dropped + cell.unknown;
  }
  return sum;
}

void HostProbe::ReadTun(const Queue& queue, std::vector<Reading>* readings) const {
  const rs_tun_cell sum = SumTun(queue.tun);
  const uint64_t offered = sum.offered - queue.tun_before.offered;
  const uint64_t enqueued = sum.enqueued - queue.tun_before.enqueued;
  const uint64_t dropped = sum.dropped - queue.tun_before.dropped;
  readings->push_back({queue.id, Count::kTunDropped, hook(RS_HOOK_TUN_EXIT), dropped});
  readings->push_back({queue.id, Count::kTunEnqueued, hook(RS_HOOK_TUN_EXIT), enqueued});
  readings->push_back({queue.id, Count::kTunOffered, hook(RS_HOOK_TUN_ENTRY), offered});
}

void HostProbe::ReadVhost(const Queue& queue, std::vector<Reading>* readings) const {
  const volatile rs_vhost_slot& v = vhosts_[queue.vhost];
  const HookId exit = hook(RS_HOOK_VHOST_EXIT);
  if (has(RS_HOOK_EVENTFD_SIGNAL)) {  // without it every batch would look suppressed
    readings->push_back({queue.id, Count::kVhostEmpty, exit, v.empty});
    if (config_.fn_irqfd_wakeup != 0) {  // whether an irqfd waits is told by its function's address
      readings->push_back({queue.id, Count::kVhostUnwoken, exit, v.unwoken});
      readings->push_back({queue.id, Count::kVhostMasked, exit, v.masked});
    }
    readings->push_back({queue.id, Count::kVhostUnwired, exit, v.unwired});
    readings->push_back({queue.id, Count::kVhostSuppressed, exit, v.suppressed});
    readings->push_back({queue.id, Count::kVhostSignalled, exit, v.signalled});
  }
  readings->push_back({queue.id, Count::kVhostUsed, exit, v.pos});
  readings->push_back({queue.id, Count::kVhostBatches, hook(RS_HOOK_VHOST_ENTRY), v.batches});
}

void HostProbe::ReadRoute(const Queue& queue, std::vector<Reading>* readings) const {
  const volatile rs_route_slot& r = routes_[queue.route];
  const auto add = [&](Count count, rs_hook which, uint64_t value) {
    if (has(which)) readings->push_back({queue.id, count, hook(which), value});
  };
  // Downstream first; each stage only where its hook is there: never observed is not zero.
  add(Count::kKvmTaken, RS_HOOK_INJ_VIRQ, r.taken);
  add(Count::kVgicPopulated, RS_HOOK_VGIC_POPULATED, r.vgic_populated);
  add(Count::kVgicQueued, RS_HOOK_VGIC_QUEUED, r.vgic_queued);
  add(Count::kKvmMerged, RS_HOOK_ACCEPT, r.merged_seen + r.slow_merged);
  add(Count::kKvmMergeDoubt, RS_HOOK_ACCEPT, r.merge_doubt + r.slow_merged);
  add(Count::kKvmBlind, RS_HOOK_ACCEPT, r.merge_blind);
  add(Count::kKvmRejected, RS_HOOK_INATOMIC_EXIT, r.rejected + r.slow_rejected);
  add(Count::kKvmInjected, RS_HOOK_INATOMIC_EXIT, r.injected + r.slow_injected);
  add(Count::kKvmSlowpath, RS_HOOK_INATOMIC_EXIT, r.slowpath);
  add(Count::kIrqfdWoken, RS_HOOK_WOKEN_FENTRY, r.woken_fentry);
  add(Count::kIrqfdWoken, RS_HOOK_WOKEN_KPROBE, r.woken_kprobe);
  // Of a vhost queue the masked signals are counted with its batches.
  if (queue.vhost < 0 && config_.fn_irqfd_wakeup != 0) {
    add(Count::kVhostMasked, RS_HOOK_EVENTFD_WRITE, r.written_masked);
  }
  add(Count::kEventfdOther, RS_HOOK_EVENTFD_SIGNAL, r.signalled_in);
  add(Count::kEventfdVmm, RS_HOOK_EVENTFD_WRITE, r.written_vmm);
  add(Count::kEventfdWritten, RS_HOOK_EVENTFD_WRITE, r.written);
}

// Tracepoints: attempts and acceptances of a message; what no APIC took was rejected.
void HostProbe::ReadMessages(const Queue& queue, std::vector<Reading>* readings) const {
  const volatile rs_route_slot& r = routes_[queue.route];
  const uint64_t injected = r.slow_injected;
  const uint64_t attempts = r.signalled_in;
  readings->push_back({queue.id, Count::kKvmInjected, hook(RS_HOOK_APIC_ACCEPT), injected});
  readings->push_back({queue.id, Count::kKvmRejected, hook(RS_HOOK_MSI_SET_IRQ),
                       attempts > injected ? attempts - injected : 0});
  // What an eventfd leads to is told by the address of irqfd_wakeup.
  const bool written = system_calls_ && !unwritten_.contains(queue.route);
  if (!written || !has(RS_HOOK_SYS_WRITE) || config_.fn_irqfd_wakeup == 0) return;
  readings->push_back({queue.id, Count::kEventfdVmm, hook(RS_HOOK_SYS_WRITE), r.written_vmm});
  readings->push_back({queue.id, Count::kEventfdWritten, hook(RS_HOOK_SYS_WRITE), r.written});
}

void HostProbe::ReadCounters(std::vector<Reading>* readings) const {
  for (const auto& [object, queue] : queues_) {
    if (!functions_) {
      ReadMessages(queue, readings);
      continue;
    }
    if (queue.route >= 0) ReadRoute(queue, readings);
    if (queue.vhost >= 0 && has(RS_HOOK_VHOST_ENTRY)) ReadVhost(queue, readings);
    if (queue.tun >= 0 && has(RS_HOOK_TUN_ENTRY)) ReadTun(queue, readings);
  }
}

// What the guest has asked for, out of the VMM's memory.
void HostProbe::ReadWish(const Queue& queue, const rs_walk_out& out,
                         std::vector<GaugeSample>* gauges) const {
  const Vm* vm = FindVm(queue);
  if (vm == nullptr || !out.value[RS_V_BACKEND]) return;
  const auto wish =
      ReadRingWish(vm->pid, out.value[RS_V_AVAIL_PTR], static_cast<uint32_t>(out.value[RS_V_SIZE]));
  if (!wish) return;
  gauges->push_back({queue.id, Gauge::kAvailFlags, wish->flags});
  gauges->push_back({queue.id, Gauge::kAvailGiven, wish->idx});
  if (out.value[RS_V_EVENT_IDX]) {
    gauges->push_back({queue.id, Gauge::kUsedEvent, wish->used_event});
  }
}

void HostProbe::ReadTap(const Queue& queue, std::vector<GaugeSample>* gauges) const {
  rs_walk_out out;
  if (queue.tun_priv == 0 || !bpf_->Walk(RS_WALK_TUN, queue.tun_priv, queue.tun_queue, &out).ok() ||
      !out.ok) {
    return;
  }
  gauges->push_back({queue.id, Gauge::kTunFull, out.value[RS_V_FULL]});
  gauges->push_back({queue.id, Gauge::kTunRing, out.value[RS_V_RING]});
  gauges->push_back({queue.id, Gauge::kTunRingSize, out.value[RS_V_SIZE]});
}

void HostProbe::ReadVcpus(std::vector<Sample>* samples) const {
  for (const auto& [mm, vm] : vms_) {
    for (const auto& [number, queue] : vm.vcpu_queues) {
      const auto vcpu = vm.vcpus->vcpus().find(number);
      const auto now =
          vcpu == vm.vcpus->vcpus().end() ? std::nullopt : vm.vcpus->Read(vcpu->second);
      if (!now) continue;
      const uint64_t run_us = now->run_ns / 1000;
      const uint64_t delay_us = now->delay_ns / 1000;
      samples->push_back({queue, Count::kVcpuDelayUs, sched_hook_, delay_us, delay_us});
      samples->push_back({queue, Count::kVcpuRunUs, sched_hook_, run_us, run_us});
    }
  }
}

void HostProbe::Between(std::vector<Sample>* samples, std::vector<GaugeSample>* gauges) {
  ReadVcpus(samples);
  for (const auto& [object, queue] : queues_) {
    const Vm* vm = FindVm(queue);
    if (vm != nullptr && vm->vcpus->running()) {
      gauges->push_back({queue.id, Gauge::kVmRunning, *vm->vcpus->running() ? 1u : 0u});
    }
    if (queue.route >= 0 && functions_) {
      gauges->push_back({queue.id, Gauge::kEpoch, routes_[queue.route].epoch});
    }
    if (!functions_ || queue.vhost < 0) continue;
    rs_walk_out out;
    if (!WalkVhost(queue.vhost, &out)) continue;
    const std::pair<Gauge, rs_walk_value> kGaugeValues[] = {{Gauge::kPosition, RS_V_POS},
                                                            {Gauge::kUsed, RS_V_USED},
                                                            {Gauge::kSignalledUsed, RS_V_SIGNALLED},
                                                            {Gauge::kAvail, RS_V_AVAIL},
                                                            {Gauge::kAvailSeen, RS_V_AVAIL_SEEN},
                                                            {Gauge::kBackend, RS_V_BACKEND}};
    for (const auto& [gauge, value] : kGaugeValues) {
      gauges->push_back({queue.id, gauge, out.value[value]});
    }
    gauges->push_back({queue.id, Gauge::kJumps, vhosts_[queue.vhost].jumps});
    const volatile rs_vhost_slot& slot = vhosts_[queue.vhost];
    if (slot.signalled > 0) {
      gauges->push_back({queue.id, Gauge::kSignalledAt, static_cast<uint16_t>(slot.signal_pos)});
    }
    if (out.value[RS_V_IRQFD]) {
      gauges->push_back({queue.id, Gauge::kIrqfd, out.value[RS_V_IRQFD] - 1});
    }
    ReadWish(queue, out, gauges);
    ReadTap(queue, gauges);
  }
}

void HostProbe::ReadParts(std::vector<Part>* parts) const {
  if (parts_ == nullptr) return;
  std::map<std::pair<QueueId, std::string>, uint64_t> writers;  // by process, of all its threads
  for (int row = 0; row < RS_MAX_PARTS; ++row) {
    const rs_part part = CopyPart(parts_[row]);
    if (!part.in_use || part.value == 0 || part.slot >= RS_MAX_SLOTS) continue;
    if (part.kind == RS_PART_WRITER) {
      const QueueId queue = queue_of_route_[part.slot];
      if (queue == QueueId{}) continue;
      const std::string thread = ProcessNames::ThreadLabel(part);
      parts->push_back({queue, Count::kEventfdWritten, thread, part.value});
      writers[{queue, names_.Label(part)}] += part.value;
    } else if (part.kind == RS_PART_DROP) {
      const QueueId queue = queue_of_tun_[part.slot];
      const auto reason = drop_reasons_.find(part.who);
      if (queue == QueueId{}) continue;
      parts->push_back(
          {queue, Count::kTunDropped,
           absl::StrCat("reason=",
                        reason == drop_reasons_.end() ? std::to_string(part.who) : reason->second),
           part.value});
    }
  }
  for (const auto& [writer, writes] : writers) {
    parts->push_back({writer.first, Count::kEventfdWritten, writer.second, writes});
  }
}

void HostProbe::OnMark(const rs_mark& m, std::vector<Mark>* marks) const {
  Mark mark{.cpu = m.cpu, .epoch = m.epoch, .mono_ns = static_cast<int64_t>(m.mono_ns)};
  mark.prev = m.prev;
  mark.pos = m.pos;
  if (m.domain == RS_DOMAIN_VHOST) {
    const HookId exit = hook(RS_HOOK_VHOST_EXIT);
    mark.queue = queue_of_vhost_[m.slot];
    mark.domain = Domain::kVhost;
    mark.counts = {{Count::kVhostBatches, hook(RS_HOOK_VHOST_ENTRY), m.count[0]}};
    if (has(RS_HOOK_EVENTFD_SIGNAL)) {
      mark.counts.push_back({Count::kVhostSignalled, exit, m.count[1]});
      mark.counts.push_back({Count::kVhostSuppressed, exit, m.count[2]});
      mark.counts.push_back({Count::kVhostUnwired, exit, m.count[3]});
    }
    if (has(RS_HOOK_EVENTFD_SIGNAL) && config_.fn_irqfd_wakeup != 0) {
      mark.counts.push_back({Count::kVhostMasked, exit, m.count[4]});
      mark.counts.push_back({Count::kVhostUnwoken, exit, m.count[5]});
    }
  } else if (m.domain == RS_DOMAIN_ROUTE) {
    const HookId exit = hook(RS_HOOK_INATOMIC_EXIT);
    mark.queue = queue_of_route_[m.slot];
    mark.domain = Domain::kRoute;
    if (has(RS_HOOK_WOKEN_FENTRY)) {
      mark.counts.push_back({Count::kIrqfdWoken, hook(RS_HOOK_WOKEN_FENTRY), m.count[0]});
    }
    if (has(RS_HOOK_WOKEN_KPROBE)) {
      mark.counts.push_back({Count::kIrqfdWoken, hook(RS_HOOK_WOKEN_KPROBE), m.count[1]});
    }
    mark.counts.push_back({Count::kKvmInjected, exit, m.count[2]});
    mark.counts.push_back({Count::kKvmRejected, exit, m.count[3]});
    mark.counts.push_back({Count::kKvmSlowpath, exit, m.count[4]});
    if (has(RS_HOOK_ACCEPT)) {
      mark.counts.push_back({Count::kKvmMerged, hook(RS_HOOK_ACCEPT), m.count[5]});
      mark.counts.push_back({Count::kKvmBlind, hook(RS_HOOK_ACCEPT), m.count[6]});
    }
  }
  if (mark.queue != QueueId{}) marks->push_back(std::move(mark));
}

}  // namespace ringside
