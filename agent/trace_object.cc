// SPDX-License-Identifier: Apache-2.0
#include "agent/trace_object.h"

#include <utility>

namespace ringside {

TraceObject::TraceObject(const ProbeOptions& options, HookTable* hooks, const Source& source,
                         const std::vector<ProgramSpec>* specs)
    : options_(options), hooks_(hooks), source_(source), specs_(specs) {
  base_ = hooks_->Add(InState(HookState::kUnneeded, source.unneeded));
}

std::vector<HookInfo> TraceObject::InState(HookState state, const std::string& reason) const {
  std::vector<HookInfo> hooks;
  for (const ProgramSpec& spec : *specs_) {
    HookInfo hook{.stage = spec.stage, .program = spec.program, .target = spec.target};
    hook.rung = spec.rung;
    hook.state = state;
    hook.reason = reason;
    hooks.push_back(hook);
  }
  return hooks;
}

bool TraceObject::Load() {
  if (bpf_ != nullptr) return true;
  if (refused_) return false;
  BpfObject::Options options{.name = source_.name, .begin = source_.begin, .end = source_.end};
  options.limit = options_.limit;
  options.types = options_.types;
  options.map_sizes = {{"hook_cells", PossibleCpus() * RS_HOOKS}};
  auto bpf = BpfObject::Load(options, *specs_);
  if (bpf.ok()) (*bpf)->Attach();
  refused_ = !bpf.ok() || !(*bpf)->attached(source_.needed);
  if (!bpf.ok()) {
    hooks_->Update(base_, InState(HookState::kRefused, std::string(bpf.status().message())));
    return false;
  }
  hooks_->Update(base_, (*bpf)->hooks());
  if (refused_) return false;
  bpf_ = *std::move(bpf);
  events_ = Ring::Open(bpf_->MapFd("events"));
  details_ = std::make_unique<DetailSlots>(bpf_->Table<rs_detail_row>("details"), source_.kinds);
  return true;
}

void TraceObject::SetPaused(const std::set<std::string>& groups) {
  if (bpf_ != nullptr && bpf_->SetPaused(groups)) hooks_->Update(base_, bpf_->hooks());
}

void TraceObject::ProbeLibrary(const std::string& file) {
  if (bpf_ != nullptr && bpf_->ProbeLibrary(file)) hooks_->Update(base_, bpf_->hooks());
}

void TraceObject::ReadHooks(std::vector<HookSample>* hooks) const {
  if (bpf_ == nullptr) return;
  for (HookSample sample : bpf_->ReadHooks()) {
    sample.hook = base_ + static_cast<size_t>(sample.hook);
    hooks->push_back(sample);
  }
}

void TraceObject::ReadCosts(std::vector<HookCost>* costs) const {
  if (bpf_ != nullptr) bpf_->ReadCosts(base_, costs);
}

}  // namespace ringside
