// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/agent.h"

#include <algorithm>
#include <utility>

#include "proto/convert.h"

namespace ringside::sim {
namespace {

enum What : uint32_t { kStart, kSnapshot, kStep, kDrain, kStop, kFacts };

constexpr int64_t kDiscoverEveryNs = kSecNs;
constexpr int64_t kDrainEveryNs = 50 * kMsNs;
constexpr int64_t kStepNs = 250;    // reading one queue's counters
constexpr int64_t kGaugeNs = 3000;  // one run of the walk program
constexpr uint64_t kFullEvery = 10;
constexpr size_t kMarksPerRecord = 2048;

}  // namespace

Agent::Agent(Loop* loop, const AgentOptions& options, const NodeClock* clock, Sink sink,
             uint64_t seed)
    : loop_(loop),
      o_(options),
      clock_(clock),
      sink_(std::move(sink)),
      random_(seed, "agent" + options.name + options.instance),
      key_{options.machine, options.boot, options.instance} {
  context_ = {.loop = loop, .clock = clock};
  context_.mark_loss = options.mark_loss;
  context_.mark_dice = random_.Next();
  context_.kprobes = options.kprobes;
  context_.hit_loss = options.hit_loss;
  context_.woken_fentry_silent = options.woken_fentry_silent;
  context_.details.wish = options.details;
  truth_.key = key_;
  loop_->At(options.start_ns, this, kStart);
  if (options.stop_ns != INT64_MAX) loop_->At(options.stop_ns, this, kStop);
}

Agent::~Agent() = default;

void Agent::WatchGuest(Guest* guest, const std::string& uuid) {
  guest_ = guest;
  uuid_ = uuid;
}

void Agent::Put(Record record) {
  const bool late = loop_->now() > (o_.start_ns + o_.stop_ns) / 2;
  Liar(o_.lie).Tell(late, &record);
  NumberedRecord numbered{.number = next_number_++, .record = std::move(record)};
  const bool vital = std::holds_alternative<Hello>(numbered.record) ||
                     std::holds_alternative<QueueInfo>(numbered.record);
  if (!vital && random_.Chance(o_.record_loss)) return;
  sink_(key_, std::move(numbered));
}

void Agent::On(uint32_t what, uint64_t) {
  if (what != kStart && !running()) return;
  switch (what) {
    case kStart: Start(); return;
    case kSnapshot:
      if (!reading_) BeginSnapshot();
      loop_->After(o_.interval_ns, this, kSnapshot);
      return;
    case kStep: Advance(); return;
    case kDrain:
      Drain();
      loop_->After(kDrainEveryNs, this, kDrain);
      return;
    case kStop: Stop(); return;
    case kFacts: SayFacts(); return;
  }
}

void Agent::Start() {
  started_ = true;
  MakeHello();
  Attach();
  next_discover_ns_ = loop_->now() + kDiscoverEveryNs;
  SayFacts();
  BeginSnapshot();
  loop_->After(o_.interval_ns, this, kSnapshot);
  loop_->After(kDrainEveryNs, this, kDrain);
}

// The last words: a last snapshot, the marks up to it, and Bye; a killed agent says nothing.
void Agent::Stop() {
  if (!o_.bye) {
    stopped_ = true;
  } else if (reading_) {
    loop_->After(kMsNs, this, kStop);
    return;
  } else {
    last_ = true;
    Drain();
    BeginSnapshot();
    return;
  }
  for (QueueView& view : queues_) {
    if (!Current(view)) continue;
    if (view.guest_hooks != nullptr) view.vq->guest_hooks = nullptr;
    if (view.host_hooks != nullptr) view.vq->host_hooks = nullptr;
    if (view.vcpu_hooks != nullptr) view.guest->vcpu(view.vcpu)->hooks = nullptr;
  }
}

void Agent::KernelLog(const std::string& text) {
  if (running() && o_.log) Put(LogLine{clock_->Mono(loop_->now()), 3, text});
}

void Agent::SayFacts() {
  const int64_t mono = clock_->Mono(loop_->now());
  const auto fact = [&](const std::string& name, const std::string& value) {
    Put(Fact{mono, name, value});
  };
  if (guest_ == nullptr) {
    fact("cpus", "16");
  } else {
    fact("cpus", std::to_string(guest_->spec().vcpus));
    int64_t busy_ns = 0;
    for (const PairSpec& pair : guest_->spec().pairs) {
      if (pair.flow.poller.on) busy_ns = std::max(busy_ns, pair.flow.poller.busy_ns);
    }
    fact("net.core.busy_read", std::to_string(std::min<int64_t>(busy_ns / kUsNs, 2000)));
    fact("net.core.busy_poll", "0");
    fact("net.core.netdev_budget", std::to_string(guest_->spec().softirq_budget));
    fact("net.core.netdev_budget_usecs", std::to_string(guest_->spec().softirq_time_ns / kUsNs));
    fact("eth0.features",
         guest_->spec().event_idx ? std::string(29, '0') + "1" : std::string(30, '0'));
  }
  if (o_.tsc) SayTscOffsets();
  const int64_t off_us = std::abs(clock_->options().real_offset_ns) / kUsNs;
  const int64_t step_us = std::abs(clock_->options().step_ns) / kUsNs;
  fact("clock.maxerror_us", std::to_string((off_us + step_us) / 100'000 * 100'000 + 100'000));
}

// All counters of the model are one: no guest's is ahead.
void Agent::SayTscOffsets() {
  for (const HostVm& vm : vms_) {
    for (size_t i = 0; i < vm.guest->vcpus(); ++i) {
      Put(Fact{clock_->Mono(loop_->now()),
               "kvm." + std::to_string(vm.pid) + ".vcpu" + std::to_string(i) + ".tsc",
               "offset=0 ratio=281474976710656 bits=48"});
    }
  }
}

void Agent::Discover() {
  LetGoOfMoved();
  for (QueueView& view : queues_) {
    const QueueInfo before = view.info;
    if (view.guest_hooks != nullptr) FillGuest(&view);
    if (view.host_hooks != nullptr) FillHost(&view);
    if (view.info == before || !Current(view)) continue;
    view.info.mono_ns = clock_->Mono(loop_->now());
    Put(view.info);
  }
}

void Agent::Drain() {
  for (size_t at = 0; at < context_.marks.size(); at += kMarksPerRecord) {
    const size_t end = std::min(at + kMarksPerRecord, context_.marks.size());
    Marks record;
    record.marks.assign(context_.marks.begin() + static_cast<std::ptrdiff_t>(at),
                        context_.marks.begin() + static_cast<std::ptrdiff_t>(end));
    Put(std::move(record));
  }
  context_.marks.clear();
  if (o_.details.on) DrainDetails();
}

// As agent/event_packer.h does, with the real codec.
void Agent::DrainDetails() {
  if (guest_ != nullptr) guest_->SyncSpins();
  std::vector<DetailEvent>& ring = context_.details.ring;
  std::stable_sort(ring.begin(), ring.end(), [](const DetailEvent& a, const DetailEvent& b) {
    return a.mono_ns < b.mono_ns;
  });
  for (size_t at = 0; at < ring.size(); at += kChunkEventsMax) {
    const size_t end = std::min(at + kChunkEventsMax, ring.size());
    const std::vector<DetailEvent> part(ring.begin() + static_cast<std::ptrdiff_t>(at),
                                        ring.begin() + static_cast<std::ptrdiff_t>(end));
    absl::StatusOr<EventChunk> chunk = EncodeChunk(part, next_detail_);
    next_detail_ += part.size();
    // One that cannot be made is a mistake of this model: its number is missed.
    if (chunk.ok()) Put(*std::move(chunk));
  }
  ring.clear();
}

// -- snapshots --

void Agent::BeginSnapshot() {
  reading_ = true;
  step_ = 0;
  if (loop_->now() >= next_discover_ns_ || last_) {
    Discover();
    next_discover_ns_ = loop_->now() + kDiscoverEveryNs;
  }
  ++sequence_;
  const bool full = last_ || sequence_ % kFullEvery == 1 || std::exchange(went_, false);
  snapshot_ = {.sequence = sequence_, .full = full};
  snapshot_.begin = clock_->Read(loop_->now());
  snapshot_truth_ = {.sequence = sequence_, .mono_ns = snapshot_.begin.mono_ns};
  first_.clear();
  second_.clear();
  loop_->After(kStepNs, this, kStep);
}

// Counters of every queue, then gauges of every queue, then counters again, each at its own time.
void Agent::Advance() {
  if (guest_ != nullptr && !guest_->running()) {
    loop_->After(kMsNs, this, kStep);  // its VM stands still
    return;
  }
  const size_t n = queues_.size();
  const size_t step = step_++;
  if (step < n) {
    ReadPass(step, &first_);
    loop_->After(random_.About(kStepNs), this, kStep);
  } else if (step < 2 * n) {
    ReadGauges(step - n);
    loop_->After(random_.About(kGaugeNs), this, kStep);
  } else if (step == 2 * n) {
    ReadProc();
    loop_->After(random_.About(guest_ != nullptr ? 20 * kGaugeNs : kStepNs), this, kStep);
  } else if (step <= 3 * n) {
    ReadPass(step - 2 * n - 1, &second_);
    loop_->After(random_.About(kStepNs), this, kStep);
  } else {
    EndSnapshot();
  }
}

void Agent::EndSnapshot() {
  reading_ = false;
  ReadHooks(&snapshot_);
  ReadParts(&snapshot_);
  snapshot_.end = clock_->Read(loop_->now());
  for (size_t i = 0; i < first_.size(); ++i) {
    const Reading& a = first_[i];
    snapshot_.samples.push_back({a.queue, a.count, a.hook, a.value, second_[i].value});
  }
  KeepChanged(&snapshot_);
  truth_.snapshots.push_back(std::move(snapshot_truth_));
  if (!last_ && sequence_ > 1 && random_.Chance(o_.snapshot_fold)) {
    Fold(&snapshot_);
    return;
  }
  if (have_folded_) {
    Fold(&snapshot_);
    folded_.sequence = snapshot_.sequence;
    folded_.begin = snapshot_.begin;
    folded_.end = snapshot_.end;
    --folded_.folded;
    snapshot_ = std::exchange(folded_, {});
    have_folded_ = false;
  }
  Put(std::move(snapshot_));
  if (!last_) return;
  Drain();
  Put(Bye{.clock = clock_->Read(loop_->now()), .reason = "stopped"});
  stopped_ = true;
}

void Agent::KeepChanged(Snapshot* all) {
  const bool full = all->full;
  std::erase_if(all->samples, [&](const Sample& s) {
    auto [last, fresh] = last_samples_.try_emplace({s.queue, s.count, s.hook}, s.lo, s.hi);
    const bool same = !fresh && last->second == std::pair(s.lo, s.hi);
    last->second = {s.lo, s.hi};
    return same && !full;
  });
  std::erase_if(all->gauges, [&](const GaugeSample& g) {
    auto [last, fresh] = last_gauges_.try_emplace({g.queue, g.gauge}, g.value);
    const bool same = !fresh && last->second == g.value;
    last->second = g.value;
    return same && !full;
  });
  std::erase_if(all->parts, [&](const Part& p) {
    auto [last, fresh] = last_parts_.try_emplace({p.queue, p.count, p.label}, p.value);
    const bool same = !fresh && last->second == p.value;
    last->second = p.value;
    return same && !full;
  });
  std::erase_if(all->hooks, [&](const HookSample& h) {
    auto [last, fresh] = last_hooks_.try_emplace(h.hook, h);
    const bool lost = last->second.unplaced != h.unplaced || last->second.dropped != h.dropped ||
                      last->second.misses != h.misses;
    last->second = h;
    return !fresh && !lost && !full;
  });
}

// The newest of each row wins.
void Agent::Fold(Snapshot* snapshot) {
  const auto fold = [](auto* into, const auto& from, const auto& same) {
    for (const auto& row : from) {
      const auto known =
          std::find_if(into->begin(), into->end(), [&](const auto& r) { return same(r, row); });
      if (known == into->end()) {
        into->push_back(row);
      } else {
        *known = row;
      }
    }
  };
  fold(&folded_.samples, snapshot->samples, [](const Sample& a, const Sample& b) {
    return a.queue == b.queue && a.count == b.count && a.hook == b.hook;
  });
  fold(&folded_.gauges, snapshot->gauges, [](const GaugeSample& a, const GaugeSample& b) {
    return a.queue == b.queue && a.gauge == b.gauge;
  });
  fold(&folded_.hooks, snapshot->hooks,
       [](const HookSample& a, const HookSample& b) { return a.hook == b.hook; });
  fold(&folded_.parts, snapshot->parts, [](const Part& a, const Part& b) {
    return a.queue == b.queue && a.count == b.count && a.label == b.label;
  });
  folded_.full = folded_.full || snapshot->full;
  ++folded_.folded;
  have_folded_ = true;
}

}  // namespace ringside::sim
