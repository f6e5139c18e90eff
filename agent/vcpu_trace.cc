// SPDX-License-Identifier: Apache-2.0
#include "agent/vcpu_trace.h"

#include <bpf/bpf.h>

#include <algorithm>

#include "agent/bpf_config.h"
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

std::vector<HookInfo> InState(HookState state, const std::string& reason) {
  std::vector<HookInfo> hooks;
  for (const ProgramSpec& spec : Programs()) {
    HookInfo hook{.stage = spec.stage, .program = spec.program, .target = spec.target};
    hook.rung = spec.rung;
    hook.state = state;
    hook.reason = reason;
    hooks.push_back(hook);
  }
  return hooks;
}

}  // namespace

VcpuTrace::VcpuTrace(const ProbeOptions& options, HookTable* hooks)
    : options_(options), hooks_(hooks), queue_of_slot_(RS_MAX_SLOTS) {
  base_ = hooks_->Add(InState(HookState::kUnneeded, "no details of vCPUs are wanted"));
}

bool VcpuTrace::Load() {
  if (bpf_ != nullptr) return true;
  if (refused_) return false;
  const uint32_t cpus = PossibleCpus();
  BpfObject::Options options{.name = "vcpu", .begin = ringside_bpf_vcpu_begin};
  options.end = ringside_bpf_vcpu_end;
  options.limit = options_.limit;
  options.types = options_.types;
  options.map_sizes = {{"hook_cells", cpus * RS_HOOKS}};
  auto bpf = BpfObject::Load(options, Programs());
  if (bpf.ok()) (*bpf)->Attach();
  refused_ = !bpf.ok() || !(*bpf)->attached(RS_HOOK_SCHED_SWITCH);
  if (!bpf.ok()) {
    hooks_->Update(base_, InState(HookState::kRefused, std::string(bpf.status().message())));
    return false;
  }
  hooks_->Update(base_, (*bpf)->hooks());
  if (refused_) return false;
  bpf_ = *std::move(bpf);
  slots_ = bpf_->Table<rs_vcpu_slot>("vcpu_slots");
  events_ = Ring::Open(bpf_->MapFd("events"));
  details_ = std::make_unique<DetailSlots>(bpf_->Table<rs_detail_row>("details"), kVcpuKinds);
  slot_of_tid_.clear();
  return slots_ != nullptr;
}

// Since when a thread does not run is not known from before the pause.
void VcpuTrace::Resume() {
  if (bpf_->counting(RS_HOOK_SCHED_SWITCH)) return;
  for (size_t i = 0; i < slot_of_tid_.size(); ++i) slots_[i].off_ns = 0;
  if (bpf_->SetPaused({})) hooks_->Update(base_, bpf_->hooks());
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
  bpf_map_update_elem(bpf_->MapFd("vcpu_of_tid"), &key, &value, BPF_ANY);
  return slot->second;
}

void VcpuTrace::Follow(const std::vector<Thread>& threads) {
  const bool wanted = std::any_of(threads.begin(), threads.end(), [](const Thread& thread) {
    return (thread.detail.kinds & kVcpuKinds) != 0;
  });
  if (!wanted) {
    if (bpf_ != nullptr && bpf_->SetPaused({kGroup})) hooks_->Update(base_, bpf_->hooks());
    return;
  }
  if (!Load()) return;
  Resume();
  details_->Begin();
  for (const Thread& thread : threads) {
    const int slot = SlotOf(thread.tid);
    if (slot < 0) continue;
    queue_of_slot_[static_cast<size_t>(slot)] = thread.queue;
    details_->Want(slot, thread.detail);
  }
  details_->Commit(slots_);
}

void VcpuTrace::Drain(std::vector<Event>* events) {
  if (events_ == nullptr) return;
  events_->Drain([&](const void* data, size_t size) {
    const auto* e = static_cast<const rs_event*>(data);
    if (size < sizeof(*e) || e->slot >= RS_MAX_SLOTS) return;
    const volatile rs_vcpu_slot& slot = slots_[e->slot];
    const uint64_t count = e->kind == RS_EVENT_VCPU_RUNS ? slot.runs : slot.woken;
    events->push_back(MakeEvent(*e, queue_of_slot_[e->slot], count));
  });
}

void VcpuTrace::ReadHooks(std::vector<HookSample>* hooks) const {
  if (bpf_ == nullptr) return;
  for (HookSample sample : bpf_->ReadHooks()) {
    sample.hook = base_ + static_cast<size_t>(sample.hook);
    hooks->push_back(sample);
  }
}

void VcpuTrace::ReadCosts(std::vector<HookCost>* costs) const {
  if (bpf_ != nullptr) bpf_->ReadCosts(base_, costs);
}

}  // namespace ringside
