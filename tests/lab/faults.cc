// SPDX-License-Identifier: Apache-2.0
#include "tests/lab/faults.h"

#include <dirent.h>
#include <sched.h>
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
