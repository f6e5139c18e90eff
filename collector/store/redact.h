// SPDX-License-Identifier: Apache-2.0
// Takes names, addresses and log text out of records, each time the same way, so that what belongs
// together still does and every verdict stays the same. Used by SaveIncident.
//
//   Learn every Hello and queue, then Apply to every record
//
// Names of nodes, VMs, network devices and processes become host1, vm1, tap1, eth1, task1, wherever
// they stand; machine and boot ids, UUIDs, MAC and IP addresses and ring addresses become others of
// the same form, made with a secret that is thrown away. Of the kernel's log only what findings go
// by is left: which interrupt it switched off. Names that the kernel gives by itself (virtio0, cpu,
// kvm-PID, rx0), MSI messages, process numbers, settings and kernel versions stay.
//
// Plain state, one thread.
#ifndef RINGSIDE_COLLECTOR_STORE_REDACT_H_
#define RINGSIDE_COLLECTOR_STORE_REDACT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "correlate/records.h"

namespace ringside {

class Redactor {
 public:
  explicit Redactor(uint64_t secret) : secret_(secret) {}

  void LearnRecorder(const std::string& name) { Learn(name, "collector"); }
  void Learn(const Record& record);

  void Apply(Record& record);
  StreamKey Key(const StreamKey& key) const;
  // Learned names and whatever looks like an address or id, replaced.
  std::string Text(std::string_view text) const;

 private:
  void Learn(const std::string& name, const char* kind);
  std::string Task(const std::string& name);
  uint64_t Hash(std::string_view text) const;
  std::string Id(std::string_view id) const;
  // The word itself if it is nothing to hide.
  std::string Word(std::string_view word) const;

  void ApplyTo(Hello& hello);
  void ApplyTo(QueueInfo& queue);
  void ApplyTo(Snapshot& snapshot);
  void ApplyTo(Fact& fact);
  void ApplyTo(LogLine& line) const;
  void ApplyTo(Gap& gap) const { gap.what = Text(gap.what); }
  void ApplyTo(Bye& bye) const { bye.reason = Text(bye.reason); }
  template <typename Other>
  void ApplyTo(Other&) const {}  // numbers and times

  const uint64_t secret_;
  std::map<std::string, std::string, std::less<>> names_;
  std::map<std::string, int> kinds_;  // how many of each
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_REDACT_H_
