// SPDX-License-Identifier: Apache-2.0
// The names of everything ringside counts and of every gauge it reads: one table, used by the
// wire, the incident file, the ledger and every table that people see.
//
// A count's name is `stage.outcome`; a name splits at its last dot. A count only grows. The order
// of the table is the order of the path, host first.
#ifndef RINGSIDE_CORRELATE_COUNTS_H_
#define RINGSIDE_CORRELATE_COUNTS_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace ringside {

// X(identifier, name, what one unit of it is)
#define RINGSIDE_COUNTS(X)                                                                        \
  X(kTunOffered, "tun.offered", "packets given to the tap queue (entries of tun_net_xmit)")       \
  X(kTunEnqueued, "tun.enqueued", "of those, put into the tap's ring")                            \
  X(kTunDropped, "tun.dropped", "of those, dropped by tun_net_xmit")                              \
  X(kVhostBatches, "vhost.batches", "batches of used entries published by vhost")                 \
  X(kVhostUsed, "vhost.used", "used entries published (advance of last_used_idx)")                \
  X(kVhostSignalled, "vhost.signalled", "batches after which vhost signalled the eventfd")        \
  X(kVhostSuppressed, "vhost.suppressed", "batches the guest had asked not to be signalled for")  \
  X(kVhostUnwired, "vhost.unwired", "batches with no eventfd to signal")                          \
  X(kVhostMasked, "vhost.masked", "of those signalled, into a notifier without irqfd")            \
  X(kVhostUnwoken, "vhost.unwoken", "of those signalled, an irqfd waited and was not woken")      \
  X(kVhostEmpty, "vhost.empty", "of those signalled, without a change of the used index")         \
  X(kEventfdWritten, "eventfd.written", "writes to the eventfd from user space")                  \
  X(kWriterReturned, "writer.returned", "of those, returned while details of it were wanted")     \
  X(kWriterForwarded, "writer.forwarded", "of those, after packets from a vhost-user queue")      \
  X(kEventfdVmm, "eventfd.vmm", "of those written, by the VMM itself (unmasking)")                \
  X(kEventfdOther, "eventfd.other", "signals of the eventfd by kernel code other than its queue") \
  X(kIrqfdWoken, "irqfd.woken", "wake-ups of the irqfd")                                          \
  X(kKvmInjected, "kvm.injected", "messages that at least one vCPU's APIC accepted")              \
  X(kKvmMerged, "kvm.merged", "of those, into an interrupt that was pending already")             \
  X(kKvmMergeDoubt, "kvm.merge_doubt", "of those, may have been taken just before: no merges")    \
  X(kKvmBlind, "kvm.blind", "injections whose pending bit could not be read (APICv, AVIC)")       \
  X(kKvmRejected, "kvm.rejected", "messages no vCPU accepted: lost")                              \
  X(kKvmSlowpath, "kvm.slowpath", "wake-ups handed to the workqueue")                             \
  X(kVgicQueued, "vgic.queued", "arm64: injections that put the LPI newly on a vCPU's list")      \
  X(kVgicPopulated, "vgic.populated", "arm64: queueings handed to a list register, once each")    \
  X(kKvmTaken, "kvm.taken", "pending interrupts KVM took for injection into the vCPU")            \
  X(kGuestIrq, "guest.irq", "runs of the queue's interrupt handler")                              \
  X(kGuestHandled, "guest.handled", "of those, with work (IRQ_HANDLED)")                          \
  X(kGuestNone, "guest.none", "of those, without work (IRQ_NONE)")                                \
  X(kGuestProcIrq, "guest.proc_irq", "the kernel's own count in /proc/interrupts")                \
  X(kGuestNapiSoftirq, "guest.napi.softirq", "polls from net_rx_action")                          \
  X(kGuestNapiBusy, "guest.napi.busy", "polls by a busy poller")                                  \
  X(kGuestNapiThread, "guest.napi.thread", "polls by a NAPI thread")                              \
  X(kGuestNapiNetpoll, "guest.napi.netpoll", "polls by netpoll (budget 0)")                       \
  X(kGuestUsed, "guest.used", "used entries the guest consumed (advance of its last_used_idx)")   \
  X(kGuestPackets, "guest.packets", "packets (rx) or completions (tx) its polls returned")        \
  X(kGuestPacketsBusy, "guest.packets.busy", "of those, by busy polls")                           \
  X(kGuestWindows, "guest.windows", "times the spurious rule's count reached 100,000")            \
  X(kSoftnetProcessed, "softnet.processed", "packets of all CPUs' net_rx_action")                 \
  X(kSoftnetSqueezed, "softnet.squeezed", "times net_rx_action ran out of budget or time")        \
  X(kSoftnetRuns, "softnet.runs", "runs of the network receive softirq (NET_RX)")                 \
  X(kSoftnetRunUs, "softnet.run_us", "time they took")                                            \
  X(kVcpuRunUs, "vcpu.run_us", "time the vCPU's thread ran")                                      \
  X(kVcpuDelayUs, "vcpu.delay_us", "time it was runnable and waited for a CPU")                   \
  X(kVcpuWoken, "vcpu.woken", "times the vCPU's thread became runnable")                          \
  X(kVcpuRuns, "vcpu.runs", "times it was given a CPU")

