// SPDX-License-Identifier: Apache-2.0
// A bounded disk load in a thread of its own: direct writes to a temporary file, so that every one
// is a request to the disk.
#ifndef RINGSIDE_TESTS_LIVE_DISK_LOAD_H_
#define RINGSIDE_TESTS_LIVE_DISK_LOAD_H_

#include <atomic>
#include <cstdint>
#include <thread>

namespace ringside {

class DiskLoad {
 public:
  // Runs until destroyed, at most `requests_max` writes of 4 KiB into 8 MiB of file.
  explicit DiskLoad(uint64_t requests_max = 2'000'000);
  ~DiskLoad();
  bool ok() const { return fd_ >= 0; }  // false: no file system here takes direct writes
  uint64_t requests() const { return requests_; }

 private:
  void Run(uint64_t requests_max);
  int fd_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> requests_{0};
  std::thread thread_;
};

}  // namespace ringside

#endif  // RINGSIDE_TESTS_LIVE_DISK_LOAD_H_
