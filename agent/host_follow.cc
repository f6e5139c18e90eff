// SPDX-License-Identifier: Apache-2.0
// HostProbe while VMs come and go. The kernel gives the memory of a queue or a VM that is gone to
// the next one, so what is known by pointer must be let go in time: a queue of a new VM, and of a
// VM that booted again, begins anew, with counts from zero.
#include <bpf/bpf.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "agent/bpf_config.h"
#include "agent/host_hooks.h"
#include "agent/host_probe.h"

namespace ringside {
namespace {

struct RouteKey {  // of slot_of_route and slot_of_lpi in bpf/host_maps.bpf.h
  uint64_t kvm;
  uint64_t gsi;
};

constexpr char kSystemCalls[] = "sys";  // cost group of the hook on all of them

// Forgets that `key` leads to `slot`. The kernel may have given the same address to something new
// meanwhile, whose entry stays.
template <typename Key>
void Forget(int map, const Key& key, int slot) {
  uint32_t leads_to = 0;
  if (bpf_map_lookup_elem(map, &key, &leads_to) != 0) return;
  if (leads_to == static_cast<uint32_t>(slot)) bpf_map_delete_elem(map, &key);
}

}  // namespace

bool HostProbe::Follow(const ProbeOptions& options) {
  if (!functions_) return false;
  const uint32_t woken_hook = config_.woken_hook;
  config_ = options.config;
  config_.woken_hook = woken_hook;
  bpf_->SetConfig(config_);
  if (!bpf_->LoadMore()) return false;
  hooks_->Update(base_, bpf_->hooks());
  for (const ProgramSpec& spec : HostFunctionPrograms()) {
    hook_ids_[spec.hook] = base_ + bpf_->SpecOf(spec.hook);
  }
  if (has(RS_HOOK_DROP) && drop_reasons_.empty()) drop_reasons_ = ReadDropReasons();
  return true;
}

// The route first: whatever hits in between makes a new one, and the new queue finds that.
void HostProbe::RetireRoute(int slot) {
  if (!retired_routes_.insert(slot).second) return;
  const rs_route_slot& route = routes_[slot];
  const uint64_t ctx = route.ctx;
  const RouteKey key{.kvm = route.kvm, .gsi = route.gsi};
  Forget(bpf_->MapFd("slot_of_ctx"), ctx, slot);
  Forget(bpf_->MapFd("slot_of_route"), key, slot);
#if defined(__aarch64__)
  const RouteKey lpi{.kvm = route.kvm, .gsi = route.lpi};
  Forget(bpf_->MapFd("slot_of_lpi"), lpi, slot);
#endif
  queues_.erase(absl::StrCat("route:", slot));
  vhost_user_.erase(slot);
}

// Which programs write to the eventfds of routes without a queue of vhost's, and how these call
// them. A backend that connects anew has new eventfds, perhaps with a new route: of two routes
// whose eventfd had the same number, the one that was found later has it now.
void HostProbe::NameRoutes() {
  std::map<int, std::set<int>> writers;  // by route
  std::set<int> pids;
  for (int row = 0; parts_ != nullptr && row < RS_MAX_PARTS; ++row) {
    const int slot = static_cast<int>(parts_[row].slot);
    if (!parts_[row].in_use || parts_[row].kind != RS_PART_WRITER || slot >= RS_MAX_SLOTS ||
        routes_[slot].vhost != 0 || retired_routes_.contains(slot)) {
      continue;
    }
    const int pid = static_cast<int>(parts_[row].tgid);
    const auto vm = vms_.find(routes_[slot].mm);
    if (vm != vms_.end() && vm->second.pid == pid) continue;  // the VMM itself
    writers[slot].insert(pid);
    pids.insert(pid);
  }
  vhost_user_ports_.Look(pids);
  std::map<uint64_t, int> newest;  // route by eventfd
  for (const auto& [slot, of_slot] : writers) newest[routes_[slot].ctx_id] = slot;
  for (const auto& [id, slot] : newest) {
    const VhostUserQueue* queue = id == 0 ? nullptr : vhost_user_ports_.Find(id - 1);
    if (queue != nullptr && writers[slot].contains(queue->pid)) vhost_user_[slot] = *queue;
  }
}

void HostProbe::ReadFacts(std::map<std::string, std::string>* facts) const {
  for (const auto& [slot, queue] : vhost_user_) {
    if (!queue.bridge.empty()) (*facts)[queue.port + ".bridge"] = queue.bridge;
    (*facts)[queue.port + ".socket"] = queue.socket;
  }
}

// Makes every system call of the node a little slower, so it comes with the first VM. What was
// written to the routes that are known by then was not seen from the beginning.
void HostProbe::HookSystemCalls() {
  if (functions_ || system_calls_ || !has(RS_HOOK_SYS_WRITE)) return;
  if (bpf_->ReadHook(bpf_->SpecOf(RS_HOOK_APIC_ACCEPT)).hits == 0) return;
  system_calls_ = true;
  for (const int slot : Given(routes_)) unwritten_.insert(slot);
  SetPaused(given_up_);
}

bool HostProbe::SetPaused(const std::set<std::string>& groups) {
  given_up_ = groups;
  const bool unneeded = !functions_ && !system_calls_;
  std::set<std::string> paused = groups;
  if (unneeded) paused.insert(kSystemCalls);
  if (!bpf_->SetPaused(paused)) return false;
  // What was under way is over when its hooks come back; nobody else writes this meanwhile.
  for (uint32_t slot = 0; vhosts_ != nullptr && slot < RS_MAX_SLOTS; ++slot) {
    if (!bpf_->counting(RS_HOOK_VHOST_ENTRY)) vhosts_[slot].cur_flags = 0;
  }
  std::vector<HookInfo> hooks = bpf_->hooks();
  HookInfo* calls = unneeded ? &hooks[bpf_->SpecOf(RS_HOOK_SYS_WRITE)] : nullptr;
  if (calls != nullptr && calls->state == HookState::kPaused) {
    calls->state = HookState::kUnneeded;
    calls->reason = "no VM was seen to take an interrupt";
  }
  hooks_->Update(base_, hooks);
  return true;
}

void HostProbe::RetireVhost(int slot) {
  if (!retired_vhosts_.insert(slot).second) return;
  const rs_vhost_slot& vhost = vhosts_[slot];
  if (vhost.route != 0) RetireRoute(static_cast<int>(vhost.route) - 1);
  const uint64_t ctx = vhost.ctx;
  const uint64_t object = vhost.id.object;
  Forget(bpf_->MapFd("vhost_of_ctx"), ctx, slot);
  Forget(bpf_->MapFd("slot_of_vhost"), object, slot);
  queues_.erase(absl::StrCat("vhost:", slot));
  tap_of_vhost_.erase(slot);
  direction_of_vhost_.erase(slot);
  vhost_mm_.erase(slot);
}

void HostProbe::RetireVm(uint64_t mm) {
  for (const int slot : Given(vhosts_)) {
    const auto queue = queues_.find(absl::StrCat("vhost:", slot));
    if (queue != queues_.end() && queue->second.mm == mm) RetireVhost(slot);
  }
  for (const int slot : Given(routes_)) {
    if (routes_[slot].mm == mm) RetireRoute(slot);
  }
}

// False if the queue was set up anew meanwhile: then its place belongs to another one's slot.
bool HostProbe::WalkVhost(int slot, rs_walk_out* out) const {
  return bpf_->Walk(RS_WALK_VHOST, vhosts_[slot].id.object, 0, out).ok() && out->ok &&
         out->slot == static_cast<uint64_t>(slot) + 1;
}

// Queues whose VMM has ended, and queues that were set up anew at another place.
void HostProbe::RetireGone() {
  for (auto vm = vms_.begin(); vm != vms_.end();) {
    const bool gone =
        vm->second.pid > 0 && access(absl::StrCat("/proc/", vm->second.pid).c_str(), F_OK) != 0;
    if (gone) {
      RetireVm(vm->first);
      ++vms_gone_;
      vm = vms_.erase(vm);
    } else {
      ++vm;
    }
  }
  for (const int slot : Given(vhosts_)) {
    rs_walk_out out;
    if (retired_vhosts_.contains(slot)) continue;
    if (!bpf_->Walk(RS_WALK_VHOST, vhosts_[slot].id.object, 0, &out).ok()) continue;
    if (out.slot == 0) continue;
    const bool same = out.slot == static_cast<uint64_t>(slot) + 1;
    if (!same || (!out.ok && out.value[RS_V_RING_DMA] != vhosts_[slot].id.ring)) RetireVhost(slot);
  }
}

// A tap outlives its VMs: what it was offered before belongs to the queue that had it then.
void HostProbe::TakeTun(int slot, Queue* queue) {
  if (queue->tun == slot) return;
  queue->tun = slot;
  queue->tun_before = {};
  if (slot >= 0 && queue_of_tun_[slot] != QueueId{}) queue->tun_before = SumTun(slot);
}

}  // namespace ringside
