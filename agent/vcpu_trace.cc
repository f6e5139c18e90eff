// SPDX-License-Identifier: Apache-2.0
#include "agent/vcpu_trace.h"

#include <bpf/bpf.h>

#include <algorithm>

#include "agent/embedded.h"

namespace ringside {
namespace {

constexpr char kGroup[] = "vcpu";

const std::vector<ProgramSpec>& Programs() {
  static const std::vector<ProgramSpec> specs = {
      {"vcpu_wakeup", RS_HOOK_SCHED_WAKEUP, "vcpu.woken", "sched:sched_wakeup", Rung::kTpBtf,
       "vcpu"},
      {"vcpu_switch", RS_HOOK_SCHED_SWITCH, "vcpu.runs", "sched:sched_switch", Rung::kTpBtf,
       "vcpu"},
  };
  return specs;
}

constexpr TraceObject::Source kSource = {.name = "vcpu",
                                         .begin = ringside_bpf_vcpu_begin,
                                         .end = ringside_bpf_vcpu_end,
                                         .unneeded = "no details of vCPUs are wanted",
                                         .needed = RS_HOOK_SCHED_SWITCH,
                                         .kinds = kVcpuKinds};

}  // namespace

VcpuTrace::VcpuTrace(const ProbeOptions& options, HookTable* hooks)
    : trace_(options, hooks, kSource, &Programs()), queue_of_slot_(RS_MAX_SLOTS) {}

// Since when a thread does not run is not known from before the pause.
void VcpuTrace::Resume() {
  if (trace_.bpf()->counting(RS_HOOK_SCHED_SWITCH)) return;
  for (size_t i = 0; i < slot_of_tid_.size(); ++i) slots_[i].off_ns = 0;
  trace_.SetPaused({});
}

// A slot is never taken back: what is still in the ring names it.
int VcpuTrace::SlotOf(int tid) {
  const auto [slot, fresh] = slot_of_tid_.try_emplace(tid, static_cast<int>(slot_of_tid_.size()));
  if (slot->second >= RS_MAX_SLOTS) return -1;
  if (!fresh) return slot->second;
  const uint32_t key = static_cast<uint32_t>(tid);
  const uint32_t value = static_cast<uint32_t>(slot->second);
  slots_[value].tid = key;
  slots_[value].in_use = 1;
  bpf_map_update_elem(trace_.bpf()->MapFd("vcpu_of_tid"), &key, &value, BPF_ANY);
  return slot->second;
}

void VcpuTrace::Follow(const std::vector<Thread>& threads) {
  const bool wanted = std::any_of(threads.begin(), threads.end(), [](const Thread& thread) {
    return (thread.detail.kinds & kVcpuKinds) != 0;
  });
  if (!wanted) return trace_.SetPaused({kGroup});
  if (!trace_.Load()) return;
  if (slots_ == nullptr) slots_ = trace_.bpf()->Table<rs_vcpu_slot>("vcpu_slots");
  if (slots_ == nullptr) return;
  Resume();
  DetailSlots* details = trace_.details();
  details->Begin();
  for (const Thread& thread : threads) {
    const int slot = SlotOf(thread.tid);
    if (slot < 0) continue;
    queue_of_slot_[static_cast<size_t>(slot)] = thread.queue;
    details->Want(slot, thread.detail);
  }
  details->Commit(slots_);
}

void VcpuTrace::Drain(std::vector<Event>* events) {
  trace_.Drain([&](const rs_event& e) {
    const volatile rs_vcpu_slot& slot = slots_[e.slot];
    const uint64_t count = e.kind == RS_EVENT_VCPU_RUNS ? slot.runs : slot.woken;
    events->push_back(MakeEvent(e, queue_of_slot_[e.slot], count));
  });
}

}  // namespace ringside
