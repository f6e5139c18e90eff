// SPDX-License-Identifier: Apache-2.0
#include "agent/identity.h"

#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "agent/kernel_files.h"

namespace ringside {

Hello MakeHello(const std::string& name) {
  Hello hello;
  hello.key.machine_id = ReadText("/etc/machine-id", 64);
  hello.key.boot_id = ReadText("/proc/sys/kernel/random/boot_id", 64);
  uint64_t random = 0;
  if (getrandom(&random, sizeof(random), 0) != sizeof(random)) random = getpid();
  hello.key.instance = absl::StrFormat("%016x", random);
  utsname system{};
  uname(&system);
  hello.name = name.empty() ? system.nodename : name;
  hello.version = RINGSIDE_VERSION;
  hello.kernel = system.release;
  hello.arch = system.machine;
  hello.smbios_uuid = ReadText("/sys/class/dmi/id/product_uuid", 64);
  std::transform(hello.smbios_uuid.begin(), hello.smbios_uuid.end(), hello.smbios_uuid.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return hello;
}

uint32_t GuessRoles() {
  uint32_t roles = 0;
  if (!ListDirectory("/sys/bus/virtio/devices").empty()) roles |= kRoleGuest;
  const bool host = access("/dev/kvm", F_OK) == 0 || access("/dev/vhost-net", F_OK) == 0;
  if (host) roles |= kRoleHost;
  return roles;
}

}  // namespace ringside
