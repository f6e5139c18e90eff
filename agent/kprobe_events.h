// SPDX-License-Identifier: Apache-2.0
// Kprobes of which the kernel says how often they were hit.
//
// BPF programs on kprobes lose hits, and kernels before 6.7 do not count them. But probes that are
// made through tracefs have the kernel's own count (kprobe_profile), taken before any program is
// asked: the difference to the program's count is what was lost. Such a probe's definition outlives
// its maker; a child process waits for the maker's end, however it comes, and removes what is left.
//
// Used by BpfObject, on the agent's thread.
#ifndef RINGSIDE_AGENT_KPROBE_EVENTS_H_
#define RINGSIDE_AGENT_KPROBE_EVENTS_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

struct bpf_link;
struct bpf_program;

namespace ringside {

class KprobeEvents {
 public:
  KprobeEvents() = default;
  ~KprobeEvents();  // removes all definitions; links must be gone
  KprobeEvents(const KprobeEvents&) = delete;
  KprobeEvents& operator=(const KprobeEvents&) = delete;

  // Attaches a program of section kprobe/FUNCTION or kretprobe/FUNCTION. Null if it cannot be had
  // this way (no tracefs): nothing is left behind then.
  bpf_link* Attach(bpf_program* program);

  // The kernel's count of calls so far by program name: those that reached a handler, and those it
  // says it missed. Empty without events.
  std::map<std::string, uint64_t> ReadCalls() const;

 private:
  bool StartUndertaker();
  std::string folder_;                         // of tracefs
  std::string suffix_;                         // of our events' names: unique on this machine
  std::map<std::string, std::string> events_;  // event -> program
  int alive_ = -1;                             // closed by our end, however it comes
  pid_t undertaker_ = -1;
};

// Hits of an attached kprobe that reached no handler. Known since the kernel counts, in the same
// change (6.7), those that reached it and ran no program: bpf_prog_info.recursion_misses.
std::optional<uint64_t> KprobeMissed(const bpf_link* link);

// Of a line of kprobe_events: the name of an event of ours, or empty; and the process that made it,
// or 0: "r1024:ringside/host_tun_exit_k_812_0 tun_net_xmit" -> "host_tun_exit_k_812_0" -> 812.
std::string OwnKprobeEvent(const std::string& line);
pid_t MakerOfKprobeEvent(const std::string& event);

// Lines of kprobe_profile: event -> hits + misses.
std::map<std::string, uint64_t> ParseKprobeProfile(const std::string& text);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_KPROBE_EVENTS_H_
