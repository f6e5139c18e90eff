// SPDX-License-Identifier: Apache-2.0
// Names of vhost-user queues: which port and ring of which program an eventfd belongs to. Found by
// itself for every program that writes to a VM's eventfds and has a log in which it says so (Open
// vSwitch with DPDK): the log names socket, ring and descriptor, /proc the descriptor's eventfd.
// Agent thread only.
#ifndef RINGSIDE_AGENT_VHOST_USER_PORTS_H_
#define RINGSIDE_AGENT_VHOST_USER_PORTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/vhost_user_log.h"

namespace ringside {

struct VhostUserQueue {
  std::string port;    // as the program calls it, else the last part of its socket's path
  std::string socket;  // path
  std::string bridge;  // empty where the log does not say
  uint32_t vring = 0;
  int pid = 0;  // the program
  // As the guest sees it: rx1, tx0.
  std::string Queue() const { return (vring % 2 == 0 ? "rx" : "tx") + std::to_string(vring / 2); }
};

class VhostUserPorts {
 public:
  // Reads what the logs of these programs have said since the last call (at most kLogBytesMax of
  // each; of an older log the end), and which eventfds their descriptors are. proc: "/proc", but
  // for tests.
  void Look(const std::set<int>& pids, const std::string& proc = "/proc");
  // By the number that fdinfo shows as eventfd-id. Lasts until the next Look.
  const VhostUserQueue* Find(uint64_t eventfd_id) const;

  static constexpr size_t kLogBytesMax = 8 << 20;  // 80,000 lines between two looks
  static constexpr size_t kPidsMax = 16;           // programs whose logs are followed

 private:
  struct Program {
    VhostUserLog log;
    std::string path;     // its log's name in /proc; empty: none found
    uint64_t inode = 0;   // of the file that was read last
    uint64_t offset = 0;  // up to where
    int wait = 0;         // looks until a log is searched for again
  };
  void Follow(Program* program, const std::string& folder);
  void ReadOn(Program* program);
  std::map<int, Program> programs_;            // by pid
  std::map<uint64_t, VhostUserQueue> queues_;  // by eventfd id
};

// The number in the text of a descriptor's fdinfo; nothing for other files and older kernels.
std::optional<uint64_t> ParseEventfdId(const std::string& fdinfo);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_VHOST_USER_PORTS_H_
