// SPDX-License-Identifier: Apache-2.0
// GuestProbe's details: which kinds each queue can record here, and their counts.
#include "agent/guest_probe.h"

namespace ringside {

uint64_t GuestProbe::CountOf(const rs_event& event) const {
  const volatile rs_guest_slot& s = slots_[event.slot];
  switch (event.kind) {
    case RS_EVENT_GUEST_IRQ: return s.irqs;
    case RS_EVENT_GUEST_HANDLED: return s.handled;
    case RS_EVENT_GUEST_NONE: return s.none;
    case RS_EVENT_NAPI_SOFTIRQ: return s.softirq;
    case RS_EVENT_NAPI_BUSY: return s.busy;
    case RS_EVENT_NAPI_THREAD: return s.thread;
    default: return s.netpoll;
  }
}

// Kinds whose events can be recorded of the queue; as CountSlot tells what is observed.
uint32_t GuestProbe::KindsOf(const Queue& queue) const {
  if (slots_ == nullptr || queue.slot < 0) return 0;
  uint32_t kinds = EventBit(EventKind::kGuestIrq);
  if (bpf_->attached(RS_HOOK_IRQ_EXIT)) {
    kinds |= EventBit(EventKind::kGuestHandled) | EventBit(EventKind::kGuestNone);
  }
  const bool polls = queue.rx ? config_.fn_virtnet_poll != 0 : config_.fn_virtnet_poll_tx != 0;
  if (queue.net && polls && bpf_->attached(RS_HOOK_NAPI)) {
    for (const EventKind kind : {EventKind::kGuestNapiSoftirq, EventKind::kGuestNapiBusy,
                                 EventKind::kGuestNapiThread, EventKind::kGuestNapiNetpoll}) {
      kinds |= EventBit(kind);
    }
  }
  return kinds;
}

void GuestProbe::SetDetail(Details* details) {
  if (slots_ != nullptr && detail_slots_ == nullptr) {
    constexpr uint32_t kAll = ~uint32_t{0};
    detail_slots_ = std::make_unique<DetailSlots>(bpf_->Table<rs_detail_row>("details"), kAll);
  }
  if (detail_slots_ != nullptr) detail_slots_->Begin();
  for (const auto& [name, queue] : queues_) {
    const QueueInfo* info = registry_->Find(queue.id);
    if (info == nullptr) continue;
    const QueueDetail detail = details->For(*info, KindsOf(queue));
    if (detail_slots_ != nullptr) detail_slots_->Want(queue.slot, detail);
  }
  if (detail_slots_ != nullptr) detail_slots_->Commit(slots_);
}

}  // namespace ringside
