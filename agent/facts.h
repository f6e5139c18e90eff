// SPDX-License-Identifier: Apache-2.0
// Settings of this node that verdicts depend on: busy polling, interrupt affinity, offloads, virtio
// features. Read every few seconds; only changes are reported.
#ifndef RINGSIDE_AGENT_FACTS_H_
#define RINGSIDE_AGENT_FACTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/clock_facts.h"
#include "agent/probe.h"

namespace ringside {

class Facts {
 public:
  // Facts that are new or changed since the last call, those of the probes too; reads at most every
  // 5 s, cross times with a host every second. Agent thread only.
  std::vector<Fact> Changed(int64_t now_mono_ns, const QueueRegistry& registry,
                            const std::vector<std::unique_ptr<Probe>>& probes);

 private:
  void Note(const std::string& name, const std::string& value);
  void NoteModule(const std::string& name);
  void ReadDevice(const std::string& netdev);
  ClockFacts clocks_;
  int64_t next_mono_ns_ = 0;
  int64_t now_mono_ns_ = 0;
  std::map<std::string, std::string> known_;
  std::vector<Fact> changed_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_FACTS_H_
