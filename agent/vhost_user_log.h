// SPDX-License-Identifier: Apache-2.0
// What Open vSwitch with DPDK writes into its log about its vhost-user ports: which socket a port
// has, on which bridge it is, and by which descriptor it signals which ring. A pure parser, fed in
// pieces as the log grows; what it has not read it does not know. Any one thread.
//
// Lines it takes (seen in Open vSwitch 3.1 with DPDK 22.11):
//   ...|00001|vlog|INFO|opened log file ...              a new process: all before is void
//   ...|bridge|INFO|bridge br0: added interface vhu0 on port 1
//   ...|bridge|INFO|bridge br0: deleted interface vhu0 on port 1
//   ...|vHost User device 'vhu0' created in 'client' mode, using client socket '/run/vhu0.sock'
//   ...|Socket /run/vhu0.sock created for vhost-user port vhu0
//   ...|VHOST_CONFIG: (/run/vhu0.sock) vring call idx:2 file:457
#ifndef RINGSIDE_AGENT_VHOST_USER_LOG_H_
#define RINGSIDE_AGENT_VHOST_USER_LOG_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ringside {

// A ring's place: ring 2k is what the guest calls rx k, 2k+1 its tx k.
struct VringPlace {
  std::string socket;
  uint32_t vring = 0;
  friend auto operator<=>(const VringPlace&, const VringPlace&) = default;
};

class VhostUserLog {
 public:
  // The log's next bytes, in order; a line that is not whole yet waits for the rest.
  void Feed(std::string_view bytes);
  // Descriptors by which rings are signalled now, as far as said; at most kRingsMax.
  const std::map<int, VringPlace>& calls() const { return calls_; }
  // Port of a socket, and bridge of a port; empty where nothing was said.
  std::string Port(const std::string& socket) const;
  std::string Bridge(const std::string& port) const;

  static constexpr size_t kRingsMax = 4096;      // a node has slots for fewer
  static constexpr size_t kNamesMax = 4096;      // ports; more are not remembered
  static constexpr size_t kLineBytesMax = 4096;  // a longer line is none of these

 private:
  void OnLine(std::string_view line);
  void OnBridge(std::string_view text);
  void OnCall(std::string_view text);
  std::string rest_;
  std::map<int, VringPlace> calls_;
  std::map<std::string, std::string> port_of_;
  std::map<std::string, std::string> bridge_of_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_VHOST_USER_LOG_H_
