// SPDX-License-Identifier: Apache-2.0
#include "agent/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/bpf_log.h"
#include "agent/kernel_files.h"
#include "agent/probe.h"

namespace ringside {

uint32_t PossibleCpus() {
  int n = libbpf_num_possible_cpus();
  return n > 0 ? std::min<uint32_t>(n, RS_MAX_CPUS) : 1;
}

absl::StatusOr<std::unique_ptr<BpfObject>> BpfObject::Load(const Options& options,
                                                           std::vector<ProgramSpec> specs) {
  std::unique_ptr<BpfObject> object(new BpfObject());
  object->options_ = options;
  object->cpus_ = PossibleCpus();
  for (size_t i = 0; i < specs.size(); ++i) {
    const ProgramSpec& spec = specs[i];
    object->programs_.push_back({.spec = spec});
    HookInfo hook{.id = HookId{static_cast<uint32_t>(i)}, .stage = spec.stage};
    hook.program = spec.program;
    hook.target = spec.target;
    hook.rung = spec.rung;
    hook.state = spec.instead_of == nullptr ? HookState::kAttached : HookState::kUnneeded;
    object->hooks_.push_back(std::move(hook));
  }
  for (const ProgramSpec& spec : specs) {
    if (RungAllowed(options.limit, spec.rung)) continue;
    object->Refuse(spec.group, spec.program, "not tried: a lower rung was asked for");
  }
  if (!options.types.empty()) object->RefuseUnknownFunctions();
  if (absl::Status status = object->LoadAccepted(); !status.ok()) return status;
  return object;
}

// Where the kernel does not describe its modules, none of their functions can have fentry. libbpf
// would say so, one at a time and a whole load each.
void BpfObject::RefuseUnknownFunctions() {
  btf* types = btf__load_vmlinux_btf();
  for (const Program& program : programs_) {
    if (program.spec.rung != Rung::kFentry) continue;
    if (types == nullptr ||
        btf__find_by_name_kind(types, program.spec.target, BTF_KIND_FUNC) <= 0) {
      Refuse(program.spec.group, program.spec.program,
             "the kernel's BTF has no such function (its modules have none)");
    }
  }
  btf__free(types);
}

// The kernel names one offender per attempt: leave its group out and try again.
absl::Status BpfObject::LoadAccepted() {
  for (size_t attempt = 0; attempt <= programs_.size(); ++attempt) {
    std::string refused;
    std::string reason;
    absl::Status status = Open(&refused, &reason);
    if (status.ok()) return status;
    const auto culprit =
        std::find_if(programs_.begin(), programs_.end(),
                     [&](const Program& program) { return refused == program.spec.program; });
    if (culprit == programs_.end()) return status;
    Refuse(culprit->spec.group, refused, reason);
    const bool any_left = std::any_of(hooks_.begin(), hooks_.end(), [](const HookInfo& hook) {
      return hook.state == HookState::kAttached;
    });
    if (!any_left) return absl::UnavailableError(absl::StrCat(refused, ": ", reason));
  }
  return absl::InternalError("more refusals than programs");
}

void BpfObject::Close() {
  for (Program& program : programs_) {
    if (program.link != nullptr) bpf_link__destroy(program.link);
    program.link = nullptr;
    program.program = nullptr;
  }
  more_.clear();
  events_.reset();
  for (const Mapping& mapping : mappings_) munmap(mapping.address, mapping.size);
  mappings_.clear();
  cells_ = nullptr;
  if (object_ != nullptr) bpf_object__close(object_);
  object_ = nullptr;
}

absl::Status BpfObject::Open(std::string* refused, std::string* reason) {
  Close();
  BpfLog log;
  LIBBPF_OPTS(bpf_object_open_opts, open_options);
  const std::string name(options_.name);
  open_options.object_name = name.c_str();
  if (!options_.types.empty()) open_options.btf_custom_path = options_.types.c_str();
  object_ = bpf_object__open_mem(options_.begin, options_.end - options_.begin, &open_options);
  if (object_ == nullptr) {
    return absl::InternalError(absl::StrCat("BPF object ", name, ": ", strerror(errno)));
  }
  bpf_map* bss = bpf_object__find_map_by_name(object_, kConfigMap);
  rs_config config = options_.config;
  config.cpus = cpus_;
  if (bss != nullptr) bpf_map__set_initial_value(bss, &config, sizeof(config));
  for (const auto& [map_name, entries] : options_.map_sizes) {
    bpf_map* map = bpf_object__find_map_by_name(object_, map_name);
    if (map != nullptr) bpf_map__set_max_entries(map, entries);
  }
  bpf_program* any = nullptr;
  bpf_object__for_each_program(any, object_) bpf_program__set_autoload(any, false);
  for (size_t i = 0; i < programs_.size(); ++i) {
    bpf_program* program = bpf_object__find_program_by_name(object_, programs_[i].spec.program);
    if (program == nullptr) {
      return absl::InternalError(absl::StrCat("no program ", programs_[i].spec.program));
    }
    const bool wanted = hooks_[i].state == HookState::kAttached;
    bpf_program__set_autoload(program, wanted);
    if (wanted) programs_[i].program = program;
  }
  if (!ShareMaps()) return absl::InternalError(absl::StrCat(name, ": maps cannot be shared"));
  if (int error = bpf_object__load(object_); error != 0) {
    *refused = log.FailedProgram();
    *reason = log.Reason(-error);
    if (error == -EPERM && geteuid() != 0) {
      return absl::PermissionDeniedError(
          "loading BPF programs needs root (or CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE)");
    }
    return absl::UnavailableError(absl::StrCat("BPF object ", name, ": ", *reason));
  }
  cells_ = Table<rs_hook_cell>("hook_cells");
  for (const auto& [map_name, count] : options_.free_lists) {
    if (absl::Status status = FillFreeList(map_name, count); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void BpfObject::Refuse(const std::string& group, const std::string& program,
                       const std::string& reason) {
  // Its words for that are helpers that do not exist and permissions that root lacks.
  const bool locked = absl::StrContains(ReadText("/sys/kernel/security/lockdown"), "[confid");
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (group != programs_[i].spec.group || hooks_[i].state == HookState::kRefused) continue;
    hooks_[i].state = HookState::kRefused;
    hooks_[i].reason = hooks_[i].program == program
                           ? absl::StrCat(reason, locked ? "; lockdown is at confidentiality" : "")
                           : absl::StrCat("left out with ", program, " (", reason, ")");
    if (programs_[i].link != nullptr) bpf_link__destroy(programs_[i].link);
    programs_[i].link = nullptr;
    programs_[i].program = nullptr;
  }
  CallStandIns(group);
}

void BpfObject::CallStandIns(const std::string& group) {
  for (size_t i = 0; i < programs_.size(); ++i) {
    const char* instead_of = programs_[i].spec.instead_of;
    if (instead_of == nullptr || group != instead_of) continue;
    if (hooks_[i].state == HookState::kUnneeded) hooks_[i].state = HookState::kAttached;
  }
}

void BpfObject::Attach() {
  while (!AttachLoaded()) {
    if (absl::Status status = LoadAccepted(); !status.ok()) {
      // Nothing is left to count with: what was still wanted shares the reason.
      for (size_t i = 0; i < programs_.size(); ++i) {
        if (hooks_[i].state == HookState::kAttached) {
          Refuse(programs_[i].spec.group, programs_[i].spec.program, std::string(status.message()));
        }
      }
      Close();
      return;
    }
  }
}

// A kprobe whose losses this kernel does not tell is made so that it counts its calls, if possible.
bpf_link* BpfObject::AttachOne(const Program& program) {
  if (program.spec.user) return AttachUser(program);
  const bool kprobe = program.spec.rung == Rung::kKprobe;
  if (kprobe && events_ != nullptr) {  // it is such a kernel
    if (bpf_link* counted = events_->Attach(program.program)) return counted;
  }
  bpf_link* link = bpf_program__attach(program.program);
  if (link == nullptr || !kprobe || events_ != nullptr || KprobeMissed(link)) return link;
  events_ = std::make_unique<KprobeEvents>();
  bpf_link* counted = events_->Attach(program.program);
  if (counted == nullptr) return link;
  bpf_link__destroy(link);
  return counted;
}

// False if a refusal called for programs that are not loaded. All groups are tried first, so that
// a kernel without one kind of hook costs one more load, not one per group.
bool BpfObject::AttachLoaded() {
  for (size_t i = 0; i < programs_.size(); ++i) {
    Program& program = programs_[i];
    if (program.program == nullptr || program.spec.hook == RS_HOOKS) continue;
    if (program.spec.user && library_.empty()) {
      hooks_[i].state = HookState::kPaused;
      hooks_[i].reason = "no process with its library is known";
      continue;
    }
    BpfLog log;
    program.link = AttachOne(program);
    if (program.link == nullptr) {
      Refuse(program.spec.group, program.spec.program, log.Reason(errno));
    }
  }
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (hooks_[i].state == HookState::kAttached && programs_[i].program == nullptr) return false;
  }
  return true;
}

size_t BpfObject::SpecOf(rs_hook hook) const {
  std::optional<size_t> first;
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (programs_[i].spec.hook != hook) continue;
    if (counts(i)) return i;
    if (!first) first = i;
  }
  return first.value_or(programs_.size());
}

bool BpfObject::attached(rs_hook hook) const {
  for (size_t i = 0; i < programs_.size(); ++i) {
    if (programs_[i].spec.hook == hook && hooks_[i].state == HookState::kPaused) return true;
  }
  return counting(hook);
}

bool BpfObject::counting(rs_hook hook) const {
  return std::any_of(programs_.begin(), programs_.end(), [hook](const Program& program) {
    return program.spec.hook == hook && program.link != nullptr;
  });
}

int BpfObject::MapFd(const char* map_name) const {
  bpf_map* map = bpf_object__find_map_by_name(object_, map_name);
  return map == nullptr ? -1 : bpf_map__fd(map);
}

void* BpfObject::MapTable(const char* map_name, size_t value_size) {
  for (const Mapping& mapping : mappings_) {
    if (mapping.name == map_name) return mapping.address;
  }
  bpf_map* map = bpf_object__find_map_by_name(object_, map_name);
  if (map == nullptr || bpf_map__value_size(map) != value_size) return nullptr;
  const size_t size = value_size * bpf_map__max_entries(map);
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (address == MAP_FAILED) return nullptr;
  mappings_.push_back({map_name, address, size});
  return address;
}

absl::Status BpfObject::FillFreeList(const char* map_name, uint32_t count) {
  const int fd = MapFd(map_name);
  for (uint32_t slot = 0; slot < count; ++slot) {
    if (bpf_map_update_elem(fd, nullptr, &slot, BPF_ANY) != 0) {
      return absl::InternalError(absl::StrCat(map_name, ": ", strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status BpfObject::Walk(rs_walk_op op, uint64_t arg, uint64_t arg2, rs_walk_out* out) {
  const auto walker = std::find_if(programs_.begin(), programs_.end(), [](const Program& program) {
    return program.spec.hook == RS_HOOKS && program.program != nullptr;
  });
  const rs_walk_out* table = Table<rs_walk_out>("walk_out");
  if (walker == programs_.end() || table == nullptr) {
    return absl::UnavailableError("no walk program");
  }
  const uint64_t args[3] = {op, arg, arg2};
  LIBBPF_OPTS(bpf_test_run_opts, run);
  run.ctx_in = args;
  run.ctx_size_in = sizeof(args);
  if (bpf_prog_test_run_opts(bpf_program__fd(walker->program), &run) != 0) {
    return absl::UnavailableError(absl::StrCat("walk: ", strerror(errno)));
  }
  std::memcpy(out, table, sizeof(*out));
  return absl::OkStatus();
}

// The kernel tells what tracing programs missed, newer ones also what kprobes did. A tracepoint's
// lost hits, and those of kprobes on older kernels, are not visible here: unknown.
std::optional<uint64_t> BpfObject::Misses(const Program& program) {
  uint64_t missed = 0;
  if (program.spec.rung == Rung::kKprobe) {
    const auto unreached = KprobeMissed(program.link);
    if (!unreached) return std::nullopt;
    missed = *unreached;
  } else if (program.spec.rung != Rung::kTpBtf && program.spec.rung != Rung::kFentry) {
    return std::nullopt;
  }
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program.program), &info, &size) != 0) {
    return std::nullopt;
  }
  // A kernel without this count (before 5.12) does not skip tracing programs: it stays 0.
  return missed + info.recursion_misses;
}

HookSample BpfObject::ReadHook(size_t spec, const KernelCalls& calls) const {
  HookSample sample{.hook = HookId{static_cast<uint32_t>(spec)}};
  const Program& program = programs_[spec];
  if (program.spec.hook == RS_HOOKS) sample.misses = 0;  // run on demand, not hit
  const bool there = program.link != nullptr || program.was_paused;
  if (!there || program.spec.hook >= RS_HOOKS || cells_ == nullptr) return sample;
  for (uint32_t cpu = 0; cpu < cpus_; ++cpu) {
    const volatile rs_hook_cell& cell = cells_[cpu * RS_HOOKS + program.spec.hook];
    sample.hits += cell.hits;
    sample.unplaced += cell.unplaced;
    sample.dropped += cell.dropped;
  }
  // Two functions may share a hook: their misses add up.
  uint64_t misses = 0;
  uint64_t called = 0;
  size_t counted = 0;
  size_t functions = 0;
  for (const Program& other : programs_) {
    if (other.spec.hook != program.spec.hook) continue;
    if (other.was_paused) return sample;  // what it would have seen meanwhile is unknown
    if (other.link == nullptr) continue;
    ++functions;
    if (const auto found = calls.find(other.spec.program); found != calls.end()) {
      called += found->second;
      ++counted;
    } else if (const std::optional<uint64_t> missed = Misses(other)) {
      misses += *missed;
    } else {
      return sample;
    }
  }
  // The kernel's count and ours, of all functions of the hook.
  if (counted == functions && called >= sample.hits) {
    sample.misses = called - sample.hits;
  } else if (counted == 0) {
    sample.misses = misses;
  }
  return sample;
}

uint64_t BpfObject::CallsOf(size_t spec, const KernelCalls& calls) const {
  uint64_t sum = 0;
  for (const Program& other : programs_) {
    const auto found = calls.find(other.spec.program);
    if (other.spec.hook == programs_[spec].spec.hook && found != calls.end()) sum += found->second;
  }
  return sum;
}

// The kernel's count is read before and after ours: where it moved meanwhile, the difference would
// be a guess. A hook that is hit all the time says its losses at another moment.
std::vector<HookSample> BpfObject::ReadHooks() const {
  constexpr int kTries = 8;
  std::vector<HookSample> samples(programs_.size());
  std::vector<bool> settled(programs_.size());
  for (int i = 0; i < kTries; ++i) {
    const KernelCalls before = events_ == nullptr ? KernelCalls() : events_->ReadCalls();
    for (size_t spec = 0; spec < samples.size(); ++spec) {
      if (!settled[spec]) samples[spec] = ReadHook(spec, before);
    }
    if (before.empty()) return samples;
    const KernelCalls after = events_->ReadCalls();
    for (size_t spec = 0; spec < samples.size(); ++spec) {
      if (settled[spec]) continue;
      settled[spec] = CallsOf(spec, before) == CallsOf(spec, after);
      if (!settled[spec]) samples[spec].misses.reset();
    }
  }
  return samples;
}

BpfObject::~BpfObject() { Close(); }

}  // namespace ringside
