// SPDX-License-Identifier: Apache-2.0
// The readers, one per format. `Looks...` decides by content, cheaply; `Read...` reads what it says
// it is. Pure; any thread.
#ifndef RINGSIDE_CLI_CLAIMS_READERS_H_
#define RINGSIDE_CLI_CLAIMS_READERS_H_

#include "cli/claims/claim_file.h"
#include "cli/claims/reader.h"

namespace ringside {

// ringside's own claims (schema in cli/README.md).
bool LooksLikeClaimJson(const ClaimText& text);
ClaimFile ReadClaimJson(const ClaimText& text);

// Two (or more) snapshots of /proc/interrupts in one text: the last against the first.
bool LooksLikeInterrupts(const ClaimText& text);
ClaimFile ReadInterrupts(const ClaimText& text);

// What `perf stat` prints.
bool LooksLikePerfStat(const ClaimText& text);
ClaimFile ReadPerfStat(const ClaimText& text);

// What `perf script` and `trace-cmd report` print: events one by one, counted here.
bool LooksLikeTrace(const ClaimText& text);
ClaimFile ReadTrace(const ClaimText& text);

// Maps as bpftrace prints them, those of trace_int_final.bt, virtionet-rx-path-summary.bt and
// vhost_eventfd_count.bt included.
bool LooksLikeBpftrace(const ClaimText& text);
ClaimFile ReadBpftrace(const ClaimText& text);

// Tools of everoute/troubleshooting-tools.
bool LooksLikeIrqfdStats(const ClaimText& text);  // kvm_irqfd_stats_summary, _arm
ClaimFile ReadIrqfdStats(const ClaimText& text);
bool LooksLikeEventfdCount(const ClaimText& text);  // vhost_eventfd_count.py
ClaimFile ReadEventfdCount(const ClaimText& text);
bool LooksLikeQueueCorrelation(const ClaimText& text);  // vhost_queue_correlation_simple, _details
ClaimFile ReadQueueCorrelation(const ClaimText& text);
bool LooksLikeIrqMonitor(const ClaimText& text);  // virtnet_irq_monitor
ClaimFile ReadIrqMonitor(const ClaimText& text);
bool LooksLikePollMonitor(const ClaimText& text);  // virtnet_poll_monitor
ClaimFile ReadPollMonitor(const ClaimText& text);

}  // namespace ringside

#endif  // RINGSIDE_CLI_CLAIMS_READERS_H_
