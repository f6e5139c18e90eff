// SPDX-License-Identifier: Apache-2.0
// BpfObject while the kernel changes under it: symbols that move, modules that load later.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <utility>

#include "agent/bpf_object.h"

namespace ringside {

void BpfObject::SetConfig(const rs_config& config) {
  options_.config = config;
  auto* live = static_cast<volatile rs_config*>(MapTable(kConfigMap, sizeof(rs_config)));
  if (live == nullptr) return;  // no program of this object asks for it
  // Word by word: programs read single members at any time.
  live->fn_vring_interrupt = config.fn_vring_interrupt;
  live->fn_virtnet_poll = config.fn_virtnet_poll;
  live->fn_virtnet_poll_tx = config.fn_virtnet_poll_tx;
  live->fn_irqfd_wakeup = config.fn_irqfd_wakeup;
  live->fn_vhost_poll_wakeup = config.fn_vhost_poll_wakeup;
  live->woken_hook = config.woken_hook;
}

// Its group, or the one it stands in for, or the one that stands in for it, has a program.
bool BpfObject::Served(const ProgramSpec& spec) const {
  const auto same = [](const char* a, const char* b) {
    return a != nullptr && b != nullptr && std::string_view(a) == b;
  };
  return std::any_of(programs_.begin(), programs_.end(), [&](const Program& other) {
    return other.program != nullptr &&
           (same(other.spec.group, spec.group) || same(other.spec.group, spec.instead_of) ||
            same(other.spec.instead_of, spec.group));
  });
}

bool BpfObject::LoadMore() {
  std::vector<ProgramSpec> specs;
  std::vector<size_t> places;
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (Served(programs_[i].spec)) continue;
    specs.push_back(programs_[i].spec);
    places.push_back(i);
  }
  if (specs.empty()) return false;
  Options options = options_;
  options.free_lists.clear();  // the maps are this object's, slots and counts included
  options.maps_of = this;
  auto more = Load(options, std::move(specs));
  if (!more.ok()) return false;
  (*more)->Attach();
  bool any = false;
  for (size_t i = 0; i < places.size(); ++i) {
    Program& theirs = (*more)->programs_[i];
    Program& mine = programs_[places[i]];
    hooks_[places[i]].state = (*more)->hooks_[i].state;
    hooks_[places[i]].reason = (*more)->hooks_[i].reason;
    mine.program = theirs.program;
    mine.link = std::exchange(theirs.link, nullptr);
    any = any || mine.program != nullptr;
  }
  if (any) more_.push_back(*std::move(more));
  return any;
}

// Whether the maps could be taken over; nothing is opened without.
bool BpfObject::ShareMaps() {
  if (options_.maps_of == nullptr) return true;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_) {
    const int fd = options_.maps_of->MapFd(bpf_map__name(map));
    if (fd < 0 || bpf_map__reuse_fd(map, fd) != 0) return false;
  }
  return true;
}

// At the function's return.
bpf_link* BpfObject::AttachUser(const Program& program) const {
  if (library_.empty()) return nullptr;
  LIBBPF_OPTS(bpf_uprobe_opts, options);
  options.retprobe = true;
  options.func_name = program.spec.target;
  return bpf_program__attach_uprobe_opts(program.program, -1, library_.c_str(), 0, &options);
}

bool BpfObject::ProbeLibrary(const std::string& file) {
  if (!library_.empty()) return false;
  library_ = file;
  SetPaused({});
  for (size_t i = 0; i < programs_.size(); ++i) {
    const bool waits = programs_[i].spec.user && hooks_[i].state == HookState::kPaused;
    if (programs_[i].spec.user) hooks_[i].reason = waits ? "cannot be probed in " + file : "";
  }
  return true;
}

}  // namespace ringside
