/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How many of the merges seen may have been none: arithmetic that BPF programs and the simulator
 * share.
 *
 * A merge is seen when the pending bit is set before an injection sets it. If the vCPU takes the
 * interrupt between that look and the setting, it was no merge. A run of injections begins with one
 * that found nothing pending; if all that followed in it merged, KVM takes one interrupt in the
 * run, and one more for each that did not:
 *
 *   set   merge merge  |  set ...      takes in the run: 1 + merges that were none
 *
 * So a second interrupt in a run without merges is nobody's error but a duplicate. */
#ifndef RINGSIDE_BPF_MERGES_H_
#define RINGSIDE_BPF_MERGES_H_

#include "events.h"

#ifndef RS_INLINE
#define RS_INLINE static inline __attribute__((always_inline))
#endif

/* An injection by the route's own waker, before it sets the bit. */
RS_INLINE void rs_note_injection(struct rs_route_slot *route, int pending) {
  if (pending) {
    route->run_merges++;
    return;
  }
  rs_u64 taken = route->taken;
  rs_u64 extra = taken - route->run_taken;
  extra = extra > 1 ? extra - 1 : 0;
  route->merge_doubt += extra < route->run_merges ? extra : route->run_merges;
  route->run_merges = 0;
  route->run_taken = taken;
}

#endif /* RINGSIDE_BPF_MERGES_H_ */
