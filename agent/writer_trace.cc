// SPDX-License-Identifier: Apache-2.0
#include "agent/writer_trace.h"

#include <bpf/bpf.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/embedded.h"
#include "agent/kernel_files.h"

namespace ringside {
namespace {

constexpr char kWrites[] = "writes";
constexpr char kTook[] = "took";
constexpr size_t kMapsBytesMax = 4 << 20;

const std::vector<ProgramSpec>& Programs() {
  constexpr rs_hook kIn = RS_HOOK_WRITE_ENTRY, kOut = RS_HOOK_WRITE_EXIT;
  constexpr Rung kF = Rung::kFentry, kK = Rung::kKprobe;
  static constexpr char kStage[] = "writer.returned", kWrite[] = "eventfd_write";
  static const std::vector<ProgramSpec> specs = {
      {"writer_ends", kOut, kStage, kWrite, kF, kWrites},
      {"writer_begins", kIn, kStage, kWrite, kF, kWrites},
      {"writer_ends_k", kOut, kStage, kWrite, kK, "writes_k", kWrites},
      {"writer_begins_k", kIn, kStage, kWrite, kK, "writes_k", kWrites},
      {.program = "writer_took",
       .hook = RS_HOOK_TOOK,
       .stage = "writer.forwarded",
       .target = "rte_vhost_dequeue_burst",
       .rung = kK,
       .group = kTook,
       .user = true},
  };
  return specs;
}

constexpr TraceObject::Source kSource = {.name = "writer",
                                         .begin = ringside_bpf_writer_begin,
                                         .end = ringside_bpf_writer_end,
                                         .unneeded = "no details of writers are wanted",
                                         .needed = RS_HOOK_WRITE_EXIT,
                                         .kinds = kWriterKinds};

}  // namespace

std::string VhostLibraryOf(int pid, const std::string& maps) {
  for (const absl::string_view line : absl::StrSplit(maps, '\n')) {
    const size_t path = line.find('/');
    if (path == absl::string_view::npos || !absl::StrContains(line, "/librte_vhost.so")) continue;
    return absl::StrCat("/proc/", pid, "/root", line.substr(path));
  }
  return "";
}

WriterTrace::WriterTrace(const ProbeOptions& options, HookTable* hooks)
    : trace_(options, hooks, kSource, &Programs()), queue_of_slot_(RS_MAX_SLOTS) {}

// Each kind's hooks are there while it is wanted; the writes' are needed by both.
void WriterTrace::Pause(uint32_t wanted) {
  std::set<std::string> groups;
  if (wanted == 0) groups.insert(kWrites);
  if ((wanted & EventBit(EventKind::kWriterForwarded)) == 0) groups.insert(kTook);
  trace_.SetPaused(groups);
}

// A slot is never taken back: what is still in the ring names it.
int WriterTrace::SlotOf(const Route& route) {
  const auto [slot, fresh] =
      slot_of_.try_emplace({route.ctx, route.ctx_id}, static_cast<int>(slot_of_.size()));
  if (slot->second >= RS_MAX_SLOTS) return -1;
  if (!fresh) return slot->second;
  const uint32_t value = static_cast<uint32_t>(slot->second);
  slots_[value].ctx_id = route.ctx_id;
  slots_[value].ctx = route.ctx;
  bpf_map_update_elem(trace_.bpf()->MapFd("writer_of_ctx"), &route.ctx, &value, BPF_ANY);
  return slot->second;
}

void WriterTrace::Follow(const std::vector<Route>& routes, const std::set<int>& pids) {
  uint32_t wanted = 0;
  for (const Route& route : routes) wanted |= route.detail.kinds & kWriterKinds;
  if (wanted == 0) return Pause(0);
  if (!trace_.Load()) return;
  if (slots_ == nullptr) slots_ = trace_.bpf()->Table<rs_writer_slot>("writer_slots");
  if (slots_ == nullptr) return;
  if ((wanted & EventBit(EventKind::kWriterForwarded)) != 0) {
    for (const int pid : pids) {
      const std::string maps = ReadText(absl::StrCat("/proc/", pid, "/maps"), kMapsBytesMax);
      const std::string library = VhostLibraryOf(pid, maps);
      if (!library.empty()) trace_.ProbeLibrary(library);
    }
  }
  Pause(wanted);
  DetailSlots* details = trace_.details();
  details->Begin();
  for (const Route& route : routes) {
    const int slot = SlotOf(route);
    if (slot < 0) continue;
    queue_of_slot_[static_cast<size_t>(slot)] = route.queue;
    details->Want(slot, route.detail);
  }
  details->Commit(slots_);
}

void WriterTrace::Drain(std::vector<Event>* events) {
  trace_.Drain([&](const rs_event& e) {
    const volatile rs_writer_slot& slot = slots_[e.slot];
    const uint64_t count = e.kind == RS_EVENT_WRITER_RETURNED ? slot.returned : slot.forwarded;
    events->push_back(MakeEvent(e, queue_of_slot_[e.slot], count));
  });
}

}  // namespace ringside
