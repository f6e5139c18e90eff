// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/route.h"

#include <algorithm>

#include "tests/sim/guest.h"

namespace ringside::sim {
namespace {

enum What : uint32_t { kExternalEnd, kWork, kWorkSet, kDuplicate, kWriteAgain, kVmmWriteAgain };

constexpr int kWouldBlock = -11;
constexpr int64_t kDuplicateNs = 60'000;

}  // namespace

Route::Route(Guest* guest, Vq* vq, uint64_t seed)
    : guest_(guest), vq_(vq), random_(seed, "route" + vq->name) {}

void Route::Count(ringside::Count count, uint64_t* mask) {
  vq_->truth.Add(count);
  *mask |= Bit(count);
}

bool Route::Signal() {
  if (vq_->host_hooks != nullptr) vq_->host_hooks->Signalled(true);
  if (to_masked_) {
    masked_pending_ = true;
    return false;
  }
  Wake(true);
  return true;
}

void Route::Wake(bool own) {
  locked_ = true;
  HostHooks* const hooks = vq_->host_hooks;
  pos_ = std::max(pos_, vq_->host_used);
  ++wakes_;
  uint64_t mask = 0;
  Count(ringside::Count::kIrqfdWoken, &mask);
  vq_->truth.Log(guest_->loop()->now(), pos_, mask);
  vq_->truth.path.Note(&vq_->truth.path.woken, {guest_->loop()->now(), pos_});
  if (hooks != nullptr) hooks->Woken();
  slow_now_ = random_.Chance(slow);
  if (hooks != nullptr) hooks->InatomicEntry(message_, own);
  if (!slow_now_) Inject(false);
}

// The pending bit is read, and set a little later: an interrupt delivered in between was merged as
// far as the reader can tell, and was not.
void Route::Inject(bool from_work) {
  const int vector = static_cast<int>(message_.data & 0xff);
  const int target = static_cast<int>((message_.address >> 12) & 0xff);
  const bool there = static_cast<size_t>(target) < guest_->vcpus() && vector < kVectors;
  if (!there) return;
  bool pending = guest_->vcpu(target)->Pending(vector);
  if (guest_->mutation() == Mutation::kMergeUnseen) pending = false;
  if (guest_->mutation() == Mutation::kMergeAlways) pending = true;
  if (vq_->host_hooks != nullptr) vq_->host_hooks->Accept(pending, from_work);
  guest_->last_route_[static_cast<size_t>(target)][static_cast<size_t>(vector)] = this;
}

void Route::SetBit(bool from_work) {
  const int vector = static_cast<int>(message_.data & 0xff);
  const int target = static_cast<int>((message_.address >> 12) & 0xff);
  const bool there = static_cast<size_t>(target) < guest_->vcpus() && vector < kVectors;
  uint64_t mask = 0;
  Count(there ? ringside::Count::kKvmInjected : ringside::Count::kKvmRejected, &mask);
  if (blind && there && !from_work) Count(ringside::Count::kKvmBlind, &mask);
  if (there) {
    vq_->truth.path.Note(&vq_->truth.path.injected, {guest_->loop()->now(), pos_});
    Vcpu* const vcpu = guest_->vcpu(target);
    if (vcpu->Pending(vector)) Count(ringside::Count::kKvmMerged, &mask);
    const bool twice = vcpu->Pending(vector) && guest_->mutation() == Mutation::kMergeTwice;
    if (!random_.Chance(lose)) vcpu->SetPending(vector);
    if (twice || random_.Chance(duplicate)) {
      guest_->loop()->After(random_.About(kDuplicateNs), this, kDuplicate,
                            static_cast<uint64_t>(target) << 8 | static_cast<uint64_t>(vector));
    }
  }
  vq_->truth.Log(guest_->loop()->now(), pos_, mask);
  HostHooks* const hooks = vq_->host_hooks;
  if (hooks == nullptr) return;
  if (from_work) {
    hooks->SlowExit(there);
  } else {
    hooks->InatomicExit(there ? 1 : -1);
  }
}

void Route::Finish() {
  locked_ = false;
  if (guest_->mutation() == Mutation::kWakeUncounted && wakes_ % 500 == 0) return;
  if (!slow_now_) {
    SetBit(false);
    return;
  }
  uint64_t mask = 0;
  Count(ringside::Count::kKvmSlowpath, &mask);
  vq_->truth.Log(guest_->loop()->now(), pos_, mask);
  if (vq_->host_hooks != nullptr) vq_->host_hooks->InatomicExit(kWouldBlock);
  if (queued_) return;  // one run for both
  queued_ = true;
  if (guest_->mutation() == Mutation::kSlowTwice) guest_->loop()->After(10'000, this, kWork);
  guest_->loop()->After(random_.About(guest_->spec().delays.kworker_ns), this, kWork);
}

void Route::Write(const std::string& who, bool vmm) {
  if (locked_) {
    // Waits for the lock. Others than the VMM are told apart by name only in their count.
    guest_->loop()->After(guest_->spec().delays.race_ns, this, vmm ? kVmmWriteAgain : kWriteAgain);
    return;
  }
  vq_->truth.Add(ringside::Count::kEventfdWritten);
  if (vmm) vq_->truth.Add(ringside::Count::kEventfdVmm);
  if (vq_->host_hooks != nullptr) vq_->host_hooks->Written(who, vmm);
  Wake(false);
  guest_->loop()->After(guest_->spec().delays.race_ns, this, kExternalEnd);
}

void Route::SwapBack() {
  to_masked_ = false;
  if (!masked_pending_) return;
  masked_pending_ = false;
  if (guest_->mutation() != Mutation::kMaskedLost) Write("process=qemu-system-x86 (4100)", true);
}

// Comes again once the first is delivered, and not between the reading of the pending bit and its
// setting: nobody could see that merge.
void Route::Again(int vcpu, int vector) {
  if (!locked_ && !guest_->vcpu(vcpu)->Pending(vector)) {
    guest_->vcpu(vcpu)->SetPending(vector);
    return;
  }
  const uint64_t arg = static_cast<uint64_t>(vcpu) << 8 | static_cast<uint64_t>(vector);
  guest_->loop()->After(random_.About(kDuplicateNs), this, kDuplicate, arg);
}

void Route::On(uint32_t what, uint64_t arg) {
  switch (what) {
    case kExternalEnd: Finish(); return;
    case kWork:
      queued_ = false;
      if (vq_->host_hooks != nullptr) vq_->host_hooks->SlowEntry();
      Inject(true);
      guest_->loop()->After(guest_->spec().delays.race_ns, this, kWorkSet);
      return;
    case kWorkSet: SetBit(true); return;
    case kDuplicate: Again(static_cast<int>(arg >> 8), static_cast<int>(arg & 0xff)); return;
    case kWriteAgain: Write("process=injector (4242)", false); return;
    case kVmmWriteAgain: Write("process=qemu-system-x86 (4100)", true); return;
  }
}

}  // namespace ringside::sim
