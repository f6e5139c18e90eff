// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "agent/proc_counts.h"

namespace ringside {
namespace {

constexpr std::array<std::string_view, 9> kSubjects = {
    "irq ", "IRQ", "nobody cared", "virtio", "vhost", "vring", "tun: ", "irqfd", "NETDEV WATCHDOG"};
constexpr size_t kLineBytes = 1024;
constexpr int kLinesPerRead = 256;

}  // namespace

std::optional<LogLine> ParseKernelLogRecord(std::string_view record) {
  const size_t semicolon = record.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  std::string_view head = record.substr(0, semicolon);
  std::string_view text = record.substr(semicolon + 1);
  text = text.substr(0, std::min(text.find('\n'), kLineBytes));  // continuation lines hold tags
  const bool ours = std::any_of(kSubjects.begin(), kSubjects.end(), [&](std::string_view subject) {
    return text.find(subject) != std::string_view::npos;
  });
  if (!ours) return std::nullopt;
  std::array<uint64_t, 3> fields{};  // priority, sequence, microseconds since boot
  for (uint64_t& field : fields) {
    const auto parsed = std::from_chars(head.data(), head.data() + head.size(), field);
    if (parsed.ec != std::errc()) return std::nullopt;
    const size_t comma = head.find(',');
    head.remove_prefix(comma == std::string_view::npos ? head.size() : comma + 1);
  }
  return LogLine{.mono_ns = static_cast<int64_t>(fields[2]) * 1000,
                 .level = static_cast<uint32_t>(fields[0] & 7),
                 .text = std::string(text)};
}

std::set<int> ReadDisabledIrqs() {
  std::set<int> irqs;
  const int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  char record[8192];
  // 2^18 records is more than the largest log buffer holds.
  for (int i = 0; fd >= 0 && i < 1 << 18; ++i) {
    const ssize_t n = read(fd, record, sizeof(record));
    if (n < 0 && errno == EPIPE) continue;
    if (n <= 0) break;
    const auto irq = ParseDisabledIrq({record, static_cast<size_t>(n)});
    if (irq) irqs.insert(*irq);
  }
  if (fd >= 0) close(fd);
  return irqs;
}

KernelLog::KernelLog() : fd_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (fd_ >= 0) lseek(fd_, 0, SEEK_END);
}

KernelLog::~KernelLog() {
  if (fd_ >= 0) close(fd_);
}

std::vector<LogLine> KernelLog::Read() {
  std::vector<LogLine> lines;
  char record[8192];
  for (int i = 0; fd_ >= 0 && i < kLinesPerRead; ++i) {
    const ssize_t n = read(fd_, record, sizeof(record));
    if (n < 0 && errno == EPIPE) continue;  // overwritten before we came: the next is newer
    if (n <= 0) break;
    auto line = ParseKernelLogRecord({record, static_cast<size_t>(n)});
    if (line) lines.push_back(*std::move(line));
  }
  return lines;
}

}  // namespace ringside
