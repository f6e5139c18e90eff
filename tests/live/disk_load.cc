// SPDX-License-Identifier: Apache-2.0
#include "tests/live/disk_load.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace ringside {
namespace {
constexpr size_t kBlock = 4096;
constexpr uint64_t kBlocks = 2048;
}  // namespace

DiskLoad::DiskLoad(uint64_t requests_max) {
  char path[] = "/var/tmp/ringside-load-XXXXXX";
  const int plain = mkstemp(path);
  if (plain < 0) return;
  close(plain);
  fd_ = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
  unlink(path);
  if (fd_ < 0) return;
  thread_ = std::thread([this, requests_max] { Run(requests_max); });
}

DiskLoad::~DiskLoad() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  if (fd_ >= 0) close(fd_);
}

void DiskLoad::Run(uint64_t requests_max) {
  std::unique_ptr<void, decltype(&free)> block(std::aligned_alloc(kBlock, kBlock), &free);
  for (uint64_t i = 0; i < requests_max && !stop_; ++i) {
    if (pwrite(fd_, block.get(), kBlock, static_cast<off_t>(i % kBlocks * kBlock)) < 0) return;
    ++requests_;
  }
}

}  // namespace ringside
