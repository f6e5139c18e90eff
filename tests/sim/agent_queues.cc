// SPDX-License-Identifier: Apache-2.0
// What the model agent says of hooks and queues.
#include <algorithm>
#include <array>
#include <utility>

#include "proto/convert.h"
#include "tests/sim/agent.h"

namespace ringside::sim {
namespace {

struct HookRow {
  const char* stage;
  const char* program;
  const char* target;
  Rung rung;
};

constexpr std::array kGuestHooks = {
    HookRow{"gauges", "guest_walk", "bpf_prog_test_run", Rung::kTpBtf},
    HookRow{"guest.handled", "guest_irq_exit", "irq:irq_handler_exit", Rung::kTpBtf},
    HookRow{"guest.irq", "guest_irq_entry", "irq:irq_handler_entry", Rung::kTpBtf},
    HookRow{"guest.napi", "guest_napi_poll", "napi:napi_poll", Rung::kTpBtf},
    HookRow{"guest.proc_irq", "/proc/interrupts", "/proc/interrupts", Rung::kProcfs},
    HookRow{"softnet", "/proc/net/softnet_stat", "/proc/net/softnet_stat", Rung::kProcfs}};

constexpr std::array kHostHooks = {
    HookRow{"gauges", "host_walk", "bpf_prog_test_run", Rung::kTpBtf},
    HookRow{"kvm.taken", "host_inj_virq", "kvm:kvm_inj_virq", Rung::kTpBtf},
    HookRow{"kvm.merged", "host_accept", "__apic_accept_irq", Rung::kFentry},
    HookRow{"kvm.slowpath", "host_set_irq_exit", "kvm_set_irq", Rung::kFentry},
    HookRow{"kvm.slowpath", "host_set_irq_entry", "kvm_set_irq", Rung::kFentry},
    HookRow{"kvm.injected", "host_inatomic_exit", "kvm_arch_set_irq_inatomic", Rung::kFentry},
    HookRow{"kvm.injected", "host_inatomic_entry", "kvm_arch_set_irq_inatomic", Rung::kFentry},
    HookRow{"irqfd.woken", "host_woken_fentry", "irqfd_wakeup", Rung::kFentry},
    HookRow{"irqfd.woken", "host_woken_kprobe", "irqfd_wakeup", Rung::kKprobe},
    HookRow{"eventfd.written", "host_eventfd_write", "eventfd_write", Rung::kFentry},
    HookRow{"vhost.signalled", "host_eventfd_signal", "eventfd_signal_mask", Rung::kFentry},
    HookRow{"vhost.batches", "host_vhost_n_exit", "vhost_add_used_and_signal_n", Rung::kFentry},
    HookRow{"vhost.batches", "host_vhost_1_exit", "vhost_add_used_and_signal", Rung::kFentry},
    HookRow{"vhost.batches", "host_vhost_n_entry", "vhost_add_used_and_signal_n", Rung::kFentry},
    HookRow{"vhost.batches", "host_vhost_1_entry", "vhost_add_used_and_signal", Rung::kFentry},
    HookRow{"tun.dropped", "host_tun_exit", "tun_net_xmit", Rung::kFentry},
    HookRow{"tun.offered", "host_tun_entry", "tun_net_xmit", Rung::kFentry},
    HookRow{"vcpu", "/proc/PID/task/TID/schedstat", "/proc/PID/task/TID/schedstat", Rung::kProcfs}};

bool IsKvmStage(const std::string& stage) {
  return stage.starts_with("kvm.") || stage.starts_with("irqfd.");
}

}  // namespace

void Agent::MakeHello() {
  Hello hello{.key = key_, .name = o_.name, .version = "sim"};
  hello.protocol = kProtocol;
  hello.roles = guest_ != nullptr ? kRoleGuest : kRoleHost;
  hello.kernel = guest_ == nullptr                            ? "6.1.0-sim"
                 : guest_->spec().kernel == GuestKernel::k510 ? "5.10.0-sim"
                                                              : "6.1.0-sim";
  hello.arch = "x86_64";
  hello.smbios_uuid = guest_ != nullptr && o_.smbios ? uuid_ : "";
  const HookRow* rows = guest_ != nullptr ? kGuestHooks.data() : kHostHooks.data();
  const size_t n = guest_ != nullptr ? kGuestHooks.size() : kHostHooks.size();
  for (size_t i = 0; i < n; ++i) {
    HookInfo hook{.id = HookId{static_cast<uint32_t>(i + 1)}, .stage = rows[i].stage};
    hook.program = rows[i].program;
    hook.target = rows[i].target;
    hook.rung = rows[i].rung;
    hook.state = HookState::kAttached;
    if (o_.kprobes && hook.rung == Rung::kFentry) hook.rung = Rung::kKprobe;
    const bool refused =
        (!o_.kvm && IsKvmStage(hook.stage)) || (!o_.merged && hook.stage == "kvm.merged") ||
        (!o_.vcpu && hook.stage == "vcpu") || (!o_.softnet && hook.stage == "softnet") ||
        (o_.kprobes && hook.id == host_hook::kWokenFentry && guest_ == nullptr);
    if (refused) {
      hook.state = HookState::kRefused;
      hook.rung = Rung::kNone;
      hook.reason = "not there in this run";
    }
    hello.hooks.push_back(std::move(hook));
  }
  hello.clock = clock_->Read(loop_->now());
  Put(std::move(hello));
}

void Agent::Attach() {
  if (guest_ != nullptr) {
    for (Vq* vq : guest_->queues()) AddGuestQueue(vq);
    if (o_.softnet) AddCpuQueue();
  }
  for (const HostVm& vm : vms_) {
    for (Vq* vq : vm.guest->queues()) AddHostQueue(vm, vq);
    if (o_.vcpu) AddVcpuQueues(vm);
  }
  for (QueueView& view : queues_) Announce(&view);
}

void Agent::Announce(QueueView* view) {
  view->info.mono_ns = clock_->Mono(loop_->now());
  Put(view->info);
  AgentTruth::Queue queue{.id = view->info.id, .vq = view->vq};
  queue.name = view->info.device + "/" + view->info.queue;
  if (view->vq != nullptr) queue.at_start = view->vq->truth.now;
  if (view->host_hooks != nullptr) queue.origin = view->host_hooks->origin();
  truth_.queues.push_back(std::move(queue));
}

// Whether its hooks are still those of the queue: after a migration another host's are.
bool Agent::Current(const QueueView& view) const {
  if (view.guest_hooks != nullptr) return view.vq->guest_hooks == view.guest_hooks.get();
  if (view.host_hooks != nullptr) return view.vq->host_hooks == view.host_hooks.get();
  return true;
}

// The driver has set up its queues anew. The host's programs see it where vhost starts a queue
// (bpf/host_join.bpf.h): what they count from then on is the new queue's.
void Agent::QueuesReplaced(const Guest* guest) {
  if (!running() || (guest_ != nullptr && guest_ != guest)) return;
  reading_ = false;  // what was read so far is of queues that are gone
  went_ = true;
  if (guest_ == nullptr) {
    LetGoOfMoved();
    return;
  }
  std::vector<QueueView> old = std::exchange(queues_, {});
  const uint32_t last_id = static_cast<uint32_t>(truth_.queues.size());
  for (QueueView& view : old) {
    if (view.guest_hooks == nullptr) {
      queues_.push_back(std::move(view));
      continue;
    }
    AddGuestQueue(view.vq);
    QueueView& now = queues_.back();
    now.info.id = QueueId{last_id + static_cast<uint32_t>(queues_.size())};
    now.info.generation = view.info.generation + 1;
    now.guest_hooks = std::make_unique<GuestHooks>(&context_, now.vq, now.info.id);
    now.vq->guest_hooks = now.guest_hooks.get();
    now.guest_hooks->follower.Start(guest_->spec().kernel, 0, 0);
    Announce(&now);
    retired_.push_back(std::move(view));
  }
}

// Queues whose ring is another one than before are other queues (host_follow.cc of the agent).
void Agent::LetGoOfMoved() {
  const uint32_t last_id = static_cast<uint32_t>(truth_.queues.size());
  uint32_t added = 0;
  for (size_t i = 0; i < queues_.size(); ++i) {
    QueueView& view = queues_[i];
    if (view.host_hooks == nullptr || !o_.positions || !Current(view)) continue;
    if (view.vq->ring_address == view.info.ring_address) continue;
    const auto vm = std::find_if(vms_.begin(), vms_.end(),
                                 [&](const HostVm& one) { return one.guest == view.guest; });
    if (vm == vms_.end()) continue;
    QueueView old = std::move(view);
    AddHostQueue(*vm, old.vq);
    QueueView now = std::move(queues_.back());
    queues_.pop_back();
    now.info.id = QueueId{last_id + ++added};
    now.info.generation = old.info.generation + 1;
    now.host_hooks = std::make_unique<HostHooks>(&context_, now.vq, now.info.id);
    now.host_hooks->r.address = now.vq->route->message().address;
    now.host_hooks->r.data = now.vq->route->message().data;
    now.host_hooks->posted = now.guest->spec().posted;
    now.host_hooks->blind = now.guest->spec().blind;
    now.vq->host_hooks = now.host_hooks.get();
    Announce(&now);
    queues_[i] = std::move(now);
    retired_.push_back(std::move(old));
  }
}

void Agent::AddGuestQueue(Vq* vq) {
  QueueView view{.vq = vq, .guest = guest_};
  view.info.id = QueueId{static_cast<uint32_t>(queues_.size() + 1)};
  view.guest_hooks = std::make_unique<GuestHooks>(&context_, vq, view.info.id);
  view.guest_hooks->follower.Start(guest_->spec().kernel, vq->irq->rule.count(),
                                   vq->irq->rule.unhandled());
  if (vq->guest_hooks != nullptr) vq->guest_hooks->frozen = vq->truth.now;
  vq->guest_hooks = view.guest_hooks.get();
  view.info.generation = 1;
  view.info.kind = QueueKind::kGuest;
  view.info.device = "eth0";
  view.info.queue = vq->name;
  view.info.irq_name = vq->irq->name;
  view.info.irq = vq->irq->number;
  if (o_.positions) {
    view.info.ring_size = vq->size;
    view.info.ring_address = vq->ring_address;
  } else {
    view.info.packed = true;
  }
  FillGuest(&view);
  view.epoch = view.info.epoch = 0;
  queues_.push_back(std::move(view));
}

void Agent::FillGuest(QueueView* view) {
  const MsiMessage& now = view->vq->irq->message;
  if (view->msi.known && !(view->msi == now)) ++view->epoch;
  view->msi = now;
  view->info.msi = now;
  view->info.epoch = view->epoch;
}

void Agent::AddHostQueue(const HostVm& vm, Vq* vq) {
  QueueView view{.vq = vq, .guest = vm.guest};
  view.info.id = QueueId{static_cast<uint32_t>(queues_.size() + 1)};
  view.host_hooks = std::make_unique<HostHooks>(&context_, vq, view.info.id);
  view.host_hooks->r.address = vq->route->message().address;
  view.host_hooks->r.data = vq->route->message().data;
  view.host_hooks->posted = vm.guest->spec().posted;
  view.host_hooks->blind = vm.guest->spec().blind;
  if (vq->host_hooks != nullptr) vq->host_hooks->frozen = vq->truth.now;
  vq->host_hooks = view.host_hooks.get();
  view.info.generation = 1;
  view.info.kind = QueueKind::kHost;
  view.info.device = vm.tap;
  view.info.queue = vq->name;
  view.info.irq = vq->irq->number;
  view.info.ring_size = o_.positions ? vq->size : 0;
  view.info.ring_address = o_.positions ? vq->ring_address : 0;
  view.info.vm_id = "vm-" + std::to_string(vm.pid);
  view.info.vm_name = vm.name;
  view.info.vm_uuid = vm.uuid;
  view.info.owner_pid = vm.pid;
  FillHost(&view);
  queues_.push_back(std::move(view));
}

void Agent::FillHost(QueueView* view) {
  if (!o_.kvm) return;
  const rs_route_slot& r = view->host_hooks->r;
  view->info.msi = {.address = r.address, .data = r.data, .known = true};
  view->info.epoch = r.epoch;
}

void Agent::AddCpuQueue() {
  QueueView view{.guest = guest_};
  view.info.id = QueueId{static_cast<uint32_t>(queues_.size() + 1)};
  view.info.generation = 1;
  view.info.kind = QueueKind::kCpu;
  view.info.device = "cpu";
  view.info.queue = "softnet";
  queues_.push_back(std::move(view));
}

void Agent::AddVcpuQueues(const HostVm& vm) {
  for (size_t i = 0; i < vm.guest->vcpus(); ++i) {
    QueueView view{.guest = vm.guest};
    view.vcpu = static_cast<int>(i);
    view.info.id = QueueId{static_cast<uint32_t>(queues_.size() + 1)};
    view.info.generation = 1;
    view.info.kind = QueueKind::kVcpu;
    view.info.device = "kvm-" + std::to_string(vm.pid);
    view.info.queue = "vcpu" + std::to_string(i);
    view.info.vm_id = "vm-" + std::to_string(vm.pid);
    view.info.vm_name = vm.name;
    view.info.vm_uuid = vm.uuid;
    view.info.owner_pid = vm.pid;
    if (o_.details.on) {
      view.vcpu_hooks = std::make_unique<VcpuHooks>(&context_, view.info.id);
      vm.guest->vcpu(view.vcpu)->hooks = view.vcpu_hooks.get();
    }
    queues_.push_back(std::move(view));
  }
}

}  // namespace ringside::sim
