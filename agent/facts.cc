// SPDX-License-Identifier: Apache-2.0
#include "agent/facts.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/bpf_object.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

constexpr int64_t kEveryNs = 5'000'000'000;

// What the path is made of; a built-in one has no version of its own and counts as the kernel's.
constexpr const char* kModules[] = {"virtio_ring", "virtio_pci", "virtio_net", "vhost",
                                    "vhost_net",   "tun",        "tap",        "kvm",
                                    "kvm_intel",   "kvm_amd"};

// One boolean offload by its classic ethtool command; empty if the device does not answer.
std::string Offload(const std::string& netdev, uint32_t command) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  ethtool_value value{.cmd = command, .data = 0};
  ifreq request{};
  netdev.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const bool ok = ioctl(fd, SIOCETHTOOL, &request) == 0;
  close(fd);
  return ok ? (value.data != 0 ? "on" : "off") : "";
}

}  // namespace

void Facts::Note(const std::string& name, const std::string& value) {
  if (value.empty()) return;
  std::string& known = known_[name];
  if (known == value) return;
  known = value;
  changed_.push_back({.mono_ns = now_mono_ns_, .name = name, .value = value});
}

// "in the kernel", or loaded: with its version, source checksum and use of foreign code where the
// kernel tells (a vendor's module instead of the kernel's own explains much).
void Facts::NoteModule(const std::string& name) {
  const std::string path = "/sys/module/" + name;
  if (access(path.c_str(), F_OK) != 0) {
    // Said only if it was there before: it was taken away.
    if (known_.contains("module." + name)) Note("module." + name, "not loaded");
    return;
  }
  if (access((path + "/initstate").c_str(), F_OK) != 0) return Note("module." + name, "built in");
  std::string value = "loaded";
  for (const char* file : {"version", "srcversion", "taint"}) {
    const std::string text = ReadText(absl::StrCat(path, "/", file), 256);
    if (!text.empty()) absl::StrAppend(&value, " ", file, " ", text);
  }
  Note("module." + name, value);
}

void Facts::ReadDevice(const std::string& netdev) {
  const std::string path = "/sys/class/net/" + netdev;
  for (const char* file : {"mtu", "tx_queue_len", "gro_flush_timeout", "napi_defer_hard_irqs",
                           "threaded", "tun_flags", "address"}) {
    Note(absl::StrCat(netdev, ".", file), ReadText(absl::StrCat(path, "/", file), 256));
  }
  Note(netdev + ".features", ReadText(path + "/device/features", 256));
  const std::pair<const char*, uint32_t> kOffloads[] = {
      {"rx-csum", ETHTOOL_GRXCSUM}, {"tx-csum", ETHTOOL_GTXCSUM}, {"sg", ETHTOOL_GSG},
      {"tso", ETHTOOL_GTSO},        {"gso", ETHTOOL_GGSO},        {"gro", ETHTOOL_GGRO}};
  for (const auto& [name, command] : kOffloads) {
    Note(absl::StrCat(netdev, ".", name), Offload(netdev, command));
  }
}

std::vector<Fact> Facts::Changed(int64_t now_mono_ns, const QueueRegistry& registry,
                                 const std::vector<std::unique_ptr<Probe>>& probes) {
  if (std::string cross = clocks_.CrossTime(now_mono_ns); !cross.empty()) {
    changed_.push_back({now_mono_ns, "clock.cross", std::move(cross)});
  }
  if (now_mono_ns < next_mono_ns_) return std::exchange(changed_, {});
  next_mono_ns_ = now_mono_ns + kEveryNs;
  now_mono_ns_ = now_mono_ns;
  for (const char* name :
       {"busy_poll", "busy_read", "netdev_budget", "netdev_budget_usecs", "netdev_max_backlog",
        "dev_weight", "dev_weight_rx_bias", "bpf_jit_enable"}) {
    Note(absl::StrCat("net.core.", name), ReadText(absl::StrCat("/proc/sys/net/core/", name), 64));
  }
  for (const char* name : kModules) NoteModule(name);
  // "Y": the kernel does not switch interrupts off that nobody handles.
  Note("kernel.noirqdebug", ReadText("/sys/module/spurious/parameters/noirqdebug", 64));
  Note("cpus", std::to_string(PossibleCpus()));
  for (const auto& [name, value] : clocks_.Read()) Note(name, value);
  // The kernel's own statement of how wrong REALTIME may be; coarse, or it would change each time.
  timex clock{};
  adjtimex(&clock);
  constexpr long kStepUs = 100'000;
  Note("clock.maxerror_us", std::to_string((clock.maxerror / kStepUs + 1) * kStepUs));
  std::set<std::string> netdevs;
  for (uint32_t id = 1; id <= registry.size(); ++id) {
    const QueueInfo* queue = registry.Find(QueueId{id});
    if (access(("/sys/class/net/" + queue->device).c_str(), F_OK) == 0) {
      netdevs.insert(queue->device);
    }
    if (queue->kind != QueueKind::kGuest || queue->irq < 0) continue;
    const std::string irq = absl::StrCat("/proc/irq/", queue->irq);
    Note(queue->irq_name + ".affinity", ReadText(irq + "/smp_affinity_list", 256));
    Note(queue->irq_name + ".effective_affinity", ReadText(irq + "/effective_affinity_list", 256));
  }
  for (const std::string& netdev : netdevs) ReadDevice(netdev);
  std::map<std::string, std::string> of_probes;
  for (const auto& probe : probes) probe->ReadFacts(&of_probes);
  for (const auto& [name, value] : of_probes) Note(name, value);
  return std::exchange(changed_, {});
}

}  // namespace ringside
