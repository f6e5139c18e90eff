/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's rule by which it switches off an interrupt that nobody handles, as plain arithmetic
 * shared by BPF programs, tests and the simulator.
 *
 * The kernel counts calls of the interrupt's handlers in windows of 100,000 and the calls without
 * work in them; over 99,900 of those at a window's end and the interrupt is off. A call without
 * work that comes more than HZ/10 jiffies after the one before starts that count again at 1. Two
 * variants are in use: older kernels count every call, newer ones none while nothing is unhandled.
 *
 * The number of calls follows exactly from what the hook sees. The unhandled ones do not: the hook
 * reads jiffies a moment before the kernel does, so a distance of HZ/10 or one more may or may not
 * start the count again. Both are followed: the kernel's number lies in [lo, hi].
 */
#ifndef RINGSIDE_BPF_SPURIOUS_H_
#define RINGSIDE_BPF_SPURIOUS_H_

#include "events.h"

#ifndef RS_INLINE
#define RS_INLINE static inline __attribute__((always_inline))
#endif

enum { RS_SPURIOUS_WINDOW = 100000, RS_SPURIOUS_LIMIT = 99900 };

/* One call of the interrupt's handler. `jiffies` is used only if `none`; `gap` is HZ/10. */
RS_INLINE void rs_spurious_call(struct rs_spurious *s, struct rs_spurious_ends *ends, int none,
                                rs_u64 jiffies, rs_u32 gap) {
  if (!(s->state & RS_SPURIOUS_KNOWN)) return;
  if (none) {
    rs_u64 distance = jiffies > s->last_none ? jiffies - s->last_none : 0;
    s->lo = distance < gap ? s->lo + 1 : 1;
    s->hi = distance <= (rs_u64)gap + 1 ? s->hi + 1 : 1;
    s->last_none = jiffies;
  }
  /* Both ends are 0 or neither: they start and leave 0 together. */
  if ((s->state & RS_SPURIOUS_FROZEN) && !s->hi) return;
  if (++s->count < RS_SPURIOUS_WINDOW) return;
  ends->windows++;
  if (s->lo > ends->peak_lo) ends->peak_lo = s->lo;
  if (s->hi > ends->peak_hi) ends->peak_hi = s->hi;
  if (s->lo > RS_SPURIOUS_LIMIT) ends->trips_lo++;
  if (s->hi > RS_SPURIOUS_LIMIT) ends->trips_hi++;
  s->count = 0;
  s->lo = 0;
  s->hi = 0;
}

/* Whether the agent has left a seed that was not looked at yet. */
RS_INLINE int rs_spurious_asked(const struct rs_spurious *s, const struct rs_spurious_seed *seed) {
  return seed->serial != s->state / RS_SPURIOUS_SERIAL;
}

/* Takes over the agent's reading if not one call came since (`calls`: those before this one) and
 * the agent is not writing the next one meanwhile. A reading that came too late changes nothing but
 * RS_SPURIOUS_LATE; the agent sees that and tries again. */
RS_INLINE void rs_spurious_adopt(struct rs_spurious *s,
                                 const volatile struct rs_spurious_seed *seed, rs_u64 calls) {
  rs_u32 serial = seed->serial;
  rs_u64 seed_calls = seed->calls;
  rs_u64 last_none = seed->last_none;
  rs_u32 count = seed->count;
  rs_u32 unhandled = seed->unhandled;
  rs_u32 frozen = seed->frozen ? RS_SPURIOUS_FROZEN : 0;
  rs_u32 state = s->state % RS_SPURIOUS_SERIAL | RS_SPURIOUS_LATE;
  if (seed->serial != serial) return;
  if (seed_calls == calls && count < RS_SPURIOUS_WINDOW) {
    s->last_none = last_none;
    s->count = count;
    s->lo = unhandled;
    s->hi = unhandled;
    state = RS_SPURIOUS_KNOWN | frozen;
  }
  s->state = state | serial * RS_SPURIOUS_SERIAL;
}

#endif /* RINGSIDE_BPF_SPURIOUS_H_ */
