// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_types.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "agent/embedded.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

// A kernel with modules and no word on any of them (5.10): tap, vhost and KVM are modules nearly
// everywhere.
bool KernelKnowsItsModules() {
  const std::vector<std::string> described = ListDirectory("/sys/kernel/btf");
  const bool itself = std::find(described.begin(), described.end(), "vmlinux") != described.end();
  return itself && (described.size() > 1 || ReadText("/proc/modules").empty());
}

// libbpf takes a path only: a file in memory, open until the process ends.
std::string InMemory(std::string_view bytes) {
  const int fd = memfd_create("ringside-btf", MFD_CLOEXEC);
  if (fd < 0) return {};
  if (write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    close(fd);
    return {};
  }
  return absl::StrCat("/proc/self/fd/", fd);
}

std::string_view BuiltIn(std::string_view release) {
  for (const RingsideBtf* btf = ringside_btf_table; btf->release != nullptr; ++btf) {
    if (release == btf->release) {
      return {btf->begin, static_cast<size_t>(btf->end - btf->begin)};
    }
  }
  return {};
}

absl::StatusOr<KernelTypes> Given(const std::string& wish, const std::string& release) {
  struct stat info {};
  std::string path = wish;
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    absl::StrAppend(&path, "/", release, ".btf");
  }
  if (access(path.c_str(), R_OK) != 0) {
    return absl::NotFoundError(absl::StrCat("--btf: cannot read ", path, ": ", strerror(errno)));
  }
  return KernelTypes{.path = path, .source = path};
}

}  // namespace

absl::StatusOr<KernelTypes> FindKernelTypes(const std::string& wish) {
  utsname name{};
  uname(&name);
  if (!wish.empty()) return Given(wish, name.release);
  if (!KernelKnowsItsModules()) {
    const std::string path = InMemory(BuiltIn(name.release));
    if (!BuiltIn(name.release).empty() && !path.empty()) {
      return KernelTypes{.path = path, .source = absl::StrCat("built in for ", name.release)};
    }
  }
  return KernelTypes{.path = "", .source = "the kernel's own"};
}

}  // namespace ringside
