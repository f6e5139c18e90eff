/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Positions and marks: the one piece of arithmetic that BPF programs and the simulator share.
 *
 * A position is a queue's 16-bit used index extended to 64 bits. It is extended against the
 * newest position that any reader of the same queue has published, so a domain that was silent
 * for more than a turn (an interrupt that busy polling made rare) is brought along by the others.
 */
#ifndef RINGSIDE_BPF_POSITION_H_
#define RINGSIDE_BPF_POSITION_H_

#include "events.h"

#ifndef RS_INLINE
#define RS_INLINE static inline __attribute__((always_inline))
#endif

/* Extends `index` to the position nearest to `base` with the same low 16 bits. An index up to
 * 0x7fff ahead advances; one behind (a stale read on another CPU) gives a position below base. */
RS_INLINE rs_u64 rs_extend(rs_u64 base, rs_u16 index) {
  rs_u16 ahead = (rs_u16)(index - (rs_u16)base);
  if (ahead < 0x8000) return base + ahead;
  rs_u64 behind = 0x10000u - ahead;
  return base >= behind ? base - behind : base;
}

RS_INLINE rs_u64 rs_max(rs_u64 a, rs_u64 b) { return a > b ? a : b; }

/* True if a multiple of 1 << shift lies in (prev, pos]. */
RS_INLINE int rs_crosses_mark(rs_u64 prev, rs_u64 pos, rs_u32 shift) {
  return pos > prev && (pos >> shift) != (prev >> shift);
}

/* Spacing of marks for a ring of `size` entries: the ring's size, as a shift. A spacing of at
 * least the ring's size cannot be jumped over by one update (kernel facts, marks). */
RS_INLINE rs_u32 rs_mark_shift(rs_u32 size) {
  rs_u32 shift = 6;
  while (shift < 15 && (1u << shift) < size) shift++;
  return shift;
}

#endif /* RINGSIDE_BPF_POSITION_H_ */
