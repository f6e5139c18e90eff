// SPDX-License-Identifier: Apache-2.0
#include "agent/msix.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

constexpr int kCapabilityMsix = 0x11;
constexpr uint32_t kEntryBytes = 16;
// Hardware interrupt numbers of PCI MSI domains hold the table's entry in their low 11 bits (the
// rest is the device's address, on kernels before 6.2).
constexpr uint64_t kEntryMask = 0x7ff;

uint32_t Word(std::string_view config, size_t at) {
  uint32_t value = 0;
  if (at + 4 <= config.size()) std::memcpy(&value, config.data() + at, 4);
  return value;
}

}  // namespace

std::optional<MsixLocation> FindMsix(std::string_view config) {
  constexpr uint32_t kHasCapabilities = 1u << 20;  // status register, bit 4
  if (config.size() < 64 || !(Word(config, 4) & kHasCapabilities)) return std::nullopt;
  size_t at = Word(config, 0x34) & 0xfc;
  for (int hops = 0; hops < 48 && at != 0 && at + 12 <= config.size(); ++hops) {
    const uint32_t header = Word(config, at);
    if ((header & 0xff) == kCapabilityMsix) {
      const uint32_t table = Word(config, at + 4);
      return MsixLocation{.bar = static_cast<int>(table & 7),
                          .offset = table & ~7u,
                          .entries = ((header >> 16) & 0x7ff) + 1};
    }
    at = (header >> 8) & 0xfc;
  }
  return std::nullopt;
}

std::optional<MsixLocation> ReadMsixLocation(const std::string& device_path) {
  return FindMsix(ReadText(device_path + "/config", 256));
}

std::optional<uint32_t> RequesterId(std::string_view device_path) {
  // .../0000:00:04.0: domain, bus, device, function.
  const std::string name(device_path.substr(device_path.rfind('/') + 1));
  unsigned domain = 0, bus = 0, device = 0, function = 0;
  char rest = 0;
  if (sscanf(name.c_str(), "%x:%x:%x.%x%c", &domain, &bus, &device, &function, &rest) != 4) {
    return std::nullopt;
  }
  return bus << 8 | device << 3 | function;
}

MsixEntry ReadMsixEntry(const std::string& device_path, const MsixLocation& table, int irq,
                        bool message) {
  MsixEntry result;
  const std::string hwirq = ReadText(absl::StrCat("/sys/kernel/irq/", irq, "/hwirq"));
  uint64_t entry = 0;
  const auto parsed = std::from_chars(hwirq.data(), hwirq.data() + hwirq.size(), entry);
  entry &= kEntryMask;
  if (hwirq.empty() || parsed.ec != std::errc() || entry >= table.entries) return result;
  const std::string path = absl::StrCat(device_path, "/resource", table.bar);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return result;
  const size_t at = table.offset + entry * kEntryBytes;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  struct stat info {};
  const bool fits = fstat(fd, &info) == 0 && at + kEntryBytes <= static_cast<size_t>(info.st_size);
  void* map =
      fits ? mmap(nullptr, page, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(at & ~(page - 1)))
           : MAP_FAILED;
  close(fd);
  if (map == MAP_FAILED) return result;
  // Four separate 4-byte loads: device memory allows no wider or merged ones.
  const auto* words =
      reinterpret_cast<const volatile uint32_t*>(static_cast<char*>(map) + (at & (page - 1)));
  result.masked = (words[3] & 1) != 0;
  if (message && !*result.masked) {
    const uint64_t low = words[0];
    const uint64_t high = words[1];
    result.message.data = words[2];
#if defined(__aarch64__)
    result.message.address = (high | low) == 0 ? 0 : RequesterId(device_path).value_or(0);
#else
    result.message.address = high << 32 | low;
#endif
    result.message.known = result.message.address != 0;
  }
  munmap(map, page);
  return result;
}

}  // namespace ringside
