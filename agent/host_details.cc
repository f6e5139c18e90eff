// SPDX-License-Identifier: Apache-2.0
// HostProbe's details: which kinds each queue can record here, and whose records are whose.
#include "agent/host_probe.h"

#include <cstring>

namespace ringside {
namespace {

constexpr uint32_t kTunKinds = EventBit(EventKind::kTunEnqueued) | EventBit(EventKind::kTunDropped);
constexpr uint32_t kVhostKinds =
    EventBit(EventKind::kVhostBatches) | EventBit(EventKind::kVhostSignalled) |
    EventBit(EventKind::kVhostSuppressed) | EventBit(EventKind::kVhostUnwired);
constexpr uint32_t kRouteKinds =
    EventBit(EventKind::kEventfdWritten) | EventBit(EventKind::kIrqfdWoken) |
    EventBit(EventKind::kKvmInjected) | EventBit(EventKind::kKvmMerged) |
    EventBit(EventKind::kKvmRejected) | EventBit(EventKind::kKvmSlowpath);

}  // namespace

// As ReadCounters tells what is observed.
uint32_t HostProbe::KindsOf(const Queue& queue) const {
  if (!functions_) return queue.route >= 0 ? EventBit(EventKind::kKvmInjected) : 0;
  uint32_t kinds = 0;
  if (queue.tun >= 0 && has(RS_HOOK_TUN_EXIT)) kinds |= kTunKinds;
  if (queue.vhost >= 0 && has(RS_HOOK_VHOST_EXIT) && has(RS_HOOK_EVENTFD_SIGNAL)) {
    kinds |= kVhostKinds;
  }
  if (queue.route < 0) return kinds;
  if (has(RS_HOOK_EVENTFD_WRITE)) kinds |= EventBit(EventKind::kEventfdWritten);
  if (has(RS_HOOK_WOKEN_FENTRY) || has(RS_HOOK_WOKEN_KPROBE)) {
    kinds |= EventBit(EventKind::kIrqfdWoken);
  }
  kinds |= WriterKindsOf(queue);
  if (has(RS_HOOK_ACCEPT)) kinds |= EventBit(EventKind::kKvmMerged);
  if (!has(RS_HOOK_INATOMIC_EXIT)) return kinds;
  return kinds | EventBit(EventKind::kKvmInjected) | EventBit(EventKind::kKvmRejected) |
         EventBit(EventKind::kKvmSlowpath);
}

// A vhost-user backend's queue has writers. Packets are forwarded into receive queues; what it
// writes for a transmit queue says that entries came back.
uint32_t HostProbe::WriterKindsOf(const Queue& queue) const {
  if (routes_[queue.route].vhost != 0) return 0;
  const auto named = vhost_user_.find(queue.route);
  const bool receives = named != vhost_user_.end() && named->second.vring % 2 == 0;
  return receives ? kWriterKinds : EventBit(EventKind::kWriterReturned);
}

// Of the two hooks on a wake-up one records: fentry, unless it is not there, or was never hit while
// the kprobe was (it attaches and stays silent on 6.12).
void HostProbe::ChooseWokenHook() {
  if (!functions_) return;
  uint32_t chosen = RS_HOOK_WOKEN_FENTRY;
  if (!has(RS_HOOK_WOKEN_FENTRY)) {
    chosen = RS_HOOK_WOKEN_KPROBE;
  } else if (has(RS_HOOK_WOKEN_KPROBE)) {
    const auto hits = [&](rs_hook which) { return bpf_->ReadHook(bpf_->SpecOf(which)).hits; };
    if (hits(RS_HOOK_WOKEN_FENTRY) == 0 && hits(RS_HOOK_WOKEN_KPROBE) > 0) {
      chosen = RS_HOOK_WOKEN_KPROBE;
    }
  }
  if (config_.woken_hook == chosen) return;
  config_.woken_hook = chosen;
  bpf_->SetConfig(config_);
}

void HostProbe::SetDetail(Details* details) {
  if (route_details_ == nullptr) {
    auto* rows = bpf_->Table<rs_detail_row>("details");
    tun_details_ = std::make_unique<DetailSlots>(rows, kTunKinds);
    vhost_details_ = std::make_unique<DetailSlots>(rows, kVhostKinds);
    route_details_ = std::make_unique<DetailSlots>(rows, kRouteKinds);
  }
  ChooseWokenHook();
  tun_details_->Begin();
  vhost_details_->Begin();
  route_details_->Begin();
  std::vector<WriterTrace::Route> written;
  for (const auto& [object, queue] : queues_) {
    const QueueInfo* info = registry_->Find(queue.id);
    if (info == nullptr) continue;
    const QueueDetail detail = details->For(*info, KindsOf(queue));
    if ((detail.kinds & kWriterKinds) != 0) {
      const rs_route_slot& route = routes_[queue.route];
      written.push_back({route.ctx, route.ctx_id, queue.id, detail});
    }
    tun_details_->Want(queue.tun, detail);
    vhost_details_->Want(queue.vhost, detail);
    route_details_->Want(queue.route, detail);
  }
  std::vector<VcpuTrace::Thread> threads;
  for (const auto& [mm, vm] : vms_) {
    for (const auto& [number, queue] : vm.vcpu_queues) {
      const QueueInfo* info = registry_->Find(queue);
      const auto vcpu = vm.vcpus->vcpus().find(number);
      if (info == nullptr || vcpu == vm.vcpus->vcpus().end()) continue;
      threads.push_back({vcpu->second.tid, queue, details->For(*info, kVcpuKinds)});
    }
  }
  vcpu_trace_->Follow(threads);
  std::set<int> backends;
  for (const auto& [slot, queue] : vhost_user_) backends.insert(queue.pid);
  writer_trace_->Follow(written, backends);
  if (tuns_ != nullptr) tun_details_->Commit(tuns_);
  if (vhosts_ != nullptr) vhost_details_->Commit(vhosts_);
  route_details_->Commit(routes_);
}

// The queue of a record, and its kind's count by now.
std::pair<QueueId, uint64_t> HostProbe::SourceOf(const rs_event& e) const {
  const uint32_t bit = 1u << e.kind;
  if ((bit & kTunKinds) != 0) {
    const volatile rs_tun_cell& cell = tun_cells_[e.cpu * RS_MAX_SLOTS + e.slot];
    const bool dropped = e.kind == RS_EVENT_TUN_DROPPED;
    return {queue_of_tun_[e.slot], dropped ? cell.dropped + cell.unknown : cell.enqueued};
  }
  if ((bit & kVhostKinds) != 0) {
    const volatile rs_vhost_slot& v = vhosts_[e.slot];
    const QueueId queue = queue_of_vhost_[e.slot];
    if (e.kind == RS_EVENT_VHOST_BATCHES) return {queue, v.batches};
    if (e.kind == RS_EVENT_VHOST_SIGNALLED) return {queue, v.signalled};
    return {queue, e.kind == RS_EVENT_VHOST_SUPPRESSED ? v.suppressed : v.unwired};
  }
  const volatile rs_route_slot& r = routes_[e.slot];
  const QueueId queue = queue_of_route_[e.slot];
  switch (e.kind) {
    case RS_EVENT_EVENTFD_WRITTEN: return {queue, r.written};
    case RS_EVENT_IRQFD_WOKEN:
      return {queue, config_.woken_hook == RS_HOOK_WOKEN_KPROBE ? r.woken_kprobe : r.woken_fentry};
    case RS_EVENT_KVM_INJECTED: return {queue, r.injected + r.slow_injected};
    case RS_EVENT_KVM_MERGED: return {queue, r.merged_seen + r.slow_merged};
    case RS_EVENT_KVM_SLOWPATH: return {queue, r.slowpath};
    default: return {queue, r.rejected + r.slow_rejected};
  }
}

void HostProbe::Drain(std::vector<Mark>* marks, std::vector<Event>* events) {
  if (functions_ && marks_ == nullptr) marks_ = Ring::Open(bpf_->MapFd("marks"));
  if (events_ == nullptr) events_ = Ring::Open(bpf_->MapFd("events"));
  if (marks_ != nullptr) {
    marks_->Drain([&](const void* data, size_t size) {
      rs_mark m;
      if (size < sizeof(m)) return;
      std::memcpy(&m, data, sizeof(m));
      if (m.slot < RS_MAX_SLOTS) OnMark(m, marks);
    });
  }
  vcpu_trace_->Drain(events);
  writer_trace_->Drain(events);
  if (events_ == nullptr) return;
  events_->Drain([&](const void* data, size_t size) {
    const auto* e = static_cast<const rs_event*>(data);
    if (size < sizeof(*e) || e->slot >= RS_MAX_SLOTS || e->cpu >= cpus_) return;
    const auto [queue, count] = SourceOf(*e);
    events->push_back(MakeEvent(*e, queue, count));
  });
}

void HostProbe::ReadCosts(std::vector<HookCost>* costs) const {
  bpf_->ReadCosts(base_, costs);
  vcpu_trace_->ReadCosts(costs);
  writer_trace_->ReadCosts(costs);
}

}  // namespace ringside
