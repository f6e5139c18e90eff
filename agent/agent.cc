// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/bpf_config.h"
#include "agent/guest_probe.h"
#include "agent/host_probe.h"
#include "agent/identity.h"
#include "agent/kernel_files.h"
#include "agent/kernel_types.h"
#include "agent/node_probe.h"
#include "correlate/hook_proof.h"
#include "proto/chunk.h"
#include "proto/clocks.h"
#include "proto/convert.h"

namespace ringside {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kDiscoverEveryNs = 1000 * kMsNs;
// A full snapshot bounds how far a reader must look back.
constexpr int64_t kFullEveryNs = 10'000 * kMsNs;
constexpr int64_t kStepNs = 50 * kMsNs;
// Where the rings filled to a quarter within one step, the next comes sooner.
constexpr int64_t kHurryNs = 5 * kMsNs;

// The kernel's symbols are read once: 200,000 lines.
absl::StatusOr<ProbeOptions> ProbeOptionsFrom(const AgentOptions& options) {
  ProbeOptions result{.limit = options.limit};
  if (options.limit >= Rung::kProcfs) return result;
  result.config = MakeBpfConfig();
  auto types = FindKernelTypes(options.btf);
  if (!types.ok()) return types.status();
  result.types = types->path;
  return result;
}

std::vector<HookCost> ReadCosts(const std::vector<std::unique_ptr<Probe>>& probes) {
  std::vector<HookCost> costs;
  for (const auto& probe : probes) probe->ReadCosts(&costs);
  return costs;
}

// PERMISSION_DENIED if this process may not load programs at all: then nothing is known of hooks.
absl::Status DeniedBy(const std::vector<HookInfo>& hooks) {
  for (const HookInfo& hook : hooks) {
    if (hook.reason.find("needs root") != std::string::npos) {
      return absl::PermissionDeniedError(hook.reason);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(const AgentOptions& options, Sink* sink) {
  std::unique_ptr<Agent> agent(new Agent(options, sink));
  if (absl::Status status = agent->StartProbes(); !status.ok()) return status;
  agent->hello_ = MakeHello(options.name);
  agent->hello_.protocol = kProtocol;
  agent->hello_.roles = options.roles == 0 ? GuessRoles() : options.roles;
  agent->hello_.hooks = agent->hooks_.hooks();
  agent->hello_.clock = ReadClocks();
  agent->started_mono_ns_ = agent->hello_.clock.mono_ns;
  if (absl::Status status = agent->Put(agent->hello_); !status.ok()) return status;
  if (absl::Status status = agent->SayInherited(); !status.ok()) return status;
  agent->details_.SetNode(agent->hello_.name);
  agent->recording_.emplace(
      RecordingOptions{agent->hello_.name, options.detail, options.recorder, options.trigger},
      &agent->registry_);
  if (absl::Status status = agent->SayWishes(); !status.ok()) return status;
  if (absl::Status status = agent->TakeSnapshot(true); !status.ok()) return status;
  agent->next_snapshot_mono_ns_ = MonotonicNs() + options.snapshot_interval_ns;
  agent->next_full_mono_ns_ = MonotonicNs() + kFullEveryNs;
  return agent;
}

absl::Status Agent::StartProbes() {
  const uint32_t roles = options_.roles == 0 ? GuessRoles() : options_.roles;
  modules_ = ParseModules(ReadText("/proc/modules"));
  const auto probe_options = ProbeOptionsFrom(options_);
  if (!probe_options.ok()) return probe_options.status();
  if (roles & kRoleGuest) {
    probes_.push_back(GuestProbe::Start(*probe_options, &hooks_, &registry_));
    probes_.push_back(std::make_unique<NodeProbe>(&hooks_, &registry_));
  }
  if ((roles & kRoleHost) && options_.limit < Rung::kTracepoint) {
    if (auto host = HostProbe::Start(*probe_options, &hooks_, &registry_))
      probes_.push_back(std::move(host));
  }
  if (options_.limit < Rung::kProcfs) {
    if (absl::Status status = DeniedBy(hooks_.hooks()); !status.ok()) return status;
  }
  if (probes_.empty()) {
    return absl::UnavailableError(
        "nothing to watch: no virtio queue with an interrupt of its own (guest), and no hook on "
        "tap, vhost or KVM (host); `ringside doctor` says why");
  }
  return absl::OkStatus();
}

// What this stream begins with: why it is not the one before, and who was killed here.
absl::Status Agent::SayInherited() {
  if (!options_.begins_because.empty()) {
    const Gap gap{started_mono_ns_, started_mono_ns_, options_.begins_because};
    if (absl::Status status = Put(gap); !status.ok()) return status;
  }
  for (Gap& gap : sink_->TakeInherited()) {
    if (absl::Status status = Put(std::move(gap)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Agent::Put(Record record) {
  return sink_->Put({.number = next_number_++, .record = std::move(record)});
}

void Agent::KeepChanged(const Readings& readings, Snapshot* snapshot) {
  for (const Sample& sample : readings.samples) {
    auto [last, fresh] =
        last_samples_.try_emplace({sample.queue, sample.count, sample.hook}, sample.lo, sample.hi);
    const bool changed = last->second != std::pair(sample.lo, sample.hi);
    last->second = {sample.lo, sample.hi};
    if (fresh || changed || snapshot->full) snapshot->samples.push_back(sample);
  }
  for (const GaugeSample& gauge : readings.gauges) {
    auto [last, fresh] = last_gauges_.try_emplace({gauge.queue, gauge.gauge}, gauge.value);
    const bool changed = last->second != gauge.value;
    last->second = gauge.value;
    if (fresh || changed || snapshot->full) snapshot->gauges.push_back(gauge);
  }
  for (const HookSample& hook : readings.hooks) {
    auto [last, fresh] = last_hooks_.try_emplace(hook.hook, hook);
    // Hits alone change all the time; a hook is said again when it lost something.
    const bool lost = last->second.unplaced != hook.unplaced ||
                      last->second.dropped != hook.dropped || last->second.misses != hook.misses;
    last->second = hook;
    if (fresh || lost || snapshot->full) snapshot->hooks.push_back(hook);
  }
  for (const Part& part : readings.parts) {
    auto [last, fresh] = last_parts_.try_emplace({part.queue, part.count, part.label}, part.value);
    const bool changed = last->second != part.value;
    last->second = part.value;
    if (fresh || changed || snapshot->full) snapshot->parts.push_back(part);
  }
}

// What a snapshot does not say is as it was, so that a queue is gone must be told by one that says
// everything else.
bool Agent::QueueWent(const Readings& readings) {
  std::set<QueueId> queues;
  for (const Sample& sample : readings.samples) queues.insert(sample.queue);
  std::swap(queues, last_queues_);
  return !std::includes(last_queues_.begin(), last_queues_.end(), queues.begin(), queues.end());
}

// Hooks on the host's functions may have found nothing at all to hold on to.
bool Agent::FollowHost(const ProbeOptions& options) {
  const bool there = std::any_of(probes_.begin(), probes_.end(), [](const auto& probe) {
    return dynamic_cast<HostProbe*>(probe.get()) != nullptr;
  });
  if (there || !(hello_.roles & kRoleHost) || options_.limit >= Rung::kTracepoint) return false;
  const size_t hooks = hooks_.hooks().size();
  auto host = HostProbe::Start(options, &hooks_, &registry_);
  if (host == nullptr) {
    hooks_.Shrink(hooks);
    return false;
  }
  probes_.push_back(std::move(host));
  return true;
}

// Modules that load later bring functions, types and addresses: what was refused is tried again,
// and what is counted from now on says that it was not watched before.
absl::Status Agent::FollowModules(int64_t now_mono_ns) {
  auto modules = ParseModules(ReadText("/proc/modules"));
  if (modules == modules_) return absl::OkStatus();
  const auto before = std::exchange(modules_, std::move(modules));
  if (options_.limit >= Rung::kProcfs) return absl::OkStatus();
  const auto options = ProbeOptionsFrom(options_);
  if (!options.ok()) return absl::OkStatus();  // what is attached goes on
  bool changed = false;
  for (const auto& probe : probes_) changed |= probe->Follow(*options);
  changed |= FollowHost(*options);
  if (!changed) return absl::OkStatus();
  std::string came;
  for (const auto& [name, address] : modules_) {
    if (!before.contains(name)) absl::StrAppend(&came, came.empty() ? "" : ", ", name);
  }
  std::string stages;
  std::vector<HookInfo> hooks = hooks_.hooks();
  for (size_t i = 0; i < hooks.size(); ++i) {
    const bool was = i < hello_.hooks.size() && InUse(hello_.hooks[i].state);
    if (was && InUse(hooks[i].state)) hooks[i].state = hello_.hooks[i].state;  // as proven
    if (was || !InUse(hooks[i].state) || stages.find(hooks[i].stage) != std::string::npos) continue;
    absl::StrAppend(&stages, stages.empty() ? "" : ", ", hooks[i].stage);
  }
  hello_.hooks = std::move(hooks);
  if (absl::Status status = SayHelloAgain(); !status.ok()) return status;
  return Put(Gap{started_mono_ns_, now_mono_ns,
                 absl::StrCat(stages, " could not be watched before now (loaded since: ",
                              came.empty() ? "nothing" : came, ")")});
}

absl::Status Agent::Discover(int64_t now_mono_ns) {
  if (absl::Status status = FollowModules(now_mono_ns); !status.ok()) return status;
  for (const auto& probe : probes_) probe->Discover(now_mono_ns);
  ApplyDetail();
  if (absl::Status status = SayNewHooks(); !status.ok()) return status;
  next_discover_mono_ns_ = now_mono_ns + kDiscoverEveryNs;
  for (QueueInfo& info : registry_.TakeChanged()) {
    if (absl::Status status = Put(std::move(info)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

Agent::Readings Agent::ReadAll() {
  Readings all;
  std::vector<Reading> first;
  std::vector<Reading> second;
  all.begin = ReadClocks();
  for (const auto& probe : probes_) probe->ReadCounters(&first);
  for (const auto& probe : probes_) probe->Between(&all.samples, &all.gauges);
  for (const auto& probe : probes_) probe->ReadParts(&all.parts);
  for (const auto& probe : probes_) probe->ReadCounters(&second);
  for (const auto& probe : probes_) probe->ReadHooks(&all.hooks);
  all.end = ReadClocks();
  for (size_t i = 0; i < first.size(); ++i) {
    const Reading& a = first[i];
    all.samples.push_back({a.queue, a.count, a.hook, a.value, second[i].value});
  }
  return all;
}

absl::Status Agent::TakeSnapshot(bool full) {
  const int64_t now = MonotonicNs();
  if (full || now >= next_discover_mono_ns_) {
    if (absl::Status status = Discover(now); !status.ok()) return status;
  }
  Readings readings = ReadAll();
  const auto stale = [this] {
    return std::any_of(probes_.begin(), probes_.end(),
                       [](const auto& probe) { return probe->Stale(); });
  };
  // A queue that appeared meanwhile: once more. Each try knows at least one queue more, and slots
  // are bounded.
  while (stale()) {
    if (absl::Status status = Discover(MonotonicNs()); !status.ok()) return status;
    readings = ReadAll();
  }
  const bool say_all = QueueWent(readings) || full;
  Snapshot snapshot{.sequence = ++sequence_, .full = say_all, .begin = readings.begin};
  snapshot.end = readings.end;
  KeepChanged(readings, &snapshot);
  totals_.queues = registry_.size();
  totals_.interrupts = 0;
  for (const Sample& sample : readings.samples) {
    if (sample.count == Count::kGuestIrq) totals_.interrupts += sample.lo;
  }
  totals_.dropped = 0;
  for (const HookSample& hook : readings.hooks) totals_.dropped += hook.dropped;
  ++totals_.snapshots;
  if (absl::Status status = Put(std::move(snapshot)); !status.ok() || !full) return status;
  return SayHookStates(readings.hooks);
}

absl::Status Agent::SayHelloAgain() {
  hello_.clock = ReadClocks();
  return Put(hello_);
}

absl::Status Agent::SayNewHooks() {
  bool came = false;
  for (size_t i = 0; i < hello_.hooks.size() && i < hooks_.hooks().size(); ++i) {
    const HookInfo& hook = hooks_.hooks()[i];
    // Others are known better there: as proven, or as silent.
    if (hello_.hooks[i].state != HookState::kUnneeded || !InUse(hook.state)) continue;
    hello_.hooks[i] = hook;
    came = true;
  }
  if (!came) return absl::OkStatus();
  return SayHelloAgain();
}

absl::Status Agent::SayHookStates(const std::vector<HookSample>& samples) {
  if (!ProveHooks(samples, &hello_.hooks)) return absl::OkStatus();
  return SayHelloAgain();
}

absl::Status Agent::Step() {
  const int64_t now = MonotonicNs();
  if (absl::Status status = TakeRequests(); !status.ok()) return status;
  if (absl::Status status = DrainRings(false); !status.ok()) return status;
  for (LogLine& line : log_.Read()) {
    for (const auto& probe : probes_) probe->OnLogLine(line);
    const auto trigger = recording_->OnLogLine(line);
    if (absl::Status status = Put(std::move(line)); !status.ok()) return status;
    if (!trigger) continue;
    if (absl::Status status = OpenRecorder(*trigger, now); !status.ok()) return status;
  }
  if (absl::Status status = Govern(now); !status.ok()) return status;
  if (now >= next_snapshot_mono_ns_) {
    const bool full = now >= next_full_mono_ns_;
    if (full) next_full_mono_ns_ = now + kFullEveryNs;
    next_snapshot_mono_ns_ =
        now + (options_.snapshot_interval_ns << governor_.plan().interval_shift);
    if (absl::Status status = TakeSnapshot(full); !status.ok()) return status;
    for (Fact& fact : facts_.Changed(now, registry_, probes_)) {
      if (absl::Status status = Put(std::move(fact)); !status.ok()) return status;
    }
    if (absl::Status status = SayLate(now); !status.ok()) return status;
  }
  const int64_t left =
      std::clamp<int64_t>(next_snapshot_mono_ns_ - MonotonicNs(), 0, hurry_ ? kHurryNs : kStepNs);
  const timespec pause{.tv_sec = 0, .tv_nsec = left};
  nanosleep(&pause, nullptr);  // a signal may end it early: the caller looks
  return absl::OkStatus();
}

absl::Status Agent::Stop(const std::string& reason) {
  absl::Status status = DrainRings(false);
  if (status.ok()) status = TakeSnapshot(true);
  if (status.ok()) status = DrainRings(true);  // marks up to the last snapshot
  if (status.ok()) status = SayLate(MonotonicNs());
  if (status.ok()) status = SayGivenUp(MonotonicNs(), CostPlan(), totals_.cost_percent);
  if (status.ok()) status = Put(Bye{.clock = ReadClocks(), .reason = reason});
  probes_.clear();
  constexpr int kFlushMs = 5000;
  const absl::Status flushed = sink_->Flush(kFlushMs);
  return status.ok() ? flushed : status;
}

std::string WhyDegraded(const std::vector<HookInfo>& hooks, Rung limit) {
  std::string reason;
  for (const HookInfo& hook : hooks) {
    if (hook.stage != "guest.irq" || !RungAllowed(limit, hook.rung)) continue;
    if (InUse(hook.state)) {
      return reason.empty() ? ""
                            : absl::StrCat("interrupts are counted by number, not by queue, and ",
                                           "losses cannot be seen: ", reason);
    }
    absl::StrAppend(&reason, reason.empty() ? "" : "; ", hook.reason);
  }
  if (reason.empty()) return "";
  return absl::StrCat("interrupts are known from /proc/interrupts only: ", reason);
}

absl::StatusOr<HookReport> ProbeHooks(const AgentOptions& options, int64_t watch_ns, bool measure) {
  HookTable hooks;
  QueueRegistry registry;
  const uint32_t roles = options.roles == 0 ? kRoleGuest | kRoleHost : options.roles;
  const auto probe_options = ProbeOptionsFrom(options);
  if (!probe_options.ok()) return probe_options.status();
  std::vector<std::unique_ptr<Probe>> probes;
  if (roles & kRoleGuest) {
    probes.push_back(GuestProbe::Start(*probe_options, &hooks, &registry));
  }
  if (roles & kRoleHost) {
    if (auto host = HostProbe::Start(*probe_options, &hooks, &registry)) {
      probes.push_back(std::move(host));
    }
  }
  if (absl::Status status = DeniedBy(hooks.hooks()); !status.ok()) return status;
  constexpr int64_t kSecondNs = 1000 * kMsNs;
  const timespec pause{.tv_sec = watch_ns / kSecondNs, .tv_nsec = watch_ns % kSecondNs};
  std::unique_ptr<BpfStats> stats;
  if (measure) stats = std::make_unique<BpfStats>();
  const std::vector<HookCost> before = ReadCosts(probes);
  const int64_t from_ns = MonotonicNs();
  nanosleep(&pause, nullptr);
  HookReport report{.hooks = hooks.hooks(), .costs = ReadCosts(probes)};
  report.watched_ns = MonotonicNs() - from_ns;
  report.measured = stats != nullptr && stats->ok();
  for (size_t i = 0; i < before.size(); ++i) {
    report.costs[i].hits -= before[i].hits;
    report.costs[i].runs -= before[i].runs;
    report.costs[i].run_ns -= before[i].run_ns;
  }
  for (const auto& probe : probes) probe->ReadHooks(&report.samples);
  ProveHooks(report.samples, &report.hooks);
  return report;
}

}  // namespace ringside
