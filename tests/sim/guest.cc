// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/guest.h"

#include <algorithm>

#include "tests/sim/tasks.h"
#include "tests/sim/vhost.h"

namespace ringside::sim {
namespace {

enum What : uint32_t { kMaskReaches, kUnmask };

constexpr int kFirstVector = 33;
constexpr uint32_t kTxRoom = 18;  // 2 + MAX_SKB_FRAGS: below, the stack must stop

MsiMessage MessageFor(int vcpu, int vector) {
  return {.address = 0xfee00000u | static_cast<uint64_t>(vcpu) << 12,
          .data = static_cast<uint32_t>(vector),
          .known = true};
}

}  // namespace

Guest::Guest(Loop* loop, const VmSpec& spec, Mutation mutation, uint64_t seed)
    : sockets(spec.pairs.size()),
      workers(spec.pairs.size()),
      loop_(loop),
      spec_(spec),
      mutation_(mutation),
      random_(seed, "guest"),
      answers_(spec.pairs.size()) {
  for (int i = 0; i < spec.vcpus; ++i) {
    vcpus_.push_back(std::make_unique<Vcpu>(loop, this, i, &spec_.delays, seed));
    vectors_.emplace_back(kVectors);
    last_route_.emplace_back(kVectors);
  }
  for (size_t i = 0; i < spec.pairs.size(); ++i) AddPair(i, seed);
}

void Guest::AddPair(size_t pair, uint64_t seed) {
  const PairSpec& pair_spec = spec_.pairs[pair];
  const uint64_t start = 65536 + random_.Next() % 65536;
  for (const bool is_rx : {true, false}) {
    auto vq = std::make_unique<Vq>(spec_, mutation_, is_rx, static_cast<int>(pair));
    const uint64_t at = is_rx ? start : start / 3 + 70'000;
    vq->used = vq->last_used = vq->host_used = vq->host_avail = vq->avail_seen = at;
    vq->avail = is_rx ? at + vq->size : at;
    vq->used_event = static_cast<uint16_t>(at);
    vq->ring_address = 0x10000000u + (pair * 2 + (is_rx ? 0 : 1)) * 0x4000u + 0x240;
    vq->want_kick = !is_rx;
    routes_.push_back(std::make_unique<Route>(this, vq.get(), seed));
    vq->route = routes_.back().get();
    vq->route->blind = spec_.blind;
    vq->irq = AddLine(vq.get(), pair_spec.irq_vcpu);
    queues_.push_back(vq.get());
    (is_rx ? rx_ : tx_).push_back(std::move(vq));
  }
  Vq* const rx = rx_.back().get();
  Vq* const tx = tx_.back().get();
  napis_.push_back(std::make_unique<Napi>(this, rx, tx));
  rx->napi = napis_.back().get();
  napis_.push_back(std::make_unique<Napi>(this, tx, nullptr));
  tx->napi = napis_.back().get();
  if (pair_spec.napi_thread) {
    auto thread = std::make_unique<NapiThread>(rx->napi);
    rx->napi->thread = thread.get();
    Adopt(std::move(thread), pair_spec.irq_vcpu + 1);
  }
}

IrqLine* Guest::AddLine(Vq* vq, int vcpu) {
  const int number = 24 + static_cast<int>(lines_.size());
  const std::string name =
      std::string("virtio0-") + (vq->rx ? "input." : "output.") + std::to_string(vq->pair);
  lines_.push_back(std::make_unique<IrqLine>(spec_, mutation_, number, name));
  IrqLine* const line = lines_.back().get();
  line->vq = vq;
  Place(line, vcpu % spec_.vcpus);
  vq->route->SetMessage(line->message);
  return line;
}

void Guest::Place(IrqLine* line, int vcpu) {
  auto& table = vectors_[static_cast<size_t>(vcpu)];
  int vector = kFirstVector;
  while (vector < kVectors - 1 && table[static_cast<size_t>(vector)] != nullptr) ++vector;
  table[static_cast<size_t>(vector)] = line;
  line->vcpu = vcpu;
  line->vector = vector;
  line->message = MessageFor(vcpu, vector);
}

IrqLine* Guest::Taken(Vcpu* on, int vector) {
  const size_t cpu = static_cast<size_t>(on->id());
  Route* const route = last_route_[cpu][static_cast<size_t>(vector)];
  if (route != nullptr && !spec_.posted) {
    Vq* const vq = route->vq();
    const int times = mutation_ == Mutation::kTakenTwice && random_.Chance(0.05) ? 2 : 1;
    vq->truth.Add(Count::kKvmTaken);
    for (int i = 0; i < times && vq->host_hooks != nullptr; ++i) vq->host_hooks->Taken();
  }
  IrqLine* const line = vectors_[cpu][static_cast<size_t>(vector)];
  if (line == nullptr) return nullptr;  // "No irq handler for vector"
  if (line->old_vcpu >= 0 && line->vcpu == on->id() && line->vector == vector &&
      !vcpus_[static_cast<size_t>(line->old_vcpu)]->Pending(line->old_vector)) {
    vectors_[static_cast<size_t>(line->old_vcpu)][static_cast<size_t>(line->old_vector)] = nullptr;
    line->old_vcpu = -1;
  }
  return line;
}

bool Guest::FlowEntry(IrqLine* line, Vcpu* on) {
  if (line->in_progress) {
    line->pending = true;
    Mask(line);
    return false;
  }
  if (line->disabled) {
    line->pending = true;
    Mask(line);
    return false;
  }
  ++line->kstat;
  line->vq->truth.Add(Count::kGuestProcIrq);
  line->in_progress = true;
  EnterHandler(line, on);
  return true;
}

void Guest::EnterHandler(IrqLine* line, Vcpu* on) {
  Vq* const vq = line->vq;
  line->seen_pos = vq->used;
  line->entered_by = vq->guest_hooks;
  vq->truth.Add(Count::kGuestIrq);
  vq->truth.Log(loop_->now(), line->seen_pos, Bit(Count::kGuestIrq));
  vq->truth.path.Note(&vq->truth.path.irqs, {loop_->now(), line->seen_pos, on->id()});
  if (vq->guest_hooks != nullptr) vq->guest_hooks->IrqEntry(on->id());
}

bool Guest::HandlerDone(IrqLine* line, Vcpu* on) {
  Vq* const vq = line->vq;
  const bool handled = vq->MoreUsed();
  if (handled) {
    vq->Interrupted();
    vq->napi->Schedule(on);
  }
  const Count outcome = handled ? Count::kGuestHandled : Count::kGuestNone;
  // An outcome belongs to its entry: agents that came in between know of neither.
  if (line->entered_by == vq->guest_hooks) {
    vq->truth.Add(outcome);
    vq->truth.Log(loop_->now(), line->seen_pos, Bit(outcome));
  }
  if (vq->guest_hooks != nullptr && !(mutation_ == Mutation::kNoneUncounted && !handled)) {
    vq->guest_hooks->IrqExit(handled, on->id());
  }
  if (line->rule.Note(handled, loop_->now())) NobodyCared(line);
  vq->truth.now[static_cast<size_t>(Count::kGuestWindows)] = line->rule.windows();
  if (line->pending && !line->disabled && mutation_ != Mutation::kRerunLost) {
    line->pending = false;
    if (line->masked) loop_->After(spec_.delays.vmm_ns, this, kUnmask, line->number);
    EnterHandler(line, on);
    return true;
  }
  line->in_progress = false;
  return false;
}

void Guest::NobodyCared(IrqLine* line) {
  line->disabled = true;
  if (!log) return;
  log("irq " + std::to_string(line->number) +
      ": nobody cared (try booting with the \"irqpoll\" option)");
  log("handlers:");
  log("[<00000000d2a9f0c1>] vring_interrupt [virtio_ring]");
  log("Disabling IRQ #" + std::to_string(line->number));
}

// The write to the table traps; the VMM takes vhost's eventfd away from the irqfd.
void Guest::Mask(IrqLine* line) {
  if (line->masked) return;
  line->masked = true;
  loop_->After(random_.About(spec_.delays.vmm_ns), this, kMaskReaches,
               static_cast<uint64_t>(line->number));
}

void Guest::On(uint32_t what, uint64_t arg) {
  for (const auto& line : lines_) {
    if (line->number != static_cast<int>(arg)) continue;
    if (what == kMaskReaches && line->masked) line->vq->route->SwapToMasked();
    if (what == kUnmask && line->masked) {
      line->masked = false;
      if (line->route_follows) line->vq->route->SetMessage(line->message);
      line->vq->route->SwapBack();
    }
  }
}

// Masks the vector, writes the new message, unmasks; the VMM follows (or does not).
void Guest::SetAffinity(Vq* vq, int vcpu, bool route_follows) {
  IrqLine* const line = vq->irq;
  if (line->masked || line->old_vcpu >= 0) return;
  Mask(line);
  line->old_vcpu = line->vcpu;
  line->old_vector = line->vector;
  Place(line, vcpu % spec_.vcpus);
  line->route_follows = route_follows;
  if (!route_follows) {
    vectors_[static_cast<size_t>(line->old_vcpu)][static_cast<size_t>(line->old_vector)] = nullptr;
    line->old_vcpu = -1;
  }
  loop_->After(random_.About(3 * spec_.delays.vmm_ns), this, kUnmask,
               static_cast<uint64_t>(line->number));
}

void Guest::Pause() {
  running_ = false;
  for (const auto& vcpu : vcpus_) vcpu->Stop();
}

void Guest::Unpause(bool lose_pending) {
  running_ = true;
  for (const auto& vcpu : vcpus_) {
    if (lose_pending) vcpu->ClearPending();
    vcpu->Resume();
  }
}

// The truth's indices go on: the next multiple of 65,536 looks like 0.
void Guest::ReplaceRings() {
  for (Vq* vq : queues_) {
    const uint64_t zero = (std::max(vq->avail, vq->host_used) / 65536 + 1) * 65536;
    vq->used = vq->last_used = vq->host_used = vq->host_avail = vq->avail_seen = zero;
    vq->avail = vq->rx ? zero + vq->size : zero;
    vq->used_event = 0;
    vq->flags = 0;
    vq->shadow = vq->event_triggered = vq->stopped = false;
    vq->want_kick = !vq->rx;
    vq->ring_address += 0x100000;
  }
}

// -- from NAPI --

void Guest::Consumed(Vq* vq, uint64_t n) {
  vq->truth.Add(Count::kGuestUsed, n);
  vq->truth.path.Note(&vq->truth.path.taken, {loop_->now(), vq->last_used});
}

int64_t Guest::Received(Vq* vq, uint64_t n, Vcpu*) {
  const size_t pair = static_cast<size_t>(vq->pair);
  if (sockets[pair] != nullptr) {
    sockets[pair]->Deliver(n);
    return 0;
  }
  answers_[pair] += spec_.pairs[pair].flow.answer * static_cast<double>(n);
  int64_t sent = 0;
  for (; answers_[pair] >= 1; answers_[pair] -= 1) {
    if (Transmit(pair)) ++sent;
  }
  return sent;
}

void Guest::Refill(Vq* vq, uint32_t threshold) {
  if (vq->Free() <= threshold) return;
  vq->avail = vq->last_used + vq->size;
  if (vq->want_kick) workers[static_cast<size_t>(vq->pair)]->Kick(vq);
}

bool Guest::RecheckSees(Vq* vq, uint16_t opaque) {
  return vq->PollAgain(opaque) && !random_.Chance(stale_recheck);
}

void Guest::Polled(Vq* vq, PollBy by, uint64_t work, const std::string& who, Vcpu* on) {
  const Count count = by == PollBy::kBusy     ? Count::kGuestNapiBusy
                      : by == PollBy::kThread ? Count::kGuestNapiThread
                                              : Count::kGuestNapiSoftirq;
  vq->truth.Add(count);
  vq->truth.Add(Count::kGuestPackets, work);
  if (by == PollBy::kBusy) vq->truth.Add(Count::kGuestPacketsBusy, work);
  vq->truth.path.Note(&vq->truth.path.polls, {loop_->now(), vq->last_used, on->id()});
  if (vq->guest_hooks != nullptr) vq->guest_hooks->Polled(by, work, who, on->id());
}

void Guest::TxRoom(Vq* vq) {
  if (vq->stopped && vq->Free() >= kTxRoom) vq->stopped = false;
  for (const auto& [task, cpu] : tasks_) {
    if (task->Runnable()) vcpu(cpu)->Wake();
  }
}

bool Guest::Transmit(size_t pair) {
  Vq* const vq = tx_[pair].get();
  if (vq->stopped) return false;
  do {
    if (vq->kernel != GuestKernel::k510) vq->DisableCb();
    const uint64_t n = vq->used - vq->last_used;
    vq->Consume(n);
    Consumed(vq, n);
  } while (!vq->EnableCbDelayed());
  ++vq->avail;
  if (vq->Free() < kTxRoom) vq->stopped = true;
  if (vq->want_kick) workers[pair]->Kick(vq);
  return true;
}

void Guest::Adopt(std::unique_ptr<Task> task, int vcpu_id) {
  vcpu(vcpu_id)->AddTask(task.get());
  tasks_.emplace_back(std::move(task), vcpu_id);
}

void Guest::WakeTask(Task* task) {
  for (const auto& [own, cpu] : tasks_) {
    if (own.get() != task) continue;
    task->Woken();
    vcpu(cpu)->Wake();
  }
}

void Guest::SyncSpins() {
  for (Socket* socket : sockets) {
    if (socket != nullptr) socket->Sync();
  }
}

}  // namespace ringside::sim
