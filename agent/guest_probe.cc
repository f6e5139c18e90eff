// SPDX-License-Identifier: Apache-2.0
#include "agent/guest_probe.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/bpf_config.h"
#include "agent/embedded.h"
#include "agent/kernel_log.h"
#include "agent/node_probe.h"
#include "bpf/position.h"

namespace ringside {
namespace {

// The exit first: it ignores handlers whose entry it did not see.
const std::vector<ProgramSpec>& BtfPrograms() {
  static const std::vector<ProgramSpec> specs = {
      {"guest_walk", RS_HOOKS, "gauges", "bpf_prog_test_run", Rung::kTpBtf, "walk"},
      {"guest_irq_exit", RS_HOOK_IRQ_EXIT, "guest.handled", "irq:irq_handler_exit", Rung::kTpBtf,
       "irq"},
      {"guest_irq_entry", RS_HOOK_IRQ_ENTRY, "guest.irq", "irq:irq_handler_entry", Rung::kTpBtf,
       "irq"},
      {"guest_softirq_exit", RS_HOOK_SOFTIRQ_EXIT, "softnet.runs", "irq:softirq_exit", Rung::kTpBtf,
       "softirq"},
      {"guest_softirq_entry", RS_HOOK_SOFTIRQ_ENTRY, "softnet.runs", "irq:softirq_entry",
       Rung::kTpBtf, "softirq"},
      {"guest_napi_poll", RS_HOOK_NAPI, "guest.napi", "napi:napi_poll", Rung::kTpBtf, "napi"},
  };
  return specs;
}

const std::vector<ProgramSpec>& PlainPrograms() {
  static const std::vector<ProgramSpec> specs = {
      {"plain_irq_entry", RS_HOOK_IRQ_ENTRY, "guest.irq", "irq:irq_handler_entry",
       Rung::kTracepoint, "irq"},
      {"plain_irq_exit", RS_HOOK_IRQ_EXIT, "guest.handled", "irq:irq_handler_exit",
       Rung::kTracepoint, "irq"},
  };
  return specs;
}

// "virtio0-input.0" -> {"virtio0", "input.0"}; false for other names and for interrupts that are
// not one queue's (configuration changes, vectors shared by all queues).
bool SplitIrqName(const std::string& name, std::string* device, std::string* vq) {
  const size_t dash = name.find('-');
  if (!absl::StartsWith(name, "virtio") || dash == std::string::npos) return false;
  *device = name.substr(0, dash);
  *vq = name.substr(dash + 1);
  return *vq != "config" && *vq != "virtqueues";
}

// virtio_net's "input.3" is the guest's rx3; other drivers' names stay.
std::string QueueName(const std::string& vq, bool net) {
  if (net && absl::StartsWith(vq, "input.")) return "rx" + vq.substr(6);
  if (net && absl::StartsWith(vq, "output.")) return "tx" + vq.substr(7);
  return vq;
}

}  // namespace

GuestProbe::GuestProbe(HookTable* hooks, QueueRegistry* registry)
    : hooks_(hooks),
      registry_(registry),
      named_(RS_MAX_SLOTS),
      queue_of_slot_(RS_MAX_SLOTS),
      hz_(TicksPerSecond()) {}

std::unique_ptr<GuestProbe> GuestProbe::Start(const ProbeOptions& options, HookTable* hooks,
                                              QueueRegistry* registry) {
  std::unique_ptr<GuestProbe> probe(new GuestProbe(hooks, registry));
  const bool types = RungAllowed(options.limit, Rung::kTpBtf) && probe->StartBtf(options);
  if (!types && RungAllowed(options.limit, Rung::kTracepoint)) probe->StartPlain();
  HookInfo proc{.stage = "guest.proc_irq", .program = "/proc/interrupts"};
  proc.target = "/proc/interrupts";
  proc.rung = Rung::kProcfs;
  proc.state = HookState::kAttached;
  probe->proc_hook_ = hooks->Add({proc});
  return probe;
}

bool GuestProbe::StartBtf(const ProbeOptions& probe_options) {
  // Which interrupts are a virtqueue's is told by their handler's address: without it every count
  // would stay 0, which is no observation.
  if (probe_options.config.fn_vring_interrupt == 0) {
    hooks_->Add(RefusedHooks(
        BtfPrograms(), {},
        absl::UnavailableError("the kernel hides vring_interrupt's address (kernel.kptr_restrict, "
                               "CAP_SYSLOG), or virtio_ring is not there")));
    return false;
  }
  config_ = probe_options.config;
  BpfObject::Options options{.name = "guest", .begin = ringside_bpf_guest_begin};
  options.end = ringside_bpf_guest_end;
  options.config = probe_options.config;
  options.types = probe_options.types;
  options.map_sizes = {{"hook_cells", PossibleCpus() * RS_HOOKS},
                       {"softirq_cells", PossibleCpus()}};
  auto bpf = BpfObject::Load(options, BtfPrograms());
  if (bpf.ok() && !((*bpf)->FillFreeList("free_slots", probe_options.slots).ok() &&
                    (*bpf)->FillFreeList("free_parts", RS_MAX_PARTS).ok())) {
    bpf = absl::InternalError("free slots");
  }
  if (bpf.ok()) (*bpf)->Attach();
  if (!bpf.ok() || !(*bpf)->attached(RS_HOOK_IRQ_ENTRY)) {
    hooks_->Add(RefusedHooks(BtfPrograms(), bpf.ok() ? (*bpf)->hooks() : std::vector<HookInfo>(),
                             bpf.status()));
    return false;
  }
  bpf_ = *std::move(bpf);
  base_ = hooks_->Add(bpf_->hooks());
  for (size_t i = 0; i < BtfPrograms().size(); ++i) hook_ids_[BtfPrograms()[i].hook] = base_ + i;
  walk_hook_ = hook_ids_[RS_HOOKS];
  slots_ = bpf_->Table<rs_guest_slot>("guest_slots");
  parts_ = bpf_->Table<rs_part>("parts");
  if (bpf_->attached(RS_HOOK_SOFTIRQ_EXIT)) {
    softirqs_ = bpf_->Table<rs_softirq_cell>("softirq_cells");
  }
  return slots_ != nullptr;
}

bool GuestProbe::StartPlain() {
  BpfObject::Options options{.name = "plain", .begin = ringside_bpf_plain_begin};
  options.end = ringside_bpf_plain_end;
  options.map_sizes = {{"hook_cells", PossibleCpus() * RS_HOOKS}};
  auto bpf = BpfObject::Load(options, PlainPrograms());
  if (bpf.ok()) (*bpf)->Attach();
  if (!bpf.ok() || !(*bpf)->attached(RS_HOOK_IRQ_ENTRY)) {
    hooks_->Add(RefusedHooks(PlainPrograms(), bpf.ok() ? (*bpf)->hooks() : std::vector<HookInfo>(),
                             bpf.status()));
    return false;
  }
  bpf_ = *std::move(bpf);
  base_ = hooks_->Add(bpf_->hooks());
  for (size_t i = 0; i < PlainPrograms().size(); ++i) {
    hook_ids_[PlainPrograms()[i].hook] = base_ + i;
  }
  plain_irqs_ = bpf_->Table<rs_plain_irq>("plain_irqs");
  return plain_irqs_ != nullptr;
}

bool GuestProbe::Follow(const ProbeOptions& options) {
  if (slots_ == nullptr) {
    if (!RungAllowed(options.limit, Rung::kTpBtf)) return false;
    // Drivers that came with a module describe their types: by queue is better than by number.
    const size_t hooks = hooks_->hooks().size();
    auto plain = std::move(bpf_);
    const HookId plain_base = base_;
    if (!StartBtf(options)) {
      hooks_->Shrink(hooks);
      bpf_ = std::move(plain);
      return false;
    }
    std::vector<HookInfo> unneeded = plain == nullptr ? std::vector<HookInfo>() : plain->hooks();
    for (HookInfo& hook : unneeded) hook.state = HookState::kUnneeded;
    hooks_->Update(plain_base, unneeded);
    plain_irqs_ = nullptr;
    return true;
  }
  config_ = options.config;
  bpf_->SetConfig(config_);
  if (!bpf_->LoadMore()) return false;
  hooks_->Update(base_, bpf_->hooks());
  return true;
}

HookId GuestProbe::hook(rs_hook which) const { return hook_ids_.at(which); }

// Queues of idle network devices have had no interrupt yet: walk the devices of this namespace and
// give every virtqueue behind them a slot.
void GuestProbe::FindNetQueues() {
  rs_walk_out out;
  if (!bpf_->Walk(RS_WALK_NETDEVS, 0, 0, &out).ok() || !out.ok) return;
  const uint64_t head = out.object;
  uint64_t node = out.next;
  for (int devices = 0; devices < 4096 && node != head && node != 0; ++devices) {
    if (!bpf_->Walk(RS_WALK_NETDEV, node, 0, &out).ok() || !out.ok) return;
    node = out.next;
    const std::string name(out.name, strnlen(out.name, 16));
    const std::string driver = absl::StrCat("/sys/class/net/", name, "/device/driver");
    char target[256];
    const ssize_t n = readlink(driver.c_str(), target, sizeof(target));
    if (n <= 0 || !absl::EndsWith(absl::string_view(target, n), "/virtio_net")) continue;
    if (!bpf_->Walk(RS_WALK_VIRTNET, out.object, 0, &out).ok() || !out.ok) continue;
    if (!bpf_->Walk(RS_WALK_VDEV, out.object, 0, &out).ok() || !out.ok) continue;
    const uint64_t vq_head = out.object;
    uint64_t vq = out.next;
    for (int queues = 0; queues < RS_MAX_SLOTS && vq != vq_head && vq != 0; ++queues) {
      if (!bpf_->Walk(RS_WALK_VQ, vq, 0, &out).ok()) return;
      vq = out.next;
    }
  }
}

// A new slot knows its kernel object; its interrupt's name is what ties it to a line of
// /proc/interrupts.
void GuestProbe::NameNewSlots() {
  for (uint32_t slot = 0; slot < RS_MAX_SLOTS; ++slot) {
    const volatile rs_guest_slot& s = slots_[slot];
    if (!s.in_use) continue;  // one that two CPUs wanted at once was given back
    slots_seen_ = slot + 1;
    if (named_[slot]) continue;
    rs_walk_out out;
    if (!bpf_->Walk(RS_WALK_GUEST_SLOT, slot, 0, &out).ok() || !out.ok) continue;
    const std::string vq(out.name, strnlen(out.name, sizeof(out.name)));
    rs_walk_out device;
    if (!bpf_->Walk(RS_WALK_VDEV, out.value[RS_V_VDEV], 0, &device).ok() || !device.ok) continue;
    slot_of_name_[absl::StrCat("virtio", device.value[RS_V_INDEX], "-", vq)] =
        static_cast<int>(slot);
    named_[slot] = true;
  }
}

void GuestProbe::ReadDevice(const std::string& virtio_device) {
  Device& device = devices_[virtio_device];
  const std::string path = "/sys/bus/virtio/devices/" + virtio_device;
  const std::vector<std::string> netdevs = ListDirectory(path + "/net");
  device.netdev = netdevs.empty() ? "" : netdevs.front();
  char* real = realpath(path.c_str(), nullptr);
  if (real != nullptr) {
    device.pci_path = real;
    device.pci_path.resize(device.pci_path.rfind('/'));
    free(real);
  }
}

// The interrupt's entry in its device's MSI-X table; `message` too if it may have changed.
void GuestProbe::ReadVector(const std::string& pci_path, bool message, Queue* queue) {
  queue->masked.reset();
  if (pci_path.empty()) return;
  const auto [table, fresh] = msix_.try_emplace(pci_path);
  if (fresh) table->second = ReadMsixLocation(pci_path);
  if (!table->second) return;
  const MsixEntry entry = ReadMsixEntry(pci_path, *table->second, queue->irq, message);
  queue->masked = entry.masked;
  const MsiMessage& now = entry.message;
  if (queue->msi.known && now.known && !(now == queue->msi)) ++queue->epoch;
  if (now.known) queue->msi = now;
}

void GuestProbe::UpdateQueue(const ProcInterrupt& irq, int64_t now_mono_ns) {
  QueueInfo info{.mono_ns = now_mono_ns, .kind = QueueKind::kGuest};
  std::string vq;
  std::string virtio_device;
  if (!SplitIrqName(irq.name, &virtio_device, &vq)) return;
  if (!devices_.contains(virtio_device)) ReadDevice(virtio_device);
  const Device& device = devices_[virtio_device];
  Queue& queue = queues_[irq.name];
  queue.net = !device.netdev.empty();
  queue.rx = absl::StartsWith(vq, "input.");
  queue.irq = irq.irq;
  const auto slot = slot_of_name_.find(irq.name);
  if (slot != slot_of_name_.end()) queue.slot = slot->second;
  const std::string affinity =
      ReadText(absl::StrCat("/proc/irq/", irq.irq, "/effective_affinity_list"));
  ReadVector(device.pci_path, affinity != queue.affinity || !queue.msi.known, &queue);
  queue.affinity = affinity;
  info.device = queue.net ? device.netdev : virtio_device;
  info.queue = QueueName(vq, queue.net);
  info.irq_name = irq.name;
  info.irq = irq.irq;
  info.msi = queue.msi;
  info.epoch = queue.epoch;
  uint64_t incarnation = 0;
  if (queue.slot >= 0) {
    const rs_guest_slot& s = slots_[queue.slot];
    info.ring_size = s.id.size;
    info.ring_address = s.id.ring_dma;
    info.packed = s.id.size == 0;
    incarnation = s.id.object ^ s.id.ring_dma;
  }
  queue.id = registry_->Update(irq.name, incarnation, std::move(info));
  if (queue.slot < 0) return;
  queue_of_slot_[queue.slot] = queue.id;
  queue.followed = (slots_[queue.slot].spurious.state & RS_SPURIOUS_KNOWN) != 0;
}

void GuestProbe::Discover(int64_t now_mono_ns) {
  if (slots_ != nullptr) {
    FindNetQueues();
    NameNewSlots();
  }
  if (softirqs_ != nullptr) softnet_ = SoftnetQueue(now_mono_ns, registry_);
  devices_.clear();  // a device may have been renamed
  std::set<std::string> listed;
  for (const ProcInterrupt& irq : ParseProcInterrupts(ReadText("/proc/interrupts", 16u << 20))) {
    if (absl::StartsWith(irq.name, "virtio")) UpdateQueue(irq, now_mono_ns);
    listed.insert(irq.name);
    // Any interrupt of the machine tells how this kernel counts.
    const auto numbers = variant_.known() ? std::nullopt : ReadSpurious(irq.irq);
    if (numbers) variant_.Learn(*numbers, irq.count);
  }
  // A driver that let its interrupt go has no queue any more: its memory tells nothing now.
  if (!listed.empty()) {
    std::erase_if(queues_, [&](const auto& queue) { return !listed.contains(queue.first); });
  }
  if (disabled_before_) return;
  // Said by the log, and still so by the device: a masked entry alone may have other reasons.
  disabled_before_ = ReadDisabledIrqs();
  for (auto& [name, queue] : queues_) {
    if (disabled_before_->contains(queue.irq) && queue.masked == true) SwitchedOff(&queue);
  }
}

bool GuestProbe::Stale() const {
  if (slots_ == nullptr || slots_seen_ >= RS_MAX_SLOTS) return false;
  const volatile rs_guest_slot& next = slots_[slots_seen_];
  return next.in_use != 0;
}

void GuestProbe::ReadHooks(std::vector<HookSample>* hooks) const {
  hooks->push_back({.hook = proc_hook_, .misses = 0});  // read, not hit
  if (bpf_ == nullptr) return;
  for (size_t i = 0; i < bpf_->hooks().size(); ++i) {
    // No word on a hook that is not there: its first one says since when it is.
    if (!bpf_->counts(i)) continue;
    HookSample sample = bpf_->ReadHook(i);
    sample.hook = base_ + i;
    hooks->push_back(sample);
  }
}

bool GuestProbe::SetPaused(const std::set<std::string>& groups) {
  if (bpf_ == nullptr || !bpf_->SetPaused(groups)) return false;
  // Calls go by unseen: where each interrupt stands under the kernel's rule must be read anew.
  // While the handlers' hooks are off nobody else writes this.
  const bool unseen = slots_ != nullptr && !bpf_->counting(RS_HOOK_IRQ_ENTRY);
  for (uint32_t slot = 0; unseen && slot < slots_seen_; ++slot) {
    slots_[slot].spurious.state &= ~static_cast<uint32_t>(RS_SPURIOUS_KNOWN);
  }
  hooks_->Update(base_, bpf_->hooks());
  return true;
}

void GuestProbe::ReadCosts(std::vector<HookCost>* costs) const {
  if (bpf_ != nullptr) bpf_->ReadCosts(base_, costs);
}

void GuestProbe::Drain(std::vector<Mark>* marks, std::vector<Event>* events) {
  if (slots_ == nullptr) return;
  const auto on_mark = [&](const void* data, size_t size) {
    rs_mark m;
    if (size < sizeof(m)) return;
    std::memcpy(&m, data, sizeof(m));
    if (m.slot >= RS_MAX_SLOTS || queue_of_slot_[m.slot] == QueueId{}) return;
    Mark mark{.queue = queue_of_slot_[m.slot], .domain = Domain::kIrq, .cpu = m.cpu};
    mark.mono_ns = static_cast<int64_t>(m.mono_ns);
    mark.prev = m.prev;
    mark.pos = m.pos;
    mark.counts = {{Count::kGuestIrq, hook(RS_HOOK_IRQ_ENTRY), m.count[0]},
                   {Count::kGuestHandled, hook(RS_HOOK_IRQ_EXIT), m.count[1]},
                   {Count::kGuestNone, hook(RS_HOOK_IRQ_EXIT), m.count[2]}};
    marks->push_back(std::move(mark));
  };
  const auto on_event = [&](const void* data, size_t size) {
    const auto* e = static_cast<const rs_event*>(data);
    if (size < sizeof(*e) || e->slot >= RS_MAX_SLOTS) return;
    events->push_back(MakeEvent(*e, queue_of_slot_[e->slot], CountOf(*e)));
  };
  if (marks_ == nullptr) marks_ = Ring::Open(bpf_->MapFd("marks"));
  if (events_ == nullptr) events_ = Ring::Open(bpf_->MapFd("events"));
  if (marks_ != nullptr) marks_->Drain(on_mark);
  if (events_ != nullptr) events_->Drain(on_event);
}

}  // namespace ringside
