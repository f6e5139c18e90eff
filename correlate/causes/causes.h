// SPDX-License-Identifier: Apache-2.0
// The causes ringside knows (design, section 6), one function each: given what was seen of a queue
// or a node, a finding or none. Each states its own rule in its file, with the source of the rule.
// What causes what is decided afterwards (correlate/chain.h). Pure; any thread.
#ifndef RINGSIDE_CORRELATE_CAUSES_CAUSES_H_
#define RINGSIDE_CORRELATE_CAUSES_CAUSES_H_

#include <optional>
#include <vector>

#include "correlate/causes/stall.h"
#include "correlate/evidence.h"
#include "correlate/finding.h"

namespace ringside {

using MaybeFinding = std::optional<Finding>;

// guest interrupts (guest_interrupts.cc)
MaybeFinding BusyPollSpurious(const QueueEvidence& evidence);
MaybeFinding IrqStormRisk(const QueueEvidence& evidence);
MaybeFinding IrqDisabled(const QueueEvidence& evidence);  // or irq-disabled-drained

// signals and injections (signals.cc)
MaybeFinding EmptySignal(const QueueEvidence& evidence);
MaybeFinding ExternalInjector(const QueueEvidence& evidence);
MaybeFinding InterruptMerging(const QueueEvidence& evidence);
MaybeFinding SlowPathInjection(const QueueEvidence& evidence);
MaybeFinding TunRingFull(const QueueEvidence& evidence);

// interrupts that came too often or never (delivery.cc); a stall that they explain is given
MaybeFinding DuplicateInjection(const QueueEvidence& evidence);
MaybeFinding StaleRoute(const QueueEvidence& evidence, const std::optional<Stall>& stall);
MaybeFinding LostAcrossPause(const QueueEvidence& evidence, const std::optional<Stall>& stall);
MaybeFinding LostInterrupt(const QueueEvidence& evidence, const std::optional<Stall>& stall);

// what only the host sees (host_only.cc)
MaybeFinding VectorMasked(const QueueEvidence& evidence);

// queues that stand still (stalls.cc)
MaybeFinding SuppressedStall(const QueueEvidence& evidence, const std::optional<Stall>& stall);
MaybeFinding NoTxSignal(const QueueEvidence& evidence, const std::optional<Stall>& stall);
MaybeFinding DeadQueue(const QueueEvidence& evidence, const std::optional<Stall>& stall);

// nodes and VMs (nodes.cc); every finding they make
std::vector<Finding> LateVcpus(const Joined& joined, const Window& window);
std::vector<Finding> SoftirqSqueezes(const Joined& joined, const Window& window);
std::vector<Finding> DataLosses(const Joined& joined, const Window& window);

// Where practically every interrupt finds nothing: 999 in 1,000, the share of the kernel's rule.
std::optional<SnapshotRange> NearlyAllNone(const Side& guest);

// Writes to the queue's eventfd by anybody but its backend and its VMM, and signals of it by other
// kernel code; nothing if that is not observed.
std::optional<Interval> ForeignSignals(const QueueEvidence& evidence, const SnapshotRange& part);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CAUSES_CAUSES_H_
