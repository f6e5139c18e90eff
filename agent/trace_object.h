// SPDX-License-Identifier: Apache-2.0
// Programs that are there only while somebody wants details of what they see, because they are hit
// by more than what is watched: loaded at the first wish, paused when there is none any more.
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_TRACE_OBJECT_H_
#define RINGSIDE_AGENT_TRACE_OBJECT_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/bpf_object.h"
#include "agent/details.h"
#include "agent/probe.h"
#include "agent/ring.h"

namespace ringside {

class TraceObject {
 public:
  struct Source {
    const char* name;   // for messages
    const char* begin;  // the embedded object
    const char* end;
    const char* unneeded;  // why its hooks are not there at first
    rs_hook needed;        // without this one nothing can be had
    uint32_t kinds;        // that it records: EventBit of each
  };
  // Its hooks are known from the start, as not needed. `hooks` and `specs` outlive it.
  TraceObject(const ProbeOptions& options, HookTable* hooks, const Source& source,
              const std::vector<ProgramSpec>* specs);

  // Loads and attaches unless that was done; false once it was refused.
  bool Load();
  // Of cost groups; those of all others run.
  void SetPaused(const std::set<std::string>& groups);
  // As BpfObject.
  void ProbeLibrary(const std::string& file);
  // Null until loaded.
  BpfObject* bpf() { return bpf_.get(); }
  DetailSlots* details() { return details_.get(); }

  // Gives each record of a slot that exists to take(record).
  template <typename Take>
  void Drain(Take take) {
    if (events_ == nullptr) return;
    events_->Drain([&](const void* data, size_t size) {
      const auto* e = static_cast<const rs_event*>(data);
      if (size >= sizeof(*e) && e->slot < RS_MAX_SLOTS) take(*e);
    });
  }
  void ReadHooks(std::vector<HookSample>* hooks) const;
  void ReadCosts(std::vector<HookCost>* costs) const;

 private:
  std::vector<HookInfo> InState(HookState state, const std::string& reason) const;

  const ProbeOptions options_;
  HookTable* const hooks_;
  const Source source_;
  const std::vector<ProgramSpec>* const specs_;
  HookId base_{};
  bool refused_ = false;
  std::unique_ptr<BpfObject> bpf_;
  std::unique_ptr<Ring> events_;
  std::unique_ptr<DetailSlots> details_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_TRACE_OBJECT_H_
