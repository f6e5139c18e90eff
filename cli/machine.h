// SPDX-License-Identifier: Apache-2.0
// What of this machine decides whether ringside can count on it. Called by doctor and, for the
// privileges, by record. Reads /proc, /sys and /dev; any thread.
#ifndef RINGSIDE_CLI_MACHINE_H_
#define RINGSIDE_CLI_MACHINE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace ringside {

struct VirtioDevice {
  std::string name;    // virtio0
  std::string driver;  // virtio_net; empty: none bound
  std::string netdev;  // eth0; empty: no network device, or another network namespace
};

struct Machine {
  std::string kernel;  // uname -r
  std::string arch;
  bool btf = false;      // the kernel describes its own types
  std::string lockdown;  // "none", "integrity", "confidentiality"; empty: not known
  bool tracefs = false;
  std::string jit;  // net.core.bpf_jit_enable as it stands; empty: not known
  uint32_t uid = 0;
  std::vector<std::string> missing_capabilities;  // of those that recording takes; empty: all there
  std::vector<VirtioDevice> virtio;
  bool kvm_device = false;  // /dev/kvm
  bool vhost_net = false;   // module loaded, or built in and in use
};

// `root` stands before every path: "" for this machine, another folder in tests.
Machine ReadMachine(const std::string& root);

// What recording needs and this process lacks, in one line; empty where nothing is missing.
std::string MissingPrivileges(const Machine& machine);

}  // namespace ringside

#endif  // RINGSIDE_CLI_MACHINE_H_
