// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/faults.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

int Failed(const char* what) {
  std::fprintf(stderr, "ringside-lab-traffic: %s: %s\n", what, std::strerror(errno));
  return 1;
}

std::vector<int> EventfdsOf(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  std::vector<int> found;
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return found;
  while (const dirent* entry = readdir(dir)) {
    char target[64] = {};
    const ssize_t n = readlink((folder + "/" + entry->d_name).c_str(), target, sizeof(target) - 1);
    if (n > 0 && std::strstr(target, "[eventfd]") != nullptr) {
      found.push_back(std::atoi(entry->d_name));
    }
  }
  closedir(dir);
  std::sort(found.begin(), found.end());
  return found;
}

// A descriptor of our own for what process `pid` has as `fd`; negative with errno set.
int TakeDescriptor(int pid, int fd) {
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (process < 0) return -1;
  const int taken = static_cast<int>(syscall(SYS_pidfd_getfd, process, fd, 0));
  const int error = errno;
  close(process);
  errno = error;
  return taken;
}

int64_t WriteTimes(int fd, int64_t count, int64_t gap_us, const volatile std::sig_atomic_t& stop) {
  const uint64_t one = 1;
  const timespec gap{gap_us / 1'000'000, gap_us % 1'000'000 * 1000};
  int64_t written = 0;
  while (written < count && !stop) {
    if (write(fd, &one, sizeof(one)) != static_cast<ssize_t>(sizeof(one))) break;
    ++written;
    nanosleep(&gap, nullptr);
  }
  return written;
}

// Where a device's MSI-X table is; false if its configuration space names none.
struct Msix {
  int bar = 0;
  uint32_t offset = 0;
};
bool FindMsix(const std::string& device, Msix* found) {
  uint8_t config[256] = {};
  const int fd = open((device + "/config").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t n = read(fd, config, sizeof(config));
  close(fd);
  if (n != static_cast<ssize_t>(sizeof(config))) return false;
  constexpr int kCapabilityMsix = 0x11;
  size_t at = config[0x34] & 0xfcu;
  for (int hops = 0; hops < 48 && at != 0 && at + 8 <= sizeof(config); ++hops) {
    if (config[at] == kCapabilityMsix) {
      uint32_t table = 0;
      std::memcpy(&table, config + at + 4, sizeof(table));
      *found = {static_cast<int>(table & 7), table & ~7u};
      return true;
    }
    at = config[at + 1] & 0xfcu;
  }
  return false;
}

}  // namespace

int NumberEventfds(int pid, int64_t gap_us, const volatile std::sig_atomic_t& stop) {
  int64_t writes = 0;
  std::vector<int> newest = EventfdsOf(pid);
  std::reverse(newest.begin(), newest.end());
  constexpr size_t kNumbered = 48;
  newest.resize(std::min(newest.size(), kNumbered));
  for (const int fd : newest) {
    ++writes;
    const int taken = TakeDescriptor(pid, fd);
    if (taken < 0) return Failed("pidfd_getfd");
    const bool all = WriteTimes(taken, writes, gap_us, stop) == writes;
    close(taken);
    if (!all) return Failed("write to an eventfd");
    std::printf("fd=%d writes=%" PRId64 "\n", fd, writes);
  }
  return writes == 0 ? Failed("no eventfd there") : 0;
}

int WriteEventfd(int pid, int fd, int64_t count, int64_t gap_us,
                 const volatile std::sig_atomic_t& stop) {
  const int taken = TakeDescriptor(pid, fd);
  if (taken < 0) return Failed("pidfd_getfd");
  const int64_t written = WriteTimes(taken, count, gap_us, stop);
  std::printf("written=%" PRId64 "\n", written);
  return written == count || stop ? 0 : Failed("write to an eventfd");
}

int Hog(int64_t seconds, const volatile std::sig_atomic_t& stop) {
  sched_param priority{};
  priority.sched_priority = 50;
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0) return Failed("SCHED_FIFO");
  const time_t end = std::time(nullptr) + seconds;
  int64_t turns = 0;
  while (!stop && std::time(nullptr) < end) ++turns;
  std::printf("turns=%" PRId64 "\n", turns);
  return 0;
}

int MaskVector(int slot, int entry, bool masked) {
  char device[64];
  std::snprintf(device, sizeof(device), "/sys/bus/pci/devices/0000:00:%02x.0", slot);
  Msix table;
  if (!FindMsix(device, &table)) return Failed("no MSI-X table");
  const std::string resource = std::string(device) + "/resource" + std::to_string(table.bar);
  const int fd = open(resource.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return Failed(resource.c_str());
  const size_t at = table.offset + static_cast<size_t>(entry) * 16 + 12;  // vector control
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* map = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                   static_cast<off_t>(at & ~(page - 1)));
  close(fd);
  if (map == MAP_FAILED) return Failed("mmap of the table");
  auto* control = reinterpret_cast<volatile uint32_t*>(static_cast<char*>(map) + (at & (page - 1)));
  *control = (*control & ~1u) | (masked ? 1u : 0u);
  std::printf("entry=%d masked=%u\n", entry, *control & 1u);
  munmap(map, page);
  return 0;
}
