// SPDX-License-Identifier: Apache-2.0
// One virtqueue (split ring): the memory that both sides share, the driver's own state and the
// backend's own state, with the rules of kernel facts 2.2 and 3.3. Indices are kept in 64 bits, so
// that the truth knows no turns; what one side shows the other is their lower 16.
#ifndef RINGSIDE_TESTS_SIM_VQ_H_
#define RINGSIDE_TESTS_SIM_VQ_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "tests/sim/params.h"
#include "tests/sim/truth.h"

namespace ringside::sim {

class GuestHooks;
class HostHooks;
class IrqLine;
class Napi;
class Route;

// Whether a signal is due: the wish `event` lies in [old, now), turns included.
inline bool NeedEvent(uint16_t event, uint16_t now, uint16_t old) {
  return static_cast<uint16_t>(now - event - 1) < static_cast<uint16_t>(now - old);
}

// A busy poller that finds nothing arms and disarms the interrupt in each of its turns. Instead of
// an event per turn the state at an instant is computed from the turn's phase.
struct Spin {
  bool on = false;
  int64_t since = 0;
  int64_t period = 0;
  int64_t armed_from = 0;  // part of the period in which the interrupt is armed
  int64_t armed_to = 0;
};

class Vq {
 public:
  Vq(const VmSpec& spec, Mutation mutation, bool is_rx, int pair_index);

  // -- driver (guest) --
  bool MoreUsed() const { return last_used != used; }
  void DisableCb();
  uint16_t EnableCb();                    // arms; returns what PollAgain compares with
  bool PollAgain(uint16_t opaque) const;  // entries came since
  bool EnableCbDelayed();                 // arms for three quarters of what is outstanding
  void Consume(uint64_t n);               // n times virtqueue_get_buf
  void Interrupted() {
    if (kernel != GuestKernel::k510 && event_idx) event_triggered = true;
  }
  uint32_t Free() const { return size - static_cast<uint32_t>(avail - last_used); }

  // -- backend (host) --
  // Moves the backend's own index; the guest sees it after Publish.
  void Fill(uint64_t n);
  void Publish() { used = host_used; }
  // vhost_notify: whether the guest wants a signal, judged at `now`.
  bool Notify(int64_t now);

  // What the backend reads of the guest's memory at `now`.
  uint16_t UsedEventAt(int64_t now) const;
  uint16_t FlagsAt(int64_t now) const;

  const bool rx;
  const int pair;
  const uint32_t size;
  const bool event_idx;
  const GuestKernel kernel;
  const Mutation mutation;
  std::string name;  // rx0, tx0
  uint64_t ring_address = 0;

  // Shared memory.
  uint64_t used = 0;
  uint64_t avail = 0;
  uint16_t used_event = 0;
  uint16_t flags = 0;
  bool want_kick = false;  // the backend waits for a kick
  // Driver.
  uint64_t last_used = 0;
  bool shadow = false;  // the driver's copy of "no interrupt"
  bool event_triggered = false;
  bool stopped = false;  // transmit queue full: the stack may not send
  Spin spin;
  // Backend.
  uint64_t host_used = 0;
  uint64_t host_avail = 0;
  uint64_t avail_seen = 0;
  uint16_t signalled_used = 0;
  bool signalled_valid = false;

  // Who looks on, where it leads.
  QueueTruth truth;
  GuestHooks* guest_hooks = nullptr;
  HostHooks* host_hooks = nullptr;
  Route* route = nullptr;
  IrqLine* irq = nullptr;
  Napi* napi = nullptr;

 private:
  bool EventWritten() const { return event_idx && kernel != GuestKernel::k510; }
  void Arm(uint64_t at);
};

inline Vq::Vq(const VmSpec& spec, Mutation wrong, bool is_rx, int pair_index)
    : rx(is_rx),
      pair(pair_index),
      size(spec.ring),
      event_idx(spec.event_idx),
      kernel(spec.kernel),
      mutation(wrong),
      name((is_rx ? "rx" : "tx") + std::to_string(pair_index)) {}

inline void Vq::DisableCb() {
  if (shadow) return;
  shadow = true;
  // 6.1: a device that has signalled will not do so again, so nothing need be written.
  if (kernel != GuestKernel::k510 && event_triggered) return;
  if (mutation == Mutation::kDisableNothing) return;
  if (EventWritten()) {
    used_event = 0;  // may match again when the index turns
  } else if (!event_idx) {
    flags = 1;
  }
}

inline void Vq::Arm(uint64_t at) {
  if (shadow) {
    shadow = false;
    if (!event_idx) flags = 0;
  }
  used_event = static_cast<uint16_t>(at);
}

inline uint16_t Vq::EnableCb() {
  event_triggered = false;
  Arm(last_used);
  return static_cast<uint16_t>(last_used);
}

inline bool Vq::PollAgain(uint16_t opaque) const {
  if (mutation == Mutation::kNoRecheck) return false;
  return opaque != static_cast<uint16_t>(used);
}

inline bool Vq::EnableCbDelayed() {
  event_triggered = false;
  const uint16_t outstanding = static_cast<uint16_t>(avail - last_used);
  const uint16_t wait = static_cast<uint16_t>(outstanding * 3 / 4);
  Arm(last_used + wait);
  return static_cast<uint16_t>(used - last_used) <= wait;
}

inline void Vq::Consume(uint64_t n) {
  last_used += n;
  if (!shadow) used_event = static_cast<uint16_t>(last_used);
}

inline void Vq::Fill(uint64_t n) {
  // The driver forgets when it last judged if the index turns past it.
  const uint16_t old = static_cast<uint16_t>(host_used);
  host_used += n;
  const uint16_t now = static_cast<uint16_t>(host_used);
  if (static_cast<uint16_t>(now - signalled_used) < static_cast<uint16_t>(now - old)) {
    signalled_valid = false;
  }
}

inline uint16_t Vq::UsedEventAt(int64_t now) const {
  if (!spin.on || !EventWritten() || mutation == Mutation::kDisableNothing) return used_event;
  const int64_t phase = (now - spin.since) % spin.period;
  const bool armed = phase >= spin.armed_from && phase < spin.armed_to;
  return armed ? static_cast<uint16_t>(last_used) : 0;
}

inline uint16_t Vq::FlagsAt(int64_t now) const {
  if (!spin.on || event_idx) return flags;
  const int64_t phase = (now - spin.since) % spin.period;
  return phase >= spin.armed_from && phase < spin.armed_to ? 0 : 1;
}

inline bool Vq::Notify(int64_t now) {
  if (!event_idx) return FlagsAt(now) == 0;
  const uint16_t old = signalled_used;
  const bool valid = signalled_valid;
  signalled_used = static_cast<uint16_t>(host_used);
  signalled_valid = true;
  if (!valid) return true;
  const uint16_t event = UsedEventAt(now);
  if (mutation == Mutation::kNeedEvent) {
    return NeedEvent(static_cast<uint16_t>(event + 1), signalled_used, old);
  }
  return NeedEvent(event, signalled_used, old);
}

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_VQ_H_
