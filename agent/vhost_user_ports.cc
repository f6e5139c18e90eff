// SPDX-License-Identifier: Apache-2.0
#include "agent/vhost_user_ports.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

constexpr int kSearchAgainAfter = 60;  // looks; a program without a log is asked once a minute
constexpr size_t kPieceBytes = 64 << 10;

// Where a link points to; empty if it cannot be read.
std::string LinkTarget(const std::string& path) {
  char target[4096];
  const ssize_t length = readlink(path.c_str(), target, sizeof(target));
  return length < 0 ? "" : std::string(target, static_cast<size_t>(length));
}

// The log that a process has open, by its own descriptor: that works across mount namespaces.
std::string FindLog(const std::string& folder) {
  for (const std::string& fd : ListDirectory(folder + "/fd")) {
    const std::string path = absl::StrCat(folder, "/fd/", fd);
    if (LinkTarget(path).ends_with(".log")) return path;
  }
  return "";
}

std::string LastPart(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::optional<uint64_t> ParseEventfdId(const std::string& fdinfo) {
  const size_t at = fdinfo.find("eventfd-id:");
  if (at == std::string::npos) return std::nullopt;
  return std::strtoull(fdinfo.c_str() + at + 11, nullptr, 10);
}

void VhostUserPorts::Look(const std::set<int>& pids, const std::string& proc) {
  std::erase_if(programs_, [&](const auto& program) { return !pids.contains(program.first); });
  queues_.clear();
  for (const int pid : pids) {
    if (!programs_.contains(pid) && programs_.size() >= kPidsMax) continue;
    Program& program = programs_[pid];
    const std::string folder = absl::StrCat(proc, "/", pid);
    Follow(&program, folder);
    for (const auto& [fd, place] : program.log.calls()) {
      const auto id = ParseEventfdId(ReadText(absl::StrCat(folder, "/fdinfo/", fd), 4096));
      if (!id) continue;  // closed since, or another file by now
      VhostUserQueue queue{.socket = place.socket, .vring = place.vring, .pid = pid};
      queue.port = program.log.Port(place.socket);
      queue.bridge = program.log.Bridge(queue.port);
      if (queue.port.empty()) queue.port = LastPart(place.socket);
      queues_[*id] = std::move(queue);
    }
  }
}

// A log that was rotated goes on in a file of the same name: found again by its descriptor.
void VhostUserPorts::Follow(Program* program, const std::string& folder) {
  if (!program->path.empty() && !LinkTarget(program->path).ends_with(".log")) {
    program->path.clear();
  }
  if (program->path.empty()) {
    if (program->wait-- > 0) return;
    program->wait = kSearchAgainAfter;
    program->path = FindLog(folder);
    if (program->path.empty()) return;
    program->wait = 0;
  }
  ReadOn(program);
}

void VhostUserPorts::ReadOn(Program* program) {
  const int fd = open(program->path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat file {};
  if (fd < 0) return;
  if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) {
    close(fd);
    return;
  }
  const uint64_t size = static_cast<uint64_t>(file.st_size);
  if (file.st_ino != program->inode || size < program->offset) {
    program->inode = file.st_ino;
    program->offset = 0;
  }
  if (size - program->offset > kLogBytesMax) program->offset = size - kLogBytesMax;
  std::vector<char> piece(kPieceBytes);
  while (program->offset < size) {
    const ssize_t got = pread(fd, piece.data(), piece.size(), static_cast<off_t>(program->offset));
    if (got <= 0) break;
    program->log.Feed({piece.data(), static_cast<size_t>(got)});
    program->offset += static_cast<uint64_t>(got);
  }
  close(fd);
}

const VhostUserQueue* VhostUserPorts::Find(uint64_t eventfd_id) const {
  const auto queue = queues_.find(eventfd_id);
  return queue == queues_.end() ? nullptr : &queue->second;
}

}  // namespace ringside
