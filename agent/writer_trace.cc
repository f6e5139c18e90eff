// SPDX-License-Identifier: Apache-2.0
#include "agent/writer_trace.h"

#include <bpf/bpf.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/bpf_config.h"
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

std::vector<HookInfo> InState(HookState state, const std::string& reason) {
  std::vector<HookInfo> hooks;
  for (const ProgramSpec& spec : Programs()) {
    HookInfo hook{.stage = spec.stage, .program = spec.program, .target = spec.target};
    hook.rung = spec.rung;
    hook.state = state;
    hook.reason = reason;
    hooks.push_back(hook);
  }
  return hooks;
}

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
    : options_(options), hooks_(hooks), queue_of_slot_(RS_MAX_SLOTS) {
  base_ = hooks_->Add(InState(HookState::kUnneeded, "no details of writers are wanted"));
}

bool WriterTrace::Load() {
  if (bpf_ != nullptr) return true;
  if (refused_) return false;
  const uint32_t cpus = PossibleCpus();
  BpfObject::Options options{.name = "writer", .begin = ringside_bpf_writer_begin};
  options.end = ringside_bpf_writer_end;
  options.limit = options_.limit;
  options.types = options_.types;
  options.map_sizes = {{"hook_cells", cpus * RS_HOOKS}};
  auto bpf = BpfObject::Load(options, Programs());
  if (bpf.ok()) (*bpf)->Attach();
  refused_ = !bpf.ok() || !(*bpf)->attached(RS_HOOK_WRITE_EXIT);
  if (!bpf.ok()) {
    hooks_->Update(base_, InState(HookState::kRefused, std::string(bpf.status().message())));
    return false;
  }
  hooks_->Update(base_, (*bpf)->hooks());
  if (refused_) return false;
  bpf_ = *std::move(bpf);
  slots_ = bpf_->Table<rs_writer_slot>("writer_slots");
  events_ = Ring::Open(bpf_->MapFd("events"));
  details_ = std::make_unique<DetailSlots>(bpf_->Table<rs_detail_row>("details"), kWriterKinds);
  return slots_ != nullptr;
}

// Each kind's hooks are there while it is wanted; the writes' are needed by both.
void WriterTrace::Pause(uint32_t wanted) {
  std::set<std::string> groups;
  if (wanted == 0) groups.insert(kWrites);
  if ((wanted & EventBit(EventKind::kWriterForwarded)) == 0) groups.insert(kTook);
  if (bpf_ != nullptr && bpf_->SetPaused(groups)) hooks_->Update(base_, bpf_->hooks());
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
  bpf_map_update_elem(bpf_->MapFd("writer_of_ctx"), &route.ctx, &value, BPF_ANY);
  return slot->second;
}

void WriterTrace::Follow(const std::vector<Route>& routes, const std::set<int>& pids) {
  uint32_t wanted = 0;
  for (const Route& route : routes) wanted |= route.detail.kinds & kWriterKinds;
  if (wanted == 0) return Pause(0);
  if (!Load()) return;
  if ((wanted & EventBit(EventKind::kWriterForwarded)) != 0) {
    for (const int pid : pids) {
      const std::string maps = ReadText(absl::StrCat("/proc/", pid, "/maps"), kMapsBytesMax);
      const std::string library = VhostLibraryOf(pid, maps);
      if (!library.empty() && bpf_->ProbeLibrary(library)) hooks_->Update(base_, bpf_->hooks());
    }
  }
  Pause(wanted);
  details_->Begin();
  for (const Route& route : routes) {
    const int slot = SlotOf(route);
    if (slot < 0) continue;
    queue_of_slot_[static_cast<size_t>(slot)] = route.queue;
    details_->Want(slot, route.detail);
  }
  details_->Commit(slots_);
}

void WriterTrace::Drain(std::vector<Event>* events) {
  if (events_ == nullptr) return;
  events_->Drain([&](const void* data, size_t size) {
    const auto* e = static_cast<const rs_event*>(data);
    if (size < sizeof(*e) || e->slot >= RS_MAX_SLOTS) return;
    const volatile rs_writer_slot& slot = slots_[e->slot];
    const uint64_t count = e->kind == RS_EVENT_WRITER_RETURNED ? slot.returned : slot.forwarded;
    events->push_back(MakeEvent(*e, queue_of_slot_[e->slot], count));
  });
}

void WriterTrace::ReadHooks(std::vector<HookSample>* hooks) const {
  if (bpf_ == nullptr) return;
  for (HookSample sample : bpf_->ReadHooks()) {
    sample.hook = base_ + static_cast<size_t>(sample.hook);
    hooks->push_back(sample);
  }
}

void WriterTrace::ReadCosts(std::vector<HookCost>* costs) const {
  if (bpf_ != nullptr) bpf_->ReadCosts(base_, costs);
}

}  // namespace ringside