enum class Count : uint16_t {
#define X(id, name, text) id,
  RINGSIDE_COUNTS(X)
#undef X
};
inline constexpr int kCounts = 0
#define X(id, name, text) +1
    RINGSIDE_COUNTS(X)
#undef X
    ;

std::string_view CountName(Count count);
std::string_view CountText(Count count);
std::optional<Count> CountByName(std::string_view name);

// X(identifier, name, what it is)
#define RINGSIDE_GAUGES(X)                                                                     \
  X(kPosition, "ring.position", "used index extended to 64 bits")                              \
  X(kUsed, "ring.used", "guest: used->idx; host: last_used_idx")                               \
  X(kLastUsed, "ring.last_used", "guest: last_used_idx, up to where it consumed")              \
  X(kAvail, "ring.avail", "guest: avail->idx; host: last_avail_idx")                           \
  X(kAvailSeen, "ring.avail_seen", "host: avail_idx, the guest's index as vhost last read it") \
  X(kUsedEvent, "ring.used_event", "index after which the guest wants a signal (EVENT_IDX)")   \
  X(kSignalledUsed, "ring.signalled_used", "host: index when the signal was last evaluated")   \
  X(kAvailFlags, "ring.avail_flags", "guest: avail->flags (1: no interrupt)")                  \
  X(kFlagsShadow, "ring.flags_shadow", "guest: the driver's shadow of avail->flags")           \
  X(kEventTriggered, "ring.event_triggered", "guest: an interrupt came since it last asked")   \
  X(kIrqSeen, "ring.irq_seen", "guest: used->idx at its last interrupt")                       \
  X(kNumFree, "ring.num_free", "guest: free descriptors")                                      \
  X(kBackend, "vhost.backend", "host: 1 if the queue has a backend socket")                    \
  X(kTunFull, "tun.full", "host: 1 if the tap queue's ring is full")                           \
  X(kTunRing, "tun.ring", "host: packets waiting in the tap queue's ring")                     \
  X(kTunRingSize, "tun.ring_size", "host: packets that ring can hold")                         \
  X(kEpoch, "route.epoch", "host: times the interrupt's message has changed")                  \
  X(kJumps, "vhost.jumps", "host: times the used index changed outside of vhost's batches")    \
  X(kMsixMasked, "msix.masked", "guest: 1 if the vector is masked in its table")               \
  X(kIrqCount, "irq.count", "guest: the kernel's irq_count (/proc/irq/N/spurious)")            \
  X(kIrqUnhandled, "irq.unhandled", "guest: the kernel's irqs_unhandled (same file)")          \
  X(kIrqUnhandledLo, "irq.unhandled_lo", "guest: the same followed per interrupt, at least")   \
  X(kIrqUnhandledHi, "irq.unhandled_hi", "guest: the same followed per interrupt, at most")    \
  X(kIrqPeakLo, "irq.peak_lo", "guest: most unhandled at the end of a window, at least")       \
  X(kIrqPeakHi, "irq.peak_hi", "guest: most unhandled at the end of a window, at most")        \
  X(kIrqDisabled, "irq.disabled", "guest: 1 if the kernel has switched the interrupt off")     \
  X(kVmRunning, "vm.running", "host: 1 if the VM's vCPUs may run, 0 while it is stopped")      \
  X(kAvailGiven, "ring.avail_given", "host: avail->idx, out of the VMM's memory")              \
  X(kIrqfd, "route.irqfd", "host: 1 if an irqfd waits on the queue's eventfd, 0: masked")      \
  X(kSignalledAt, "vhost.signalled_at", "host: used index after the batch signalled last")

enum class Gauge : uint16_t {
#define X(id, name, text) id,
  RINGSIDE_GAUGES(X)
#undef X
};
inline constexpr int kGauges = 0
#define X(id, name, text) +1
    RINGSIDE_GAUGES(X)
#undef X
    ;

std::string_view GaugeName(Gauge gauge);
std::optional<Gauge> GaugeByName(std::string_view name);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_COUNTS_H_
