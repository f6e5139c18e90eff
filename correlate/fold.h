// SPDX-License-Identifier: Apache-2.0
// Two snapshots of one stream made into one: how spools and windows get smaller without losing a
// count. Pure.
#ifndef RINGSIDE_CORRELATE_FOLD_H_
#define RINGSIDE_CORRELATE_FOLD_H_

#include "correlate/records.h"

namespace ringside {

// `newer` with everything in it that changed since before `older`, the snapshot right before it:
// what is lost is how things stood at `older`.
Snapshot FoldSnapshot(const Snapshot& older, const Snapshot& newer);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_FOLD_H_
