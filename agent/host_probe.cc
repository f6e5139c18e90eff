// SPDX-License-Identifier: Apache-2.0
#include "agent/host_probe.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/bpf_config.h"
#include "agent/embedded.h"
#include "agent/host_hooks.h"

namespace ringside {
namespace {

const std::vector<ProgramSpec>& MessagePrograms() {
  static const std::vector<ProgramSpec> specs = {
      {"msi_accept", RS_HOOK_APIC_ACCEPT, "kvm.injected", "kvm:kvm_apic_accept_irq", Rung::kTpBtf,
       "msi"},
      {"msi_set_irq", RS_HOOK_MSI_SET_IRQ, "kvm.injected", "kvm:kvm_msi_set_irq", Rung::kTpBtf,
       "msi"},
      {"msi_sys_write", RS_HOOK_SYS_WRITE, "eventfd.written", "raw_syscalls:sys_enter",
       Rung::kTpBtf, "sys_write"},
  };
  return specs;
}

bool AnyAttached(const BpfObject& bpf, const std::vector<ProgramSpec>& specs) {
  return std::any_of(specs.begin(), specs.end(), [&](const ProgramSpec& spec) {
    // Tracepoints count nothing by themselves.
    return spec.rung != Rung::kTpBtf && bpf.attached(spec.hook);
  });
}

constexpr int kLooks = 20;  // for a VM, at the start
constexpr int kLookEachUs = 10'000;

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace

HostProbe::HostProbe(HookTable* hooks, QueueRegistry* registry)
    : hooks_(hooks),
      registry_(registry),
      cpus_(PossibleCpus()),
      queue_of_vhost_(RS_MAX_SLOTS),
      queue_of_route_(RS_MAX_SLOTS),
      queue_of_tun_(RS_MAX_SLOTS) {
  if (getrandom(salt_, sizeof(salt_), 0) != sizeof(salt_)) salt_[0] = salt_[1] = 0;
}

std::unique_ptr<HostProbe> HostProbe::Start(const ProbeOptions& options, HookTable* hooks,
                                            QueueRegistry* registry) {
  std::unique_ptr<HostProbe> probe(new HostProbe(hooks, registry));
  if (!probe->StartFunctions(options) && !probe->StartTracepoints(options)) return nullptr;
  HookInfo sched{.stage = "vcpu", .program = "/proc/PID/task/TID/schedstat"};
  sched.target = sched.program;
  sched.rung = Rung::kProcfs;
  sched.state = HookState::kAttached;
  probe->sched_hook_ = hooks->Add({sched});
  probe->vcpu_trace_ = std::make_unique<VcpuTrace>(options, hooks);
  probe->writer_trace_ = std::make_unique<WriterTrace>(options, hooks);
  return probe;
}

bool HostProbe::StartFunctions(const ProbeOptions& probe_options) {
  BpfObject::Options options{.name = "host", .begin = ringside_bpf_host_begin};
  options.end = ringside_bpf_host_end;
  options.config = config_ = probe_options.config;
  options.limit = probe_options.limit;
  options.types = probe_options.types;
  options.map_sizes = {{"hook_cells", cpus_ * RS_HOOKS}, {"tun_cells", cpus_ * RS_MAX_SLOTS}};
  options.free_lists = {{"free_vhost", RS_MAX_SLOTS},
                        {"free_route", RS_MAX_SLOTS},
                        {"free_tun", RS_MAX_SLOTS},
                        {"free_parts", RS_MAX_PARTS}};
  auto bpf = BpfObject::Load(options, HostFunctionPrograms());
  if (bpf.ok()) (*bpf)->Attach();
  if (!bpf.ok() || !AnyAttached(**bpf, HostFunctionPrograms())) {
    hooks_->Add(RefusedHooks(HostFunctionPrograms(),
                             bpf.ok() ? (*bpf)->hooks() : std::vector<HookInfo>(), bpf.status()));
    return false;
  }
  bpf_ = *std::move(bpf);
  functions_ = true;
  base_ = hooks_->Add(bpf_->hooks());
  for (const ProgramSpec& spec : HostFunctionPrograms()) {
    hook_ids_[spec.hook] = base_ + bpf_->SpecOf(spec.hook);
  }
  vhosts_ = bpf_->Table<rs_vhost_slot>("vhost_slots");
  routes_ = bpf_->Table<rs_route_slot>("route_slots");
  tuns_ = bpf_->Table<rs_tun_slot>("tun_slots");
  tun_cells_ = bpf_->Table<rs_tun_cell>("tun_cells");
  parts_ = bpf_->Table<rs_part>("parts");
  if (has(RS_HOOK_DROP)) drop_reasons_ = ReadDropReasons();
  return vhosts_ != nullptr && routes_ != nullptr && tuns_ != nullptr && tun_cells_ != nullptr;
}

bool HostProbe::StartTracepoints(const ProbeOptions& probe_options) {
  BpfObject::Options options{.name = "msi", .begin = ringside_bpf_msi_begin};
  options.end = ringside_bpf_msi_end;
  options.config = config_ = probe_options.config;
  options.limit = probe_options.limit;
  options.types = probe_options.types;
  options.map_sizes = {{"hook_cells", cpus_ * RS_HOOKS}};
  auto bpf = BpfObject::Load(options, MessagePrograms());
  if (bpf.ok()) {
    absl::Status filled = (*bpf)->FillFreeList("free_route", RS_MAX_SLOTS);
    if (filled.ok()) filled = (*bpf)->FillFreeList("free_parts", RS_MAX_PARTS);
    if (!filled.ok()) bpf = filled;
  }
  if (bpf.ok()) (*bpf)->Attach();
  if (!bpf.ok() || !(*bpf)->attached(RS_HOOK_MSI_SET_IRQ)) {
    hooks_->Add(RefusedHooks(MessagePrograms(),
                             bpf.ok() ? (*bpf)->hooks() : std::vector<HookInfo>(), bpf.status()));
    return false;
  }
  bpf_ = *std::move(bpf);
  base_ = hooks_->Add(bpf_->hooks());
  for (size_t i = 0; i < MessagePrograms().size(); ++i) {
    hook_ids_[MessagePrograms()[i].hook] = base_ + i;
  }
  routes_ = bpf_->Table<rs_route_slot>("route_slots");
  parts_ = bpf_->Table<rs_part>("parts");
  // A VM that runs takes a timer's interrupt soon.
  for (int i = 0; i < kLooks && !system_calls_; ++i) {
    usleep(kLookEachUs);
    system_calls_ = bpf_->ReadHook(bpf_->SpecOf(RS_HOOK_APIC_ACCEPT)).hits > 0;
  }
  SetPaused({});
  return routes_ != nullptr;
}

HookId HostProbe::hook(rs_hook which) const { return hook_ids_.at(which); }

void HostProbe::WalkTap(const std::string& tap, uint32_t ifindex, uint64_t priv) {
  uint32_t queues = 1;
  for (uint32_t i = 0; i < queues && i < 256; ++i) {
    rs_walk_out tun;
    if (!bpf_->Walk(RS_WALK_TUN, priv, i, &tun).ok() || !tun.ok) continue;
    queues = static_cast<uint32_t>(tun.value[RS_V_QUEUES]);
    tap_of_socket_[tun.value[RS_V_SOCKET]] = {tap, ifindex, i, priv};
    for (const uint64_t vq : {tun.value[RS_V_VQ0], tun.value[RS_V_VQ1]}) {
      rs_walk_out vhost;
      if (vq == 0 || !bpf_->Walk(RS_WALK_VHOST, vq, 0, &vhost).ok() || !vhost.ok) continue;
      const int slot = static_cast<int>(vhost.slot) - 1;
      direction_of_vhost_[slot] = static_cast<int>(vhost.value[RS_V_INDEX]);
      vhost_mm_[slot] = vhost.next;
    }
  }
}

// From every tap of this network namespace to the vhost queues behind it, busy or not.
void HostProbe::WalkTaps() {
  rs_walk_out out;
  if (!bpf_->Walk(RS_WALK_NETDEVS, 0, 0, &out).ok() || !out.ok) return;
  const uint64_t head = out.object;
  uint64_t node = out.next;
  for (int devices = 0; devices < 65536 && node != head && node != 0; ++devices) {
    if (!bpf_->Walk(RS_WALK_NETDEV, node, 0, &out).ok() || !out.ok) return;
    node = out.next;
    const std::string name(out.name, strnlen(out.name, 16));
    if (access(absl::StrCat("/sys/class/net/", name, "/tun_flags").c_str(), F_OK) != 0) continue;
    WalkTap(name, static_cast<uint32_t>(out.value[RS_V_IFINDEX]), out.object);
  }
}

// A tap queue leads to its vhost queues only while vhost waits on it for packets; not while the
// guest gives no buffers. The backend of a known vhost queue leads back at any time. A queue
// without a backend (stopped) keeps its name.
void HostProbe::JoinTaps() {
  for (const int slot : Given(vhosts_)) {
    rs_walk_out vhost;
    if (retired_vhosts_.contains(slot)) continue;
    if (!WalkVhost(slot, &vhost) || !vhost.value[RS_V_BACKEND]) continue;
    const auto tap = tap_of_socket_.find(vhost.value[RS_V_SOCKET]);
    if (tap == tap_of_socket_.end()) {
      tap_of_vhost_.erase(slot);
    } else {
      tap_of_vhost_[slot] = tap->second;
      direction_of_vhost_[slot] = static_cast<int>(vhost.value[RS_V_INDEX]);
    }
  }
}

int HostProbe::FindTun(uint32_t ifindex, uint32_t queue) const {
  for (const int slot : Given(tuns_)) {
    if (tuns_[slot].ifindex == ifindex && tuns_[slot].queue == queue) return slot;
  }
  return -1;
}

const HostProbe::Vm& HostProbe::VmOf(uint64_t mm, int pid) {
  Vm& vm = vms_[mm];
  if (vm.id.empty()) {
    vm.id = absl::StrFormat("%016x", Mix(Mix(mm ^ salt_[0]) + salt_[1] + vms_gone_));
  }
  if (vm.pid == 0 && pid > 0) {
    // The kernel remembers the thread that created the VM; its group is the VMM.
    const std::string status = ReadText(absl::StrCat("/proc/", pid, "/status"));
    const size_t at = status.find("\nTgid:");
    vm.pid = at == std::string::npos ? pid : atoi(status.c_str() + at + 6);
    vm.names = ParseVmmCommandLine(ReadText(absl::StrCat("/proc/", vm.pid, "/cmdline")));
    vm.vcpus = std::make_unique<VcpuWatch>(absl::StrCat("/proc/", vm.pid));
  }
  return vm;
}

const HostProbe::Vm* HostProbe::FindVm(const Queue& queue) const {
  const auto vm = vms_.find(queue.mm);
  return vm == vms_.end() || vm->second.vcpus == nullptr ? nullptr : &vm->second;
}

void HostProbe::UpdateVcpus(Vm* vm, int64_t now_mono_ns) {
  vm->vcpus->Look();
  vm->vcpu_queues.clear();
  for (const auto& [number, vcpu] : vm->vcpus->vcpus()) {
    QueueInfo info{.mono_ns = now_mono_ns, .kind = QueueKind::kVcpu};
    info.device = absl::StrCat("kvm-", vm->pid);
    info.queue = absl::StrCat("vcpu", number);
    info.vm_id = vm->id;
    info.vm_name = vm->names.name;
    info.vm_uuid = vm->names.uuid;
    info.owner_pid = vm->pid;
    const std::string name = absl::StrCat(info.device, "/", info.queue);  // before it is moved
    vm->vcpu_queues[number] =
        registry_->Update(name, static_cast<uint64_t>(vcpu.tid), std::move(info));
  }
}

void HostProbe::FillRoute(int slot, QueueInfo* info) {
  const rs_route_slot& route = routes_[slot];
  const Vm& vm = VmOf(route.mm, static_cast<int>(route.owner_tgid));
  info->irq = static_cast<int32_t>(route.gsi);
  info->msi = {.address = route.address, .data = route.data, .known = route.address != 0};
  info->epoch = route.epoch;
  info->vm_id = vm.id;
  info->vm_name = vm.names.name;
  info->vm_uuid = vm.names.uuid;
  info->owner_pid = vm.pid;
}

void HostProbe::UpdateVhost(int slot, int64_t now_mono_ns) {
  const rs_vhost_slot& vhost = vhosts_[slot];
  Queue& queue = queues_[absl::StrCat("vhost:", slot)];
  queue.vhost = slot;
  QueueInfo info{.mono_ns = now_mono_ns, .kind = QueueKind::kHost};
  if (vhost.route != 0) {
    queue.route = static_cast<int>(vhost.route) - 1;
    FillRoute(queue.route, &info);
    queue.mm = routes_[queue.route].mm;
  } else if (const auto mm = vhost_mm_.find(slot); mm != vhost_mm_.end()) {
    info.vm_id = VmOf(mm->second, 0).id;
    queue.mm = mm->second;
  }
  info.ring_size = vhost.id.size;
  info.ring_address = vhost.id.ring;
  const auto tap = tap_of_vhost_.find(slot);
  if (tap == tap_of_vhost_.end()) {
    // Its tap is in another network namespace, or it has none (vsock, scsi).
    info.device = absl::StrCat("vhost-", info.owner_pid);
    info.queue = absl::StrCat("vq", slot);
  } else {
    const bool tx = direction_of_vhost_[slot] == 1;
    info.device = tap->second.tap;
    info.queue = absl::StrCat(tx ? "tx" : "rx", tap->second.queue);
    queue.tun_priv = tx ? 0 : tap->second.priv;
    queue.tun_queue = tap->second.queue;
    TakeTun(tx ? -1 : FindTun(tap->second.ifindex, tap->second.queue), &queue);
  }
  queue.id = registry_->Update(absl::StrCat("vhost:", slot), vhost.id.ring, std::move(info));
  queue_of_vhost_[slot] = queue.id;
  if (queue.route >= 0) queue_of_route_[queue.route] = queue.id;
  if (queue.tun >= 0) queue_of_tun_[queue.tun] = queue.id;
}

void HostProbe::UpdateRoute(int slot, int64_t now_mono_ns) {
  const rs_route_slot& route = routes_[slot];
  if (route.vhost != 0) {
    queues_.erase(absl::StrCat("route:", slot));  // became a vhost queue's
    return;
  }
  Queue& queue = queues_[absl::StrCat("route:", slot)];
  queue.route = slot;
  QueueInfo info{.mono_ns = now_mono_ns, .kind = QueueKind::kRoute};
  FillRoute(slot, &info);
  queue.mm = route.mm;
  if (const auto named = vhost_user_.find(slot); named != vhost_user_.end()) {
    info.kind = QueueKind::kHost;
    info.device = named->second.port;
    info.queue = named->second.Queue();
  } else {
    info.device = absl::StrCat("kvm-", info.owner_pid);
    info.queue = functions_ ? absl::StrCat("gsi", route.gsi)
                            : absl::StrFormat("msi-%08x-%04x", route.address, route.data);
  }
  queue.id = registry_->Update(absl::StrCat("route:", slot), route.kvm, std::move(info));
  queue_of_route_[slot] = queue.id;
}

// A tap queue with traffic but without vhost (QEMU reads it itself, or another program).
void HostProbe::UpdateTap(int slot, int64_t now_mono_ns) {
  const rs_tun_slot& tun = tuns_[slot];
  const std::string object = absl::StrCat("tun:", slot);
  const bool joined = std::any_of(queues_.begin(), queues_.end(), [slot](const auto& entry) {
    return entry.second.vhost >= 0 && entry.second.tun == slot;
  });
  if (joined) {
    queues_.erase(object);
    return;
  }
  const std::vector<std::string> netdevs = ListDirectory("/sys/class/net");
  const auto name = std::find_if(netdevs.begin(), netdevs.end(), [&](const std::string& device) {
    return ReadText("/sys/class/net/" + device + "/ifindex") == std::to_string(tun.ifindex);
  });
  const auto [at, fresh] = queues_.try_emplace(object);
  Queue& queue = at->second;
  if (fresh) queue.life = ++taps_alone_;
  TakeTun(slot, &queue);
  QueueInfo info{.mono_ns = now_mono_ns, .kind = QueueKind::kHost};
  info.device = name == netdevs.end() ? absl::StrCat("if", tun.ifindex) : *name;
  info.queue = absl::StrCat("rx", tun.queue);
  queue.id = registry_->Update(object, queue.life, std::move(info));
  queue_of_tun_[slot] = queue.id;
}

void HostProbe::Discover(int64_t now_mono_ns) {
  if (functions_) {
    tap_of_socket_.clear();
    RetireGone();
    WalkTaps();
    JoinTaps();
    for (const int i : Given(vhosts_)) {
      if (!retired_vhosts_.contains(i)) UpdateVhost(i, now_mono_ns);
    }
    for (const int i : Given(tuns_)) UpdateTap(i, now_mono_ns);
  }
  HookSystemCalls();
  NameRoutes();
  for (const int i : Given(routes_)) {
    if (!retired_routes_.contains(i)) UpdateRoute(i, now_mono_ns);
  }
  for (auto& [mm, vm] : vms_) {
    if (vm.vcpus != nullptr) UpdateVcpus(&vm, now_mono_ns);
  }
}

// A host queue is only read once it is known: nothing is said about the others.
bool HostProbe::Stale() const { return false; }

// What a hook counts may need another hook to have been there: a return counts only calls whose
// entry was seen. An injection whose pending bit was not looked at is counted as blind, so what
// `accept` misses (it is hit by every IPI and timer, too) is only what goes uncounted as injected.
void HostProbe::AddLossesOfOthers(std::vector<HookSample>* samples) const {
  const auto of = [&](rs_hook which) { return (*samples)[bpf_->SpecOf(which)].misses; };
  const auto sum = [](std::optional<uint64_t> a, std::optional<uint64_t> b) {
    return a && b ? std::optional(*a + *b) : std::nullopt;
  };
  std::map<rs_hook, std::optional<uint64_t>> losses;
  for (const auto& [leaves, enters] : {std::pair(RS_HOOK_TUN_EXIT, RS_HOOK_TUN_ENTRY),
                                       std::pair(RS_HOOK_VHOST_EXIT, RS_HOOK_VHOST_ENTRY),
                                       std::pair(RS_HOOK_INATOMIC_EXIT, RS_HOOK_INATOMIC_ENTRY),
                                       std::pair(RS_HOOK_SET_IRQ_EXIT, RS_HOOK_SET_IRQ_ENTRY)}) {
    losses[leaves] = sum(of(leaves), of(enters));
  }
#if defined(__aarch64__)
  losses[RS_HOOK_VGIC_QUEUED] = sum(of(RS_HOOK_VGIC_QUEUED), of(RS_HOOK_ACCEPT));
#endif
  losses[RS_HOOK_ACCEPT] = losses[RS_HOOK_INATOMIC_EXIT];
  for (size_t i = 0; i < samples->size(); ++i) {
    const auto found = losses.find(HostFunctionPrograms()[i].hook);
    if (found != losses.end() && bpf_->hooks()[i].state == HookState::kAttached) {
      (*samples)[i].misses = found->second;
    }
  }
}

void HostProbe::ReadHooks(std::vector<HookSample>* hooks) const {
  hooks->push_back({.hook = sched_hook_, .misses = 0});  // read, not hit
  vcpu_trace_->ReadHooks(hooks);
  writer_trace_->ReadHooks(hooks);
  std::vector<HookSample> samples = bpf_->ReadHooks();
  if (functions_) AddLossesOfOthers(&samples);
  for (HookSample& sample : samples) {
    // No word on a hook that is not there: its first one says since when it is.
    if (!bpf_->counts(static_cast<size_t>(sample.hook))) continue;
    sample.hook = base_ + static_cast<size_t>(sample.hook);
    hooks->push_back(sample);
  }
}

}  // namespace ringside
