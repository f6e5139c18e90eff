// SPDX-License-Identifier: Apache-2.0
#include "cli/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

namespace fs = std::filesystem;

// Bits of CapEff, as in linux/capability.h (whose names old build machines lack).
constexpr int kSysAdmin = 21;
constexpr int kSysResource = 24;
constexpr int kPerfmon = 38;
constexpr int kBpf = 39;

std::optional<std::string> ReadText(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  std::string out = text.str();
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<std::string> ListNames(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "[none] integrity confidentiality": the one in brackets holds.
std::string ReadLockdown(const std::string& root) {
  std::string text = ReadText(root + "/sys/kernel/security/lockdown").value_or("");
  size_t open = text.find('[');
  size_t close = text.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  return text.substr(open + 1, close - open - 1);
}

// A line "Name:\tvalue" of /proc/self/status.
std::string StatusField(const std::string& status, const std::string& name) {
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(name + ":", 0) != 0) continue;
    size_t value = line.find_first_not_of(" \t", name.size() + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

std::vector<std::string> MissingCapabilities(const std::string& status) {
  uint64_t held = std::strtoull(StatusField(status, "CapEff").c_str(), nullptr, 16);
  auto has = [&](int bit) { return (held >> bit & 1) != 0; };
  std::vector<std::string> missing;
  if (has(kSysAdmin)) return missing;  // includes the two that were split off it
  if (!has(kBpf)) missing.emplace_back("CAP_BPF");
  if (!has(kPerfmon)) missing.emplace_back("CAP_PERFMON");
  if (!has(kSysResource)) missing.emplace_back("CAP_SYS_RESOURCE");
  return missing;
}

std::vector<VirtioDevice> ReadVirtio(const std::string& root) {
  std::vector<VirtioDevice> devices;
  const std::string bus = root + "/sys/bus/virtio/devices";
  for (const std::string& name : ListNames(bus)) {
    VirtioDevice device{.name = name, .driver = "", .netdev = ""};
    const fs::path folder = fs::path(bus) / name;
    std::error_code error;
    fs::path driver = fs::read_symlink(folder / "driver", error);
    if (!error) device.driver = driver.filename().string();
    std::vector<std::string> netdevs = ListNames(folder / "net");
    if (!netdevs.empty()) device.netdev = netdevs.front();
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace

Machine ReadMachine(const std::string& root) {
  Machine machine;
  utsname name{};
  uname(&name);
  machine.kernel = name.release;
  machine.arch = name.machine;
  machine.btf = Exists(root + "/sys/kernel/btf/vmlinux");
  machine.lockdown = ReadLockdown(root);
  machine.tracefs = Exists(root + "/sys/kernel/tracing/events") ||
                    Exists(root + "/sys/kernel/debug/tracing/events");
  machine.jit = ReadText(root + "/proc/sys/net/core/bpf_jit_enable").value_or("");
  machine.uid = geteuid();
  machine.missing_capabilities =
      MissingCapabilities(ReadText(root + "/proc/self/status").value_or(""));
  machine.virtio = ReadVirtio(root);
  machine.kvm_device = Exists(root + "/dev/kvm");
  machine.vhost_net = Exists(root + "/sys/module/vhost_net");
  return machine;
}

std::string MissingPrivileges(const Machine& machine) {
  if (machine.missing_capabilities.empty()) return "";
  return fmt::format(
      "recording needs root, or CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE (uid {} lacks {}); use "
      "sudo, record what any user can read (--rung procfs), or read an incident: ringside INCIDENT",
      machine.uid, ListText(machine.missing_capabilities, 3));
}

}  // namespace ringside
