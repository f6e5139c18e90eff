// SPDX-License-Identifier: Apache-2.0
// Kernel log lines about interrupts, virtio, vhost and tap, as they appear.
#ifndef RINGSIDE_AGENT_KERNEL_LOG_H_
#define RINGSIDE_AGENT_KERNEL_LOG_H_

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "correlate/records.h"

namespace ringside {

// One record of /dev/kmsg ("prio,seq,usec,flags;text"); nothing if it is not about our subject or
// not a record.
std::optional<LogLine> ParseKernelLogRecord(std::string_view record);

// Numbers of the interrupts that the kernel says it has switched off since it started, as far back
// as its log goes. They may be on again since.
std::set<int> ReadDisabledIrqs();

// Reads from now on. Agent thread only. Silent where /dev/kmsg cannot be read.
class KernelLog {
 public:
  KernelLog();
  ~KernelLog();
  KernelLog(const KernelLog&) = delete;
  KernelLog& operator=(const KernelLog&) = delete;
  // What came since the last call, at most a few hundred lines.
  std::vector<LogLine> Read();

 private:
  int fd_ = -1;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_KERNEL_LOG_H_
