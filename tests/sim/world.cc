// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "tests/sim/tasks.h"

namespace ringside::sim {
namespace {

enum What : uint32_t {
  kEvent,
  kProbe,
  kProbeArrives,
  kAnswerArrives,
  kUnpause,
  kUnpauseLose,
  kArrived,
  kReloaded
};

std::string Uuid(const RunSpec& spec, size_t vm) {
  const size_t number = spec.vms[vm].clone ? 0 : vm;
  return "7d9ee1b4-0000-4000-8000-00000000000" + std::to_string(number + 1);
}

}  // namespace

class World::Writer : public Actor {
 public:
  Writer(Loop* loop, Route* route, double rate_hz, int64_t until_ns, uint64_t seed)
      : loop_(loop),
        route_(route),
        gap_ns_(1e9 / rate_hz),
        until_ns_(until_ns),
        random_(seed, "writer") {
    loop_->After(1, this, 0);
  }
  void On(uint32_t, uint64_t) override {
    if (loop_->now() >= until_ns_) return;
    route_->Write("process=injector (4242)", false);
    loop_->After(static_cast<int64_t>(gap_ns_ * random_.Real(0.9, 1.1)) + 1, this, 0);
  }

 private:
  Loop* loop_;
  Route* route_;
  const double gap_ns_;
  const int64_t until_ns_;
  Random random_;
};

World::World(const RunSpec& spec, std::unique_ptr<IncidentWriter> writer)
    : spec_(spec),
      random_(spec.seed, "world"),
      wire_(std::move(writer)),
      host_clock_(spec.host_clock),
      other_host_clock_({.mono_start_ns = 77'777 * kSecNs, .real_offset_ns = 3 * kMsNs}),
      collector_clock_(spec.collector_clock) {
  for (size_t i = 0; i < spec_.vms.size(); ++i) BuildVm(i);
  BuildAgents();
  for (size_t i = 0; i < spec_.events.size(); ++i) {
    loop_.At(spec_.events[i].at_ns, this, kEvent, i);
  }
  exchange_start_.resize(agents_.size());
  exchanges_.resize(agents_.size());
  for (size_t i = 0; i < agents_.size() && spec_.exchanges; ++i) {
    loop_.At(random_.Between(kMsNs, 5 * kMsNs), this, kProbe, i);
  }
}

World::~World() = default;

void World::BuildVm(size_t vm) {
  const VmSpec& vm_spec = spec_.vms[vm];
  const uint64_t seed = spec_.seed * 31 + vm;
  guests_.push_back(std::make_unique<Guest>(&loop_, vm_spec, spec_.mutation, seed));
  Guest* const guest = guests_.back().get();
  guest_clocks_.push_back(std::make_unique<NodeClock>(spec_.guest_clocks[vm]));
  for (Vq* vq : guest->queues()) vq->truth.path.on = spec_.details;
  for (size_t i = 0; i < guest->vcpus(); ++i)
    guest->vcpu(static_cast<int>(i))->follow = spec_.details;
  for (size_t pair = 0; pair < vm_spec.pairs.size(); ++pair) {
    const Flow& flow = vm_spec.pairs[pair].flow;
    workers_.push_back(std::make_unique<Worker>(guest, pair, seed));
    guest->workers[pair] = workers_.back().get();
    traffic_.push_back(std::make_unique<Traffic>(guest, pair, workers_.back().get(), seed));
    if (flow.poller.on) {
      const std::string who = "process=rx-worker (" + std::to_string(812 + pair) + ")";
      auto receiver = std::make_unique<Receiver>(guest, pair, flow.poller, who);
      guest->sockets[pair] = receiver.get();
      guest->Adopt(std::move(receiver), flow.poller.vcpu);
      guest->vcpu(flow.poller.vcpu)->Wake();
    }
    if (flow.send_hz > 0) {
      const int vcpu = static_cast<int>(pair + 1) % vm_spec.vcpus;
      guest->Adopt(std::make_unique<Sender>(guest, pair, flow.send_hz, vcpu), vcpu);
    }
  }
}

void World::BuildAgents() {
  const auto sink = [this](const StreamKey& key, NumberedRecord record) { wire_.Put(key, record); };
  for (const AgentOptions& options : spec_.host_agents) {
    const bool other = options.name != spec_.host_agents.front().name;
    agents_.push_back(std::make_unique<Agent>(
        &loop_, options, other ? &other_host_clock_ : &host_clock_, sink, spec_.seed));
    for (size_t vm = 0; vm < std::min(guests_.size(), options.vms); ++vm) {
      agents_.back()->WatchHost({guests_[vm].get(), "tap" + std::to_string(vm),
                                 "guest-" + std::to_string(vm + 1), Uuid(spec_, vm),
                                 4100 + static_cast<int>(vm)});
    }
  }
  for (const AgentOptions& options : spec_.guest_agents) {
    size_t vm = 0;
    while (vm < guests_.size() && spec_.vms[vm].name != options.name) ++vm;
    if (vm == guests_.size()) continue;
    agents_.push_back(
        std::make_unique<Agent>(&loop_, options, guest_clocks_[vm].get(), sink, spec_.seed + vm));
    agents_.back()->WatchGuest(guests_[vm].get(), Uuid(spec_, vm));
    Agent* const agent = agents_.back().get();
    auto before = guests_[vm]->log;
    guests_[vm]->log = [agent, before](const std::string& text) {
      if (before) before(text);
      agent->KernelLog(text);
    };
  }
}

void World::On(uint32_t what, uint64_t arg) {
  switch (what) {
    case kEvent: Do(spec_.events[arg]); return;
    case kProbe:
      exchange_start_[arg] = CollectorClock();
      loop_.After(random_.Exp(static_cast<double>(spec_.exchange_delay_ns)) + 20'000, this,
                  kProbeArrives, arg);
      return;
    case kProbeArrives:
      exchanges_[arg] = {.collector_before = exchange_start_[arg]};
      exchanges_[arg].agent = agents_[arg]->ReadClock();
      loop_.After(random_.Exp(static_cast<double>(spec_.exchange_delay_ns)) + 20'000, this,
                  kAnswerArrives, arg);
      return;
    case kAnswerArrives: Exchange(arg); return;
    case kUnpause:
    case kUnpauseLose: guests_[arg]->Unpause(what == kUnpauseLose); return;
    case kArrived:
    case kReloaded: GoOn(arg, what == kReloaded); return;
  }
}

void World::Exchange(size_t agent) {
  const int64_t now = loop_.now();
  const bool cut = now >= spec_.cut_from_ns && now < spec_.cut_to_ns;
  exchanges_[agent].collector_after = CollectorClock();
  if (agents_[agent]->running() && !cut) {
    wire_.PutExchange(agents_[agent]->key(), exchanges_[agent]);
  }
  // A burst at first: the fastest of several bounds best.
  const int64_t gap = now < 30 * kMsNs ? 5 * kMsNs : random_.About(spec_.exchange_every_ns);
  loop_.After(gap, this, kProbe, agent);
}

void World::Do(const Event& e) {
  Guest* const guest = guests_[e.vm].get();
  Vq* const vq = e.tx ? guest->tx(e.pair) : guest->rx(e.pair);
  Worker* const worker = guest->workers[e.pair];
  switch (e.act) {
    case Act::kWrite:
      writers_.push_back(std::make_unique<Writer>(
          &loop_, vq->route, e.x, e.ns == 0 ? INT64_MAX : loop_.now() + e.ns, spec_.seed));
      return;
    case Act::kStopPolling: vq->napi->Disable(); return;
    case Act::kLose: vq->route->lose = e.x; return;
    case Act::kDuplicate: vq->route->duplicate = e.x; return;
    case Act::kEmptySignals: worker->empty_signal = e.x; return;
    case Act::kNoTxSignal: worker->tx_signals = false; return;
    case Act::kSlow: vq->route->slow = e.x; return;
    case Act::kStarve:
      worker->starve = e.x;
      worker->starve_ns = e.ns;
      return;
    case Act::kSlowCopy: worker->copy_factor = e.x; return;
    case Act::kReorder: worker->reorder_ns = e.ns; return;
    case Act::kStaleRecheck: guest->stale_recheck = e.x; return;
    default: DoRare(e, vq); return;
  }
}

void World::DoRare(const Event& e, Vq* vq) {
  Guest* const guest = guests_[e.vm].get();
  switch (e.act) {
    case Act::kAffinity: guest->SetAffinity(vq, static_cast<int>(e.x), true); return;
    case Act::kStaleRoute: guest->SetAffinity(vq, static_cast<int>(e.x), false); return;
    case Act::kPause:
    case Act::kPauseLose:
      guest->Pause();
      loop_.After(e.ns, this, e.act == Act::kPause ? kUnpause : kUnpauseLose, e.vm);
      return;
    case Act::kMigrate:
      guest->Pause();
      StopWorkers(e.vm);
      loop_.After(e.ns, this, kArrived, e.vm);
      return;
    case Act::kReload:
      StopWorkers(e.vm);
      loop_.After(e.ns, this, kReloaded, e.vm);
      return;
    case Act::kUnwire: vq->route->wired = false; return;
    case Act::kDisabled: vq->irq->disabled = true; return;
    case Act::kIrqOff: {
      const int vcpu = vq->irq->vcpu;
      guest->Adopt(std::make_unique<IrqOff>(guest, vcpu, static_cast<int64_t>(e.x * 1e9), e.ns),
                   vcpu);
      return;
    }
    default: return;
  }
}

void World::StopWorkers(size_t vm) {
  for (Worker* worker : guests_[vm]->workers) worker->Stop();
}

void World::GoOn(size_t vm, bool reload) {
  Guest* const guest = guests_[vm].get();
  if (reload) {
    guest->ReplaceRings();
    for (const auto& agent : agents_) agent->QueuesReplaced(guest);
  } else {
    guest->Unpause(false);
  }
  for (Vq* vq : guest->queues()) vq->signalled_valid = false;  // a backend that starts
  for (Worker* worker : guest->workers) worker->Start();
}

Guest* World::GuestOf(const Vq* vq) const {
  for (const auto& guest : guests_) {
    const std::vector<Vq*>& queues = guest->queues();
    if (std::find(queues.begin(), queues.end(), vq) != queues.end()) return guest.get();
  }
  return nullptr;
}

const NodeClock& World::ClockOf(const Guest* guest) const {
  const auto found = std::find_if(guests_.begin(), guests_.end(),
                                  [guest](const auto& own) { return own.get() == guest; });
  return *guest_clocks_[static_cast<size_t>(found - guests_.begin())];
}

absl::Status World::Play(Recording* recording) {
  const ClockReading from = CollectorClock();
  loop_.RunUntil(spec_.duration_ns);
  // The agents stop a little before the end; what they still read may end.
  *recording = wire_.Finish(from, CollectorClock(), "collector1");
  return wire_.status();
}

}  // namespace ringside::sim
