// SPDX-License-Identifier: Apache-2.0
// What the model agent reads: counters, gauges, parts and hooks, in the real one's order.
#include "tests/sim/agent.h"

namespace ringside::sim {

void Agent::ReadPass(size_t queue, std::vector<Reading>* readings) {
  const QueueView& view = queues_[queue];
  view.guest->SyncSpins();
  if (view.guest_hooks != nullptr) {
    ReadGuestCounts(view, readings);
  } else if (view.host_hooks != nullptr) {
    if (o_.kvm) ReadRouteCounts(view, readings);
    ReadHostCounts(view, readings);
  } else {
    ReadOthers(view, readings);
  }
}

void Agent::ReadGuestCounts(const QueueView& view, std::vector<Reading>* readings) const {
  const rs_guest_slot& s = view.guest_hooks->slot;
  const auto add = [&](Count count, HookId hook, uint64_t value) {
    readings->push_back({view.info.id, count, hook, value});
  };
  add(Count::kGuestPackets, guest_hook::kNapi, s.packets);
  add(Count::kGuestPacketsBusy, guest_hook::kNapi, view.guest_hooks->packets_busy);
  add(Count::kGuestNapiSoftirq, guest_hook::kNapi, s.softirq);
  add(Count::kGuestNapiBusy, guest_hook::kNapi, s.busy);
  add(Count::kGuestNapiThread, guest_hook::kNapi, s.thread);
  add(Count::kGuestNapiNetpoll, guest_hook::kNapi, s.netpoll);
  add(Count::kGuestWindows, guest_hook::kIrqExit, view.guest_hooks->follower.windows);
  add(Count::kGuestNone, guest_hook::kIrqExit, s.none);
  add(Count::kGuestHandled, guest_hook::kIrqExit, s.handled);
  add(Count::kGuestIrq, guest_hook::kIrqEntry, s.irqs);
}

void Agent::ReadRouteCounts(const QueueView& view, std::vector<Reading>* readings) const {
  const rs_route_slot& r = view.host_hooks->r;
  const auto add = [&](Count count, HookId hook, uint64_t value) {
    readings->push_back({view.info.id, count, hook, value});
  };
  const HookId exit = host_hook::kInatomicExit;
  if (o_.merged) {
    add(Count::kKvmTaken, host_hook::kTaken, r.taken);
    add(Count::kKvmMerged, host_hook::kAccept, r.merged_seen + r.slow_merged);
    add(Count::kKvmMergeDoubt, host_hook::kAccept, r.merge_doubt + r.slow_merged);
    add(Count::kKvmBlind, host_hook::kAccept, r.merge_blind);
  }
  add(Count::kKvmRejected, exit, r.rejected + r.slow_rejected);
  add(Count::kKvmInjected, exit, r.injected + r.slow_injected);
  add(Count::kKvmSlowpath, exit, r.slowpath);
  if (!o_.kprobes) add(Count::kIrqfdWoken, host_hook::kWokenFentry, r.woken_fentry);
  add(Count::kIrqfdWoken, host_hook::kWokenKprobe, r.woken_kprobe);
}

void Agent::ReadHostCounts(const QueueView& view, std::vector<Reading>* readings) const {
  const HostHooks& hooks = *view.host_hooks;
  const rs_vhost_slot& v = hooks.v;
  const auto add = [&](Count count, HookId hook, uint64_t value) {
    readings->push_back({view.info.id, count, hook, value});
  };
  add(Count::kEventfdOther, host_hook::kSignal, hooks.r.signalled_in);
  add(Count::kEventfdVmm, host_hook::kWritten, hooks.written_vmm);
  add(Count::kEventfdWritten, host_hook::kWritten, hooks.r.written);
  add(Count::kVhostEmpty, host_hook::kVhostExit, hooks.empty);
  add(Count::kVhostUnwoken, host_hook::kVhostExit, v.unwoken);
  add(Count::kVhostMasked, host_hook::kVhostExit, v.masked);
  add(Count::kVhostUnwired, host_hook::kVhostExit, v.unwired);
  add(Count::kVhostSuppressed, host_hook::kVhostExit, v.suppressed);
  add(Count::kVhostSignalled, host_hook::kVhostExit, v.signalled);
  add(Count::kVhostUsed, host_hook::kVhostExit, v.pos);
  add(Count::kVhostBatches, host_hook::kVhostEntry, v.batches);
  if (!view.vq->rx) return;
  add(Count::kTunDropped, host_hook::kTunExit, hooks.tun.dropped);
  add(Count::kTunEnqueued, host_hook::kTunExit, hooks.tun.enqueued);
  add(Count::kTunOffered, host_hook::kTunEntry, hooks.tun.offered);
}

void Agent::ReadOthers(const QueueView& view, std::vector<Reading>* readings) const {
  const auto add = [&](Count count, HookId hook, uint64_t value) {
    readings->push_back({view.info.id, count, hook, value});
  };
  if (view.vcpu < 0) {
    add(Count::kSoftnetSqueezed, guest_hook::kSoftnet, view.guest->softnet_squeezed);
    add(Count::kSoftnetProcessed, guest_hook::kSoftnet, view.guest->softnet_processed);
    return;
  }
  const Vcpu& vcpu = *view.guest->vcpu(view.vcpu);
  add(Count::kVcpuDelayUs, host_hook::kVcpu, static_cast<uint64_t>(vcpu.DelayNs() / kUsNs));
  add(Count::kVcpuRunUs, host_hook::kVcpu, static_cast<uint64_t>(vcpu.RunNs() / kUsNs));
}

void Agent::ReadGauges(size_t queue) {
  const QueueView& view = queues_[queue];
  if (view.vq == nullptr) return;
  view.guest->SyncSpins();
  if (!Current(view)) {
    // Its object is gone: no gauges, and counters stand still.
    snapshot_truth_.counts[view.info.id] =
        view.host_hooks != nullptr ? view.host_hooks->frozen : view.guest_hooks->frozen;
    return;
  }
  if (view.guest_hooks != nullptr) GuestGauges(view);
  if (view.host_hooks != nullptr &&
      (!o_.positions || view.vq->ring_address == view.info.ring_address)) {
    HostGauges(view);
  }
  snapshot_truth_.counts[view.info.id] = view.vq->truth.now;
}

void Agent::GuestGauges(const QueueView& view) {
  const Vq& vq = *view.vq;
  const int64_t now = loop_->now();
  const auto gauge = [&](Gauge which, uint64_t value) {
    snapshot_.gauges.push_back({view.info.id, which, value});
  };
  if (o_.positions) {
    const uint64_t pos = view.guest_hooks->Walk();
    const uint64_t backlog = static_cast<uint16_t>(vq.used - vq.last_used);
    gauge(Gauge::kPosition, pos);
    gauge(Gauge::kUsed, static_cast<uint16_t>(vq.used));
    gauge(Gauge::kLastUsed, static_cast<uint16_t>(vq.last_used));
    gauge(Gauge::kAvail, static_cast<uint16_t>(vq.avail));
    gauge(Gauge::kUsedEvent, vq.UsedEventAt(now));
    gauge(Gauge::kAvailFlags, vq.FlagsAt(now));
    gauge(Gauge::kFlagsShadow, vq.shadow ? 1 : 0);
    const rs_guest_slot& slot = view.guest_hooks->slot;
    if (slot.irqs > 0) gauge(Gauge::kIrqSeen, static_cast<uint16_t>(slot.irq_pos));
    if (pos >= backlog) {
      snapshot_.samples.push_back(
          {view.info.id, Count::kGuestUsed, guest_hook::kWalk, pos - backlog, pos - backlog});
    }
  }
  gauge(Gauge::kNumFree, vq.Free());
  IrqGauges(view);
}

void Agent::IrqGauges(const QueueView& view) {
  const IrqLine& line = *view.vq->irq;
  const SpuriousFollower& follower = view.guest_hooks->follower;
  const auto gauge = [&](Gauge which, uint64_t value) {
    snapshot_.gauges.push_back({view.info.id, which, value});
  };
  gauge(Gauge::kMsixMasked, line.masked ? 1 : 0);
  gauge(Gauge::kIrqCount, line.rule.count());
  gauge(Gauge::kIrqUnhandled, line.rule.unhandled());
  gauge(Gauge::kIrqUnhandledLo, follower.lo());
  gauge(Gauge::kIrqUnhandledHi, follower.hi());
  if (follower.windows > 0) {
    gauge(Gauge::kIrqPeakLo, follower.peak_lo);
    gauge(Gauge::kIrqPeakHi, follower.peak_hi);
  }
  gauge(Gauge::kIrqDisabled, line.disabled ? 1 : 0);
}

void Agent::HostGauges(const QueueView& view) {
  const Vq& vq = *view.vq;
  const int64_t now = view.guest->loop()->now();
  HostHooks& hooks = *view.host_hooks;
  const auto gauge = [&](Gauge which, uint64_t value) {
    snapshot_.gauges.push_back({view.info.id, which, value});
  };
  const Worker& worker = *view.guest->workers[static_cast<size_t>(vq.pair)];
  if (o_.positions) gauge(Gauge::kPosition, hooks.Walk());
  gauge(Gauge::kUsed, static_cast<uint16_t>(vq.host_used));
  gauge(Gauge::kSignalledUsed, vq.signalled_used);
  gauge(Gauge::kAvail, static_cast<uint16_t>(vq.host_avail));
  gauge(Gauge::kAvailSeen, static_cast<uint16_t>(vq.avail_seen));
  gauge(Gauge::kBackend, worker.stopped() ? 0 : 1);
  gauge(Gauge::kJumps, hooks.v.jumps);
  if (o_.kvm) gauge(Gauge::kEpoch, hooks.r.epoch);
  gauge(Gauge::kVmRunning, view.guest->running() ? 1 : 0);
  if (hooks.v.signalled > 0) {
    gauge(Gauge::kSignalledAt, static_cast<uint16_t>(hooks.v.signal_pos));
  }
  if (o_.kvm) gauge(Gauge::kIrqfd, vq.route->to_masked() ? 0 : 1);
  // Out of the VMM's memory.
  gauge(Gauge::kAvailGiven, static_cast<uint16_t>(vq.avail));
  gauge(Gauge::kAvailFlags, vq.FlagsAt(now));
  if (vq.event_idx) gauge(Gauge::kUsedEvent, vq.UsedEventAt(now));
  if (!vq.rx) return;
  gauge(Gauge::kTunFull, worker.tap_waiting() >= worker.tap_size() ? 1 : 0);
  gauge(Gauge::kTunRing, worker.tap_waiting());
  gauge(Gauge::kTunRingSize, worker.tap_size());
}

// /proc/interrupts is read after the gauges: its truth is that of this instant.
void Agent::ReadProc() {
  if (guest_ == nullptr) return;
  for (const QueueView& view : queues_) {
    if (view.guest_hooks == nullptr || !Current(view)) continue;
    const uint64_t kstat = view.vq->irq->kstat;
    snapshot_.samples.push_back(
        {view.info.id, Count::kGuestProcIrq, guest_hook::kProc, kstat, kstat});
    snapshot_truth_.counts[view.info.id][static_cast<size_t>(Count::kGuestProcIrq)] =
        view.vq->truth.Get(Count::kGuestProcIrq);
  }
}

void Agent::ReadParts(Snapshot* snapshot) const {
  for (const QueueView& view : queues_) {
    const auto add = [&](Count count, const std::map<std::string, uint64_t>& parts) {
      for (const auto& [label, value] : parts) {
        snapshot->parts.push_back({view.info.id, count, label, value});
      }
    };
    if (view.guest_hooks != nullptr) add(Count::kGuestNapiBusy, view.guest_hooks->busy_by);
    if (view.host_hooks != nullptr) {
      add(Count::kEventfdWritten, view.host_hooks->written_by);
      add(Count::kTunDropped, view.host_hooks->dropped_by);
    }
  }
}

void Agent::ReadHooks(Snapshot* snapshot) const {
  const bool guest = guest_ != nullptr;
  const uint32_t n = guest ? 6 : 18;
  for (uint32_t id = 1; id <= n; ++id) {
    const HookId hook{id};
    const bool kprobe =
        !guest && (hook == host_hook::kWokenKprobe || (o_.kprobes && id >= 3 && id <= 17));
    HookSample sample{.hook = hook, .hits = context_.hits[id]};
    if (!kprobe) sample.misses = context_.lost[id];
    const bool marks = guest ? hook == guest_hook::kIrqEntry : hook == host_hook::kVhostExit;
    if (marks) sample.dropped = context_.marks_dropped + context_.details.dropped;
    snapshot->hooks.push_back(sample);
  }
}

}  // namespace ringside::sim
