// SPDX-License-Identifier: Apache-2.0
// Host: user-space writers of VMs' eventfds (pmd threads), write by write: how long the write kept
// them, and how long before it they took packets from a vhost-user queue. The latter is a probe in
// DPDK's library, which a polling thread calls without a pause: all of this is there only while
// somebody wants such details.
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_WRITER_TRACE_H_
#define RINGSIDE_AGENT_WRITER_TRACE_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/trace_object.h"

namespace ringside {

inline constexpr uint32_t kWriterKinds =
    EventBit(EventKind::kWriterReturned) | EventBit(EventKind::kWriterForwarded);

// The file of DPDK's vhost library that a process has mapped, by a name that the agent can open;
// empty if it has none. `maps` is the text of /proc/PID/maps.
std::string VhostLibraryOf(int pid, const std::string& maps);

class WriterTrace {
 public:
  // Its hooks are known from the start, as not needed. `hooks` outlives it.
  WriterTrace(const ProbeOptions& options, HookTable* hooks);

  struct Route {
    uint64_t ctx = 0;  // its eventfd, and that one's id (rs_route_slot)
    uint64_t ctx_id = 0;
    QueueId queue{};
    QueueDetail detail;
  };
  // These are all routes there are, at most RS_MAX_SLOTS eventfds in the life of the programs; and
  // the processes that may use the library: the first one's is probed, for all that map it.
  void Follow(const std::vector<Route>& routes, const std::set<int>& pids);
  void Drain(std::vector<Event>* events);
  void ReadHooks(std::vector<HookSample>* hooks) const { trace_.ReadHooks(hooks); }
  void ReadCosts(std::vector<HookCost>* costs) const { trace_.ReadCosts(costs); }

 private:
  void Pause(uint32_t wanted);
  int SlotOf(const Route& route);

  TraceObject trace_;
  rs_writer_slot* slots_ = nullptr;                       // once loaded
  std::map<std::pair<uint64_t, uint64_t>, int> slot_of_;  // by eventfd and its id
  std::vector<QueueId> queue_of_slot_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_WRITER_TRACE_H_
