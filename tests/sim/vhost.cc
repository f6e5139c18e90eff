// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/vhost.h"

#include <algorithm>
#include <string>

namespace ringside::sim {
namespace {

enum What : uint32_t { kWake, kCopied, kSent, kFilled, kDecide, kInjected, kLeave };

constexpr uint64_t kBatch = 64;    // VHOST_NET_BATCH
constexpr uint64_t kWeight = 256;  // packets before the other direction has its turn

}  // namespace

Worker::Worker(Guest* guest, size_t pair, uint64_t seed)
    : guest_(guest),
      loop_(guest->loop()),
      random_(seed, "vhost" + std::to_string(pair)),
      rx_(guest->rx(pair)),
      tx_(guest->tx(pair)),
      tap_size_(guest->spec().pairs[pair].tap_ring != 0 ? guest->spec().pairs[pair].tap_ring
                                                        : guest->spec().tap_ring) {}

void Worker::Later(int64_t delay, uint32_t what, uint64_t arg) {
  loop_->After(delay, this, what, arg);
}

void Worker::Offer(uint64_t packets) {
  if (stopped_) return;  // no link: what others send does not come here
  const uint64_t room = tap_size_ - tap_;
  const uint64_t taken = std::min(packets, room);
  QueueTruth& truth = rx_->truth;
  truth.Add(Count::kTunOffered, packets);
  truth.Add(Count::kTunEnqueued, taken);
  truth.Add(Count::kTunDropped, packets - taken);
  if (rx_->host_hooks != nullptr) {
    rx_->host_hooks->TunEntry(packets);
    const bool counted = guest_->mutation() != Mutation::kDropUncounted;
    rx_->host_hooks->TunExit(taken, counted ? packets - taken : 0);
  }
  tap_ += taken;
  truth.path.Came(loop_->now(), taken);
  // Without descriptors the worker waits for the guest's kick, not for packets.
  if (taken > 0 && !rx_->want_kick) {
    rx_work_ = true;
    WakeUp();
  }
}

void Worker::Kick(Vq* vq) {
  vq->want_kick = false;
  (vq == rx_ ? rx_work_ : tx_work_) = true;
  WakeUp();
}

void Worker::Start() {
  stopped_ = false;
  tap_ = rxq_ = 0;  // purged with the old backend
  rx_->truth.path.waiting.clear();
  rx_work_ = tx_work_ = true;
  WakeUp();
}

void Worker::WakeUp() {
  if (busy_ || stopped_) return;
  busy_ = true;
  const Delays& d = guest_->spec().delays;
  int64_t delay = d.lab ? random_.From(d.lab->taken) : random_.About(d.worker_wake_ns);
  if (random_.Chance(starve)) delay += random_.About(starve_ns);
  Later(delay, kWake);
}

void Worker::Next() {
  handled_ = 0;
  if (stopped_ || (!rx_work_ && !tx_work_)) {
    busy_ = false;
    return;
  }
  prefer_tx_ = !prefer_tx_;
  if (tx_work_ && (prefer_tx_ || !rx_work_)) {
    StepTx();
  } else {
    StepRx();
  }
}

void Worker::StepRx() {
  if (rxq_ == 0) {
    rxq_ = std::min(tap_, kBatch);
    tap_ -= rxq_;
  }
  uint64_t room = rx_->avail_seen - rx_->host_avail;
  if (rxq_ > 0 && room == 0) {
    rx_->avail_seen = rx_->avail;
    room = rx_->avail_seen - rx_->host_avail;
  }
  const uint64_t n = handled_ >= kWeight ? 0 : std::min({rxq_, room, kBatch + 1 - rx_done_});
  if (n > 0) {
    const double copy = static_cast<double>(guest_->spec().delays.copy_ns) * copy_factor;
    Later(random_.About(static_cast<int64_t>(copy * static_cast<double>(n))), kCopied, n);
    return;
  }
  if (rx_done_ > 0) {
    BeginBatch(rx_, rx_done_);
    return;
  }
  if (handled_ < kWeight) {
    rx_work_ = false;
    if (rxq_ > 0) {
      rx_->want_kick = true;  // then looks once more, as vhost_enable_notify does
      if (rx_->avail != rx_->avail_seen) Kick(rx_);
    }
  }
  Next();
}

void Worker::StepTx() {
  uint64_t room = tx_->avail_seen - tx_->host_avail;
  if (room == 0) {
    tx_->avail_seen = tx_->avail;
    room = tx_->avail_seen - tx_->host_avail;
  }
  const uint64_t n = handled_ >= kWeight ? 0 : std::min(room, kBatch - tx_done_);
  if (n > 0) {
    Later(random_.About(static_cast<int64_t>(n) * guest_->spec().delays.tx_copy_ns), kSent, n);
    return;
  }
  if (tx_done_ > 0) {
    BeginBatch(tx_, tx_done_);
    return;
  }
  if (handled_ < kWeight) {
    tx_work_ = false;
    tx_->want_kick = true;
    if (tx_->avail != tx_->avail_seen) Kick(tx_);
  }
  Next();
}

// vhost_add_used_and_signal_n: the index moves, is published, the guest's wish is read, and the
// eventfd is signalled or not.
void Worker::BeginBatch(Vq* vq, uint64_t n) {
  batch_ = {.vq = vq, .n = n, .begin = loop_->now(), .entered_by = vq->host_hooks};
  (vq == rx_ ? rx_done_ : tx_done_) = 0;
  vq->truth.Add(Count::kVhostBatches);
  if (vq->host_hooks != nullptr) vq->host_hooks->VhostEntry(vq->route->wired);
  vq->Fill(n);
  if (reorder_ns > 0) {
    batch_.wanted = Wanted();
    batch_.decided = true;
    Later(random_.About(reorder_ns), kFilled);
    return;
  }
  Later(random_.About(guest_->spec().delays.publish_ns), kFilled);
}

bool Worker::Wanted() {
  Vq* const vq = batch_.vq;
  if (!vq->route->wired) return false;
  const bool wanted = vq->Notify(loop_->now());
  if (batch_.n == 0) return true;  // only a backend gone wrong signals without anything new
  return wanted && (vq->rx || tx_signals);
}

void Worker::AfterFill() {
  batch_.vq->Publish();
  PathTimes& path = batch_.vq->truth.path;
  const uint64_t to = batch_.vq->host_used;
  if (path.on && batch_.n > 0) {
    path.batches.push_back({to - batch_.n, to, batch_.begin, loop_->now()});
  }
  Guest::Socket* const socket = guest_->sockets[static_cast<size_t>(rx_->pair)];
  if (socket != nullptr) socket->Published();
  const Delays& d = guest_->spec().delays;
  Later(d.lab ? random_.From(d.lab->signalled) : random_.About(d.decide_ns), kDecide);
}

void Worker::Decide() {
  Vq* const vq = batch_.vq;
  if (vq->route->locked()) {
    Later(guest_->spec().delays.race_ns, kDecide);
    return;
  }
  if (!batch_.decided) batch_.wanted = Wanted();
  if (!batch_.wanted) {
    Later(random_.About(guest_->spec().delays.leave_ns), kLeave);
    return;
  }
  batch_.signalled = true;
  batch_.woken = vq->route->Signal();
  const Delays& d = guest_->spec().delays;
  const int64_t race_ns = d.lab ? random_.From(d.lab->injected) : random_.About(d.race_ns);
  Later(race_ns, batch_.woken ? kInjected : kLeave);
}

void Worker::Leave() {
  Vq* const vq = batch_.vq;
  uint64_t mask = Bit(Count::kVhostBatches);
  // A batch that began before the agent came is none of its.
  const bool seen = batch_.entered_by == vq->host_hooks;
  const auto count = [&](Count which) {
    if (seen) vq->truth.Add(which);
    mask |= Bit(which);
  };
  count(!vq->route->wired  ? Count::kVhostUnwired
        : batch_.signalled ? Count::kVhostSignalled
                           : Count::kVhostSuppressed);
  if (batch_.signalled && !batch_.woken) count(Count::kVhostMasked);
  if (batch_.signalled && batch_.n == 0) count(Count::kVhostEmpty);
  vq->truth.Add(Count::kVhostUsed, batch_.n);
  if (seen) vq->truth.Log(loop_->now(), vq->host_used, mask);
  if (vq->host_hooks != nullptr) {
    const bool hide = guest_->mutation() == Mutation::kSignalUncounted && batch_.signalled &&
                      vq->truth.Get(Count::kVhostSignalled) % 50 == 0;
    if (hide) vq->host_hooks->v.cur_flags &= ~RS_CUR_SIGNALLED;
    vq->host_hooks->VhostExit(batch_.woken);
  }
  Resume();
}

void Worker::Resume() {
  const bool was_rx = batch_.vq == rx_;
  const bool extra = batch_.n > 0 && random_.Chance(empty_signal);
  if (extra && batch_.vq->rx) {
    BeginBatch(batch_.vq, 0);
    return;
  }
  if (handled_ >= kWeight) {
    Next();
  } else if (was_rx) {
    StepRx();
  } else {
    StepTx();
  }
}

void Worker::On(uint32_t what, uint64_t arg) {
  switch (what) {
    case kWake: Next(); return;
    case kCopied:
      rx_->truth.path.Copied(rx_->host_avail, arg);
      rx_->host_avail += arg;
      rx_done_ += arg;
      rxq_ -= arg;
      handled_ += arg;
      if (rx_done_ > kBatch) {
        BeginBatch(rx_, rx_done_);
      } else {
        StepRx();
      }
      return;
    case kSent:
      tx_->host_avail += arg;
      tx_done_ += arg;
      handled_ += arg;
      if (sent) sent(arg);
      if (tx_done_ >= kBatch) {
        BeginBatch(tx_, tx_done_);
      } else {
        StepTx();
      }
      return;
    case kFilled: AfterFill(); return;
    case kDecide: Decide(); return;
    case kInjected:
      batch_.vq->route->Finish();
      Later(random_.About(guest_->spec().delays.leave_ns), kLeave);
      return;
    case kLeave: Leave(); return;
  }
}

// -- traffic --

namespace {
enum TrafficWhat : uint32_t { kArrive, kReply };
constexpr int64_t kNetworkNs = 30'000;  // the other end of a ping-pong
}  // namespace

Traffic::Traffic(Guest* guest, size_t pair, Worker* worker, uint64_t seed)
    : guest_(guest),
      flow_(guest->spec().pairs[pair].flow),
      worker_(worker),
      random_(seed, "traffic" + std::to_string(pair)) {
  if (flow_.pattern == Pattern::kIdle || flow_.rate_hz <= 0) return;
  if (flow_.pattern == Pattern::kPingPong) {
    worker_->sent = [this](uint64_t n) {
      guest_->loop()->After(random_.About(kNetworkNs), this, kReply, n);
    };
  }
  guest_->loop()->At(flow_.from_ns + Gap(), this, kArrive);
}

int64_t Traffic::Gap() {
  const double mean = 1e9 * flow_.burst / flow_.rate_hz;
  switch (flow_.pattern) {
    case Pattern::kBursts: return random_.Exp(mean) + 1;
    case Pattern::kSteady: return static_cast<int64_t>(mean * random_.Real(0.7, 1.3)) + 1;
    case Pattern::kLab: return random_.From(kLabSteps.gap);
    case Pattern::kPings: return static_cast<int64_t>(mean * random_.Real(0.98, 1.02)) + 1;
    default: return static_cast<int64_t>(mean * random_.Real(0.5, 1.5)) + 1;
  }
}

void Traffic::On(uint32_t what, uint64_t arg) {
  const int64_t now = guest_->loop()->now();
  if (now >= flow_.to_ns) return;
  if (what == kReply) {
    worker_->Offer(arg);
    return;
  }
  const bool silent = now >= flow_.silent_from_ns && now < flow_.silent_to_ns;
  if (!silent) worker_->Offer(static_cast<uint64_t>(flow_.burst));
  // A ping-pong starts anew only if its packet got lost: here the first packet is all.
  if (flow_.pattern == Pattern::kPingPong) return;
  guest_->loop()->After(Gap(), this, kArrive);
}

}  // namespace ringside::sim
