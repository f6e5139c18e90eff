// SPDX-License-Identifier: Apache-2.0
// One BPF object in the kernel: loads what this kernel accepts, attaches it, maps its tables.
//
// Which programs run is found by trying, never by version: a program that the kernel refuses is
// left out with its whole group (an entry without its exit would count half), and the kernel's own
// words are kept for `ringside doctor`. A group may name the one that it stands in for, a rung
// higher: it is used where that one was refused. Everything vanishes from the kernel with this
// object.
#ifndef RINGSIDE_AGENT_BPF_OBJECT_H_
#define RINGSIDE_AGENT_BPF_OBJECT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/kprobe_events.h"
#include "bpf/events.h"
#include "correlate/records.h"

struct bpf_object;
struct bpf_link;
struct bpf_program;

namespace ringside {

struct ProgramSpec {
  const char* program;  // name in the object
  rs_hook hook;         // cell it counts in; RS_HOOKS: none (a walk program)
  const char* stage;    // what it is for: "guest.irq"
  const char* target;   // kernel function or tracepoint
  Rung rung;
  const char* group;                 // all of a group or none
  const char* instead_of = nullptr;  // group on whose refusal this one is tried; else unneeded
  bool user = false;  // the target is a function of a library: attached by ProbeLibrary
};

// What one hook has cost since it was attached.
struct HookCost {
  HookId hook{};
  std::string group;  // of hooks that can only be paused together
  Rung rung = Rung::kNone;
  std::string target;
  uint64_t hits = 0;
  // As far as the kernel measured (BPF_ENABLE_STATS): runs, and the time they took.
  uint64_t runs = 0;
  uint64_t run_ns = 0;
};

// Hooks whose counts mean something only together: without the signal, every batch would look
// suppressed. A stand-in is in the group of what it stands in for. Empty: costs nothing by itself.
std::string CostGroupOf(const ProgramSpec& spec);

class BpfObject {
 public:
  struct Options {
    std::string_view name;        // for messages
    const char* begin = nullptr;  // the embedded object
    const char* end = nullptr;
    rs_config config{};
    std::string types;          // BTF file of this kernel's structures; empty: the kernel's own
    Rung limit = Rung::kTpBtf;  // programs of better rungs are left out (see RungAllowed)
    // Maps whose number of entries depends on the machine.
    std::vector<std::pair<const char*, uint32_t>> map_sizes;
    // Queue maps of free slots: filled with 0 .. n-1 whenever the object is loaded.
    std::vector<std::pair<const char*, uint32_t>> free_lists;
    const BpfObject* maps_of = nullptr;  // share that object's maps; it outlives this one
  };

  // `specs` are listed in attach order. Refusals of single programs are no error: they are in
  // hooks(). An error means that nothing of this object can be had.
  static absl::StatusOr<std::unique_ptr<BpfObject>> Load(const Options& options,
                                                         std::vector<ProgramSpec> specs);
  ~BpfObject();
  BpfObject(const BpfObject&) = delete;
  BpfObject& operator=(const BpfObject&) = delete;

  // Attaches what was loaded; group by group, refusals noted. Where one calls for a stand-in that
  // was not loaded, everything is loaded again: before this returns nothing has been counted.
  void Attach();

  // Symbols that moved or came since: programs see them from their next hit on.
  void SetConfig(const rs_config& config);
  // Attaches the programs of user functions in this file, for all processes that map it. Until then
  // they are paused. True if hooks() changed.
  bool ProbeLibrary(const std::string& file);
  // Tries again what this kernel refused so far (a module may have come); counts and slots stay.
  // True if more is attached than before: see hooks().
  bool LoadMore();

  // Detaches the hooks of these cost groups (CostGroupOf) and attaches those of all others again.
  // Takes 20 ms where a group comes or goes whose hooks need each other.
  // What was detached once has counts without an upper end from then on. True if hooks() changed.
  bool SetPaused(const std::set<std::string>& groups);
  // Appends what each hook that counts has cost so far; of one with several programs, their sum.
  // `base` is the id of the first spec.
  void ReadCosts(HookId base, std::vector<HookCost>* costs) const;

  // One per spec, in the same order; ids are places in `specs`.
  const std::vector<HookInfo>& hooks() const { return hooks_; }
  bool attached(rs_hook hook) const;  // or paused
  bool counting(rs_hook hook) const;  // and not paused
  // Whether the spec's program counts, or did until it was paused.
  bool counts(size_t spec) const {
    return hooks_[spec].state == HookState::kAttached || hooks_[spec].state == HookState::kPaused;
  }
  // Place in `specs` of the program that counts in this hook; of the first that would have, if none
  // is attached. The hook must be in `specs`.
  size_t SpecOf(rs_hook hook) const;

  // Memory-mapped array of T with at least one entry, valid as long as this object; nullptr if the
  // map does not exist. Written by the kernel at any time: read each value once.
  template <typename T>
  T* Table(const char* map_name) {
    return static_cast<T*>(MapTable(map_name, sizeof(T)));
  }
  int MapFd(const char* map_name) const;

  // Puts 0 .. count-1 into a queue map of free slots.
  absl::Status FillFreeList(const char* map_name, uint32_t count);

  // Runs a walk program; its answer is in `*out` afterwards. Agent thread only.
  absl::Status Walk(rs_walk_op op, uint64_t arg, uint64_t arg2, rs_walk_out* out);

  // What the hook has seen and missed so far, summed over CPUs.
  HookSample ReadHook(size_t spec) const { return ReadHook(spec, {}); }
  // All of them, in the order of the specs, with what older kernels tell of kprobes, too.
  std::vector<HookSample> ReadHooks() const;

 private:
  struct Program {
    ProgramSpec spec;
    bpf_program* program = nullptr;  // null if refused
    bpf_link* link = nullptr;
    bool was_paused = false;
  };
  static constexpr char kConfigMap[] = ".bss";  // where clang puts what begins as zeros
  BpfObject() = default;
  absl::Status LoadAccepted();
  void RefuseUnknownFunctions();
  void Hold(bool hold);
  bool AnyPaused(std::string_view group) const;
  absl::Status Open(std::string* refused, std::string* reason);
  void Close();
  bool ShareMaps();
  bool Served(const ProgramSpec& spec) const;
  bool AttachLoaded();
  bpf_link* AttachOne(const Program& program);
  bpf_link* AttachUser(const Program& program) const;
  void Refuse(const std::string& group, const std::string& program, const std::string& reason);
  void CallStandIns(const std::string& group);
  using KernelCalls = std::map<std::string, uint64_t>;  // by program
  HookSample ReadHook(size_t spec, const KernelCalls& calls) const;
  uint64_t CallsOf(size_t spec, const KernelCalls& calls) const;
  static std::optional<uint64_t> Misses(const Program& program);
  void* MapTable(const char* map_name, size_t value_size);

  Options options_;
  bpf_object* object_ = nullptr;
  std::vector<Program> programs_;
  std::vector<HookInfo> hooks_;
  std::unique_ptr<KprobeEvents> events_;
  struct Mapping {
    std::string name;
    void* address;
    size_t size;
  };
  std::vector<Mapping> mappings_;
  std::string library_;                           // of user functions; empty: none is known yet
  std::vector<std::unique_ptr<BpfObject>> more_;  // own programs of ours that were loaded later
  const rs_hook_cell* cells_ = nullptr;
  uint32_t cpus_ = 1;
};

// CPUs that the kernel may ever bring up: rows of per-CPU tables.
uint32_t PossibleCpus();

}  // namespace ringside

#endif  // RINGSIDE_AGENT_BPF_OBJECT_H_
